"""Handed-in work: which messages say that it waits for a grade, and that it is told once, however they arrive."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.domain.evidence import Evidence, command
from services.evidence.domain.handed_in import HandIn, Work, graded_by, newest, tell
from shared.contracts.handed_in import UNGRADED, WorkUngraded
from tests.evidence.builders import item
from tests.evidence.running import Running
from tests.evidence.test_formats_read import live, read, roster_result, score
from tests.support.waiting import until

LINE = "https://lms.example/line/1"
PENDING: dict[str, Any] = {"gradingProgress": "PendingManual", "scoreGiven": None, "scoreMaximum": None}


def says(form: str, payload: Any) -> tuple[str, str, bool] | None:
    [reading] = read(form, payload)
    one = reading.handed_in
    return None if one is None else (one.learner, one.activity, one.waits)


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        (PENDING, True),
        ({"gradingProgress": "Pending", "activityProgress": "Submitted"}, True),
        ({"gradingProgress": "FullyGraded"}, False),
        ({"gradingProgress": "FullyGraded", "scoreGiven": None, "scoreMaximum": None}, False),
        ({"gradingProgress": "NotReady", "activityProgress": "Initialized"}, False),
        ({"gradingProgress": "Pending", "activityProgress": "InProgress"}, None),
        ({"gradingProgress": "NotReady"}, None),
        ({"gradingProgress": "Failed"}, None),
    ],
)
def test_an_ags_score_says_whether_handed_in_work_waits(changes: dict[str, Any], waits: bool | None) -> None:
    assert says("ags", score(**changes)) == (None if waits is None else ("u1", LINE, waits))


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"scoreStatus": "submitted"}, True),
        ({"scoreStatus": "partially graded"}, True),
        ({"scoreStatus": "submitted", "inProgress": "true"}, False),
        ({"scoreStatus": "fully graded"}, False),
        ({"scoreStatus": "exempt"}, False),
        ({"scoreStatus": "not submitted", "missing": "true"}, False),
        ({"scoreStatus": "submitted", "status": "tobedeleted"}, False),
    ],
)
def test_a_oneroster_result_says_whether_it_waits(changes: dict[str, Any], waits: bool) -> None:
    assert says("oneroster", roster_result(**changes)) == ("ada", "assessmentLineItem:l1", waits)


def test_a_oneroster_result_that_names_nobody_says_nothing() -> None:
    assert says("oneroster", roster_result(status="tobedeleted", student=None)) is None


@pytest.mark.parametrize(
    ("name", "body", "waits"),
    [
        ("submission_created", {"workflow_state": "submitted"}, True),
        ("submission_updated", {"workflow_state": "pending_review"}, True),
        ("submission_updated", {"workflow_state": "graded"}, False),
        ("submission_updated", {"workflow_state": "unsubmitted"}, False),
        ("submission_created", {}, None),
        ("submission_created", {"workflow_state": "new_in_tomorrows_canvas"}, None),
        ("quiz_submitted", {"quiz_id": "1", "submission_id": "2"}, None),
        ("grade_change", {"submission_id": "7", "score": 3, "points_possible": 4, "grading_complete": False}, True),
        ("grade_change", {"submission_id": "7", "score": 3, "points_possible": 4}, False),
    ],
)
def test_a_canvas_event_says_whether_a_submission_waits(name: str, body: dict[str, Any], waits: bool | None) -> None:
    event = live(name, **({"assignment_id": "3", "user_id": "5", "student_id": "5"} | body))

    assert says("canvas", event) == (None if waits is None else ("5", "assignment:3", waits))


def native_grade(occurred_at: str, **members: Any) -> HandIn | None:
    content = Evidence("s", "n", occurred_at, "ada", activity="essay", **members)
    return graded_by(command("t", content))


_DAYS = [f"2026-04-{day:02}T{hour:02}:00:00.000000Z" for day in (1, 2, 3) for hour in (0, 9, 15)]
_SAID = st.lists(
    st.one_of(
        st.builds(HandIn, st.just("ada"), st.just("essay"), st.sampled_from(_DAYS), st.booleans()),
        st.builds(native_grade, st.sampled_from(_DAYS)),
    ),
    min_size=1,
)


@given(said=_SAID, seed=st.integers(0, 999))
def test_what_holds_does_not_depend_on_the_order(said: Sequence[HandIn], seed: int) -> None:
    mixed = random.Random(seed).sample(said, len(said))
    one_by_one: list[HandIn] = []
    for one in mixed:
        one_by_one = newest([*one_by_one, one])

    assert newest(said) == newest([*mixed, *said]) == one_by_one


def test_a_piece_grades_what_was_handed_in_until_a_day_after_it_and_what_says_so_itself_does_not() -> None:
    until = HandIn("ada", "essay", "2026-04-03T00:00:00.000000Z", waits=False)
    at = "2026-04-02T00:00:00.000000Z"

    assert native_grade(at) == until
    assert native_grade(at, retracts="m") is None
    assert graded_by(command("t", Evidence("s", "n", at, "ada"))) is None
    assert graded_by(msgspec.structs.replace(command("t", Evidence("s", "n", at, "ada", activity="essay")),
                                             dates_grade=False)) is None  # fmt: skip


def test_work_that_goes_to_another_learner_ends_for_the_one_and_begins_for_the_other() -> None:
    work = Work("t", "s", "17", "essay", "2026", True, None, 0, "ann")
    begun, told = tell(work, ("m:1",), 4, "now")
    again, same = tell(told, ("m:1",), 4, "now")
    moved, after = tell(told._replace(learner="bea"), ("m:1",), 4, "now")
    over, _ = tell(after._replace(waits=False), ("m:1",), 4, "now")

    assert ([draft.subject for draft in begun], again, same) == (["ann"], [], told)
    assert [draft.subject for draft in moved] == ["ann", "bea"]
    assert [draft.subject for draft in over] == ["bea"]
    ids = [draft.body for draft in (*begun, *moved, *over)]
    assert len(set(ids)) == 4


# The running service


async def stands(service: Running, source: str) -> dict[str, WorkUngraded]:
    """Return what a reader of the log believes of the work of a source, by learner."""
    found: dict[str, WorkUngraded] = {}
    for event in sorted(await service.feed(), key=lambda one: (one["shard"], one["position"])):
        if event["type"] == UNGRADED and event["data"]["source"] == source:
            found[event["subject"]] = msgspec.convert(event["data"], WorkUngraded)
    return found


async def send(sender: httpx.AsyncClient, *scores: dict[str, Any]) -> None:
    for one in scores:
        answer = await sender.post("/v1/intake/ags", json=one)
        assert answer.json()["items"][0]["status"] != "rejected", answer.text


def handed(at: str = "2026-04-16T10:00:00Z", **changes: Any) -> dict[str, Any]:
    return score(**(PENDING | {"timestamp": at} | changes))


def graded(at: str = "2026-04-17T10:00:00Z", **changes: Any) -> dict[str, Any]:
    return score(timestamp=at, **changes)


async def test_in_every_order_and_said_twice_it_comes_to_the_same(service: Running) -> None:
    messages = [handed(), handed("2026-04-15T10:00:00Z"), graded()]
    for number, order in enumerate(itertools.permutations(messages)):
        source = f"urn:order:{number}"
        await send(service.client(source=source), *order, *order)

        assert [work.waits for work in (await stands(service, source)).values()] in ([], [False]), order


async def test_a_native_grade_ends_the_wait_in_every_order(service: Running) -> None:
    """The source has told of handed-in work before; the grade is dated by its day alone, before what it grades."""
    for number, order in enumerate(itertools.permutations(("early", "late", "grade"))):
        source = f"urn:native:{number}"
        sender = service.client(source=source)
        await send(sender, handed(userId="other"))
        said = {"early": handed("2026-04-15T10:00:00Z"), "late": handed()}
        graded_on = item("n", source=source, learner="u1", occurred_at="2026-04-16T00:00:00Z", activity={"id": LINE},
                         competencies=None)  # fmt: skip
        for one in (*order, *order):
            if one == "grade":
                await service.submit(graded_on, source=source)
            else:
                await send(sender, said[one])
        assert [work.waits for work in (await stands(service, source)).values()].count(True) == 1, order

        await send(sender, handed("2026-04-18T10:00:00Z"))
        assert [work.waits for work in (await stands(service, source)).values()] == [True, True], order


async def test_a_native_grade_from_before_the_source_told_of_any_work_ends_the_wait_too(service: Running) -> None:
    """
    Stored, by an alignment or with competencies that it named itself, or parked for want of one; what is older than the work, of
    another activity, learner or source grades nothing.
    """
    await service.publish_framework("first", "1")
    entry = {"id": "https://lms.example/line/known", "competencies": [{"competency": "first:1"}]}
    assert (await service.client("policy:write").post("/v1/alignments", json=[entry])).status_code == 200
    for line, named in (
        (entry["id"], None), ("https://lms.example/line/nowhere", None), ("https://lms.example/line/named", ["first:1"]),
    ):  # fmt: skip
        source = f"urn:before:{line[-5:]}"
        same: dict[str, Any] = {"competencies": named, "activity": {"id": line}, "occurred_at": "2026-04-16T00:00:00Z"}
        others: dict[str, dict[str, Any]] = {
            "u2": {"occurred_at": "2026-04-10T00:00:00Z"},
            "u4": {"activity": {"id": f"{line}/2"}},
        }
        pieces = [
            item(f"n{learner}", source=source, learner=learner, **same | others.get(learner, {}))
            for learner in ("u1", "u2", "u4")
        ]
        await service.submit(*pieces, source=source)
        await service.submit(item("n3", source="urn:elsewhere", learner="u3", **same), source="urn:elsewhere")
        sender = service.client(source=source)
        await send(sender, *(handed(lineItem=line, userId=learner) for learner in ("u1", "u2", "u3", "u4")))
        admin = service.client()
        known = {
            (await admin.get("/v1/learners", params={"source": source, "source_id": one})).json()["learner"]: one
            for one in ("u1", "u2", "u3", "u4")
        }

        found = {known[learner]: work.waits for learner, work in (await stands(service, source)).items()}
        assert found == {"u2": True, "u3": True, "u4": True}, line


async def test_a_nul_beside_an_earlier_grade_hides_neither_the_grade_nor_the_work(service: Running) -> None:
    """What a source adds to a piece may have one, and what looks like one: only what events tell may not."""
    source, line = "urn:nul", "https://lms.example/line/nul"
    for added in ("\x00", "\\u0000", "\\\x00\\\\u0000"):
        piece = item(f"n{len(added)}", source=source, learner=f"u{len(added)}", competencies=None, activity={"id": line},
                     occurred_at="2026-04-16T00:00:00Z", extensions={"note": added})  # fmt: skip
        [answer] = await service.submit(piece, source=source)
        assert answer["status"] == "parked"
    await send(service.client(source=source), *(handed(lineItem=line, userId=f"u{n}") for n in (1, 6, 9, 2)))

    assert [work.waits for work in (await stands(service, source)).values()] == [True]


async def test_a_score_that_says_itself_that_the_work_waits_is_no_grade_of_it(service: Running) -> None:
    source = "urn:partial"
    some = handed(scoreGiven=1, scoreMaximum=2)
    await send(service.client(source=source), some, some)

    assert [work.waits for work in (await stands(service, source)).values()] == [True]


async def test_handed_in_again_it_waits_again_and_a_native_score_of_the_same_activity_is_a_grade(
    service: Running,
) -> None:
    source = "urn:again"
    sender = service.client(source=source)
    await send(sender, graded("2026-04-10T10:00:00Z"), handed())
    [waits] = (await stands(service, source)).values()
    assert (waits.waits, waits.since, waits.competencies) == (True, "2026-04-16T10:00:00.000000Z", ())

    same = {"source": source, "competencies": None, "activity": {"id": LINE}}
    early = item("n0", learner="u1", occurred_at="2026-04-10T00:00:00Z", **same)
    other = item("n1", learner="u2", occurred_at="2026-04-20T00:00:00Z", **same)
    await service.submit(early, other, source=source)
    assert [work.waits for work in (await stands(service, source)).values()] == [True]

    [answer] = await service.submit(item("n2", learner="u1", occurred_at="2026-04-16T00:00:00Z", **same), source=source)
    assert answer["status"] == "parked", "no alignment names the activity, and it is a grade all the same"
    assert [work.waits for work in (await stands(service, source)).values()] == [False]


async def test_the_alignment_map_says_what_it_counts_for_also_where_it_comes_later(service: Running) -> None:
    await service.publish_framework("hand", "1", "2")
    source = "urn:aligned"
    await send(service.client(source=source), handed())
    assert await unaligned(service, source) == ([{"source": source, "activity": LINE, "parked": 0, "handed_in": 1}], 1)
    for competency in ("hand:1", "hand:2"):
        entry = {"id": LINE, "source": source, "competencies": [{"competency": competency}]}
        assert (await service.client("policy:write").post("/v1/alignments", json=[entry])).status_code == 200

        async def told(named: str = competency) -> bool:
            return [work.competencies for work in (await stands(service, source)).values()] == [(named,)]

        await until(told)
    assert await unaligned(service, source) == ([], 0)


async def unaligned(service: Running, source: str) -> tuple[list[dict[str, Any]], int]:
    """Return what of a source waits for an alignment, and how much handed-in work the source is said to have there."""
    admin = service.client()
    missing = (await admin.get("/v1/alignments/missing")).json()["items"]
    sources = (await admin.get("/v1/sources/completeness")).json()["items"]
    counted = {each["source"]: each["waiting"]["unaligned"] for each in sources}
    return [each for each in missing if each["source"] == source], counted.get(source, 0)


async def test_it_goes_with_a_merge_comes_back_and_is_forgotten_with_its_learner(service: Running) -> None:
    source = "urn:merged"
    sender, admin = service.client(source=source), service.client()
    await send(sender, handed(userId="ann"), handed(userId="bea", lineItem="https://lms.example/line/2"))
    ann, bea = [
        (await admin.get("/v1/learners", params={"source": source, "source_id": one})).json()["learner"]
        for one in ("ann", "bea")
    ]
    merge = (await admin.post(f"/v1/learners/{ann}/merge", json={"into": bea, "reason": "same"})).json()
    merged = {learner: work.waits for learner, work in (await stands(service, source)).items()}
    held = (await admin.get(f"/v1/learners/{bea}/holdings")).json()["handed_in"]
    assert (await admin.post(f"/v1/merges/{merge['merge']}/undo")).status_code == 200
    undone = await stands(service, source)

    assert merged == {ann: False, bea: True}
    assert sorted((one["activity"][-1], one["waits"]) for one in held) == [("1", True), ("2", True)]
    assert (undone[ann].waits, undone[ann].activity) == (True, LINE)

    assert (await admin.delete(f"/v1/learners/{ann}")).status_code == 200
    rows = await service.rows("select source_id from handed_in where tenant = 'demo' and source = $1", source)
    assert [row["source_id"] for row in rows] == ["bea"]
    assert ann not in await stands(service, source)


async def test_own_line_items_and_what_is_dated_ahead_are_not_waited_for(service: Running) -> None:
    source, own = "urn:own", "https://lms.example/line/own"
    admin = service.client("admin records:read evidence:write policy:write")
    noted = await admin.post("/v1/own-activities", json={"activities": [own]})
    sender = service.client(source=source)
    await send(sender, handed("2126-04-16T10:00:00Z", userId="ahead"))
    answer = await sender.post("/v1/intake/ags", json=handed(lineItem=own))

    assert (noted.status_code, answer.json()["items"][0]["reason"]) == (200, "own_passback"), noted.text
    assert await stands(service, source) == {}


async def test_what_is_received_and_what_is_in_the_log_still_add_up(service: Running) -> None:
    source = "urn:counted"
    await send(service.client(source=source), handed(), graded(), handed("2026-04-18T10:00:00Z"))
    found = (await service.client().post("/v1/reconciliation")).json()["items"]
    [day] = await service.rows(
        "select sum(accepted + duplicate + parked + rejected)::int n from source_day where source = $1", source
    )

    assert [(one["stage"], one["difference"]) for one in found if one["difference"]] == []
    assert {one["stage"] for one in found} == {"received", "logged"}
    assert day["n"] == 1, "the score alone is an item; that work waits is an event which no item brought"
