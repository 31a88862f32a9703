"""Timeline, advancement log, queues and needs; pages, fields, CSV and ETags of every route."""

import csv
import datetime
import io
from typing import Any

import httpx
import pytest

from services.reporting.entrypoints.examples import (
    ACCESSES,
    CLASS,
    COMPLETENESS,
    DIGEST,
    DISTRICT_GROWTH,
    EQUITY,
    EXPORT,
    GROWTH,
    LEARNERS_GROWTH,
    LEVELS,
    NEEDS,
    PAGE_OF_EVENTS,
    QUEUE,
    QUEUES,
    RECORD,
    REVIEW_REQUESTS,
    SCHOOL_GROWTH,
    TERM_CLASS,
    TERM_DISTRICT,
    TERM_RECORD,
    TERM_SCHOOL,
    TERMS,
    TESTING,
    WATCH,
)
from services.reporting.handlers.access import AccessLog
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.watching import Watched, Watcher
from shared.auth import Identity
from shared.contracts.internal_events import Hold
from shared.events import utc
from shared.tenancy import bound_to
from tests.reporting.builders import (
    Event,
    class_,
    class_of,
    closings,
    competency,
    enrolment,
    framework,
    happened,
    mastery,
    snapshot_amended,
    snapshot_closed,
    staff,
)
from tests.reporting.running import Running
from tests.support.described import Described

LEVEL_1, LEVEL_2 = "m#Mathematics/1", "m#Mathematics/2"


def at(day: int) -> dict[str, str]:
    return {"decided_at": f"2026-03-{day:02}T10:00:00.000000Z", "effective_at": f"2026-03-{day:02}T09:00:00.000000Z"}


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of a class of three in which something waits in most queues."""
    codes = [competency("a", 1, "1"), competency("b", 2, "1"), competency("c", 3, "2")]
    await reporting.told("curriculum", *framework("m", codes, [("a", "b"), ("b", "c")]))
    await reporting.told("roster", *class_of("ada", "bo", "cy"), class_("other", "s"), enrolment("other", "dee"))
    await reporting.told(
        "progression", mastery("ada", "m:a"), mastery("ada", "m:b", "provisional", mastered_at=None),
        mastery("bo", "m:a", "reverify_due"), mastery("bo", "m:b", "not_yet"), mastery("dee", "m:a"),
    )  # fmt: skip
    await reporting.told(
        "advancement",
        happened("ada", "competency.mastered", "m:a", **at(1)),
        happened("ada", "competency.ready", "m:b", because=["m:a"], **at(2)),
        happened("ada", "competency.provisional", "m:b", confirms_by=["one more piece"], **at(3)),
        happened("bo", "competency.provisional", "m:b", confirms_by=["one more piece"], **at(4)),
        happened("bo", "competency.reverify_due", "m:a", why="contradiction", smallest_check="one piece", **at(5)),
        happened("cy", "level.sign_off_requested", LEVEL_1, approver_roles=["counsellor"], **at(6)),
        happened("cy", "level.review_required", LEVEL_1, missing=["m:a"], owner="leader", decide_by="2026-03-20", **at(7)),
        happened("dee", "level.ready", LEVEL_2, **at(8)),
        happened("dee", "level.advanced", LEVEL_1, basis={"kind": "sign_off", "by": {"role": "teacher", "ref": "t-1"}}, **at(8)),
    )  # fmt: skip
    await reporting.told("progression", *closings(("ada", "bo", "cy"), "spring", reporting.config.shards))
    await reporting.told(
        "advancement", *(snapshot_closed(name, "spring") for name in ("ada", "bo", "cy")),
        snapshot_amended("ada", "spring", "m:a"),
    )  # fmt: skip


async def items(reporting: Running, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = await reporting.get(path, parameters=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_timeline_has_what_happened_the_latest_first(reporting: Running) -> None:
    found = await items(reporting, "/v1/learners/ada/timeline")

    assert [(item["kind"], item["scope"], item["title"]) for item in found] == [
        ("competency.provisional", "m:b", "Title of b"), ("competency.ready", "m:b", "Title of b"),
        ("competency.mastered", "m:a", "Title of a"),
    ]  # fmt: skip


async def test_what_somebody_decided_says_who(reporting: Running) -> None:
    assert [item["by"] for item in await items(reporting, "/v1/learners/dee/timeline")] == ["t-1", None]


@pytest.mark.parametrize(("path", "count"), [("/v1/advancements", 9), ("/v1/learners/ada/timeline", 3)])
async def test_pages_put_together_are_the_whole_list(reporting: Running, path: str, count: int) -> None:
    whole = await items(reporting, path)
    pages: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        body = (await reporting.get(path, parameters={"after": after, "limit": 2})).json()
        pages += body["items"]
        after = body["next"]

    assert pages == whole
    assert len(whole) == count


async def test_the_advancement_log_is_filtered_by_class_and_kind(reporting: Running) -> None:
    found = await items(reporting, "/v1/advancements", class_id="k", kind="competency.provisional,level.advanced")

    assert [(item["learner"], item["kind"]) for item in found] == [
        ("bo", "competency.provisional"), ("ada", "competency.provisional")
    ]  # fmt: skip


async def test_a_queue_leaves_out_what_is_no_longer_so(reporting: Running) -> None:
    confirm = await items(reporting, "/v1/queues/confirm", class_id="k")
    review = await items(reporting, "/v1/queues/review", school="s")
    ready = await items(reporting, "/v1/queues/ready")

    assert [(item["learner"], item["scope"], item["owner"], item["detail"]) for item in confirm] == [
        ("ada", "m:b", "teacher", ["one more piece"])
    ]
    assert [(item["learner"], item["title"], item["owner"], item["overdue"]) for item in review] == [
        ("cy", "Mathematics, level 1", "leader", True)
    ]
    assert [(item["learner"], item["scope"]) for item in ready] == [("dee", LEVEL_2)]
    assert all(item["age_days"] > 0 for item in (*confirm, *review, *ready))


async def test_what_is_begun_is_ready_no_more_and_what_is_shown_again_needs_no_review(reporting: Running) -> None:
    async def waiting_for(learner: str, queue: str) -> int:
        return sum(item["learner"] == learner for item in await items(reporting, f"/v1/queues/{queue}"))

    await reporting.told("advancement", happened("eve", "level.ready", LEVEL_2),
                         happened("eve", "level.review_required", LEVEL_1, missing=["m:a"]))  # fmt: skip
    await reporting.told("progression", mastery("eve", "m:a", "no_evidence", evidence_count=0))
    before = [await waiting_for("eve", queue) for queue in ("ready", "review")]
    await reporting.told("progression", mastery("eve", "m:a"), mastery("eve", "m:c", "insufficient_evidence"))
    after = [await waiting_for("eve", queue) for queue in ("ready", "review")]

    assert before == [1, 1]
    assert after == [0, 0]


async def test_a_hold_waits_until_it_ends_once_also_of_what_was_not_on_the_record(reporting: Running) -> None:
    """What was withdrawn for it has an entry of its own; a second person has renewed it since."""

    def held(learner: str, since: int, until: str) -> Event:
        hold = Hold("teacher", at(since)["decided_at"], f"2999-{until}T10:00:00.000000Z")
        return mastery(learner, "m:h", "overridden", mastered_at=None, held=hold)

    await reporting.told("progression", held("fay", 2, "03-12"), held("gil", 4, "03-26"))
    by = {"by": {"role": "teacher", "ref": "t-1"}}
    await reporting.told(
        "advancement", happened("gil", "competency.withdrawn", "m:h", review_at="2999-03-12", basis=by)
    )
    found = [
        (item["learner"], item["opened_at"], item["due_by"], item["owner"])
        for item in await items(reporting, "/v1/queues/withheld")
        if item["scope"] == "m:h"
    ]
    await reporting.told("progression", mastery("fay", "m:h", "provisional"), mastery("gil", "m:h", "provisional"))

    assert found == [
        ("fay", at(2)["decided_at"], "2999-03-12T10:00:00.000000Z", "teacher"),
        ("gil", at(4)["decided_at"], "2999-03-26T10:00:00.000000Z", "teacher"),
    ]
    assert await items(reporting, "/v1/queues/withheld") == []


async def test_the_summary_tells_how_much_waits_for_whom(reporting: Running) -> None:
    found = {item["queue"]: item for item in await items(reporting, "/v1/queues", class_id="k")}

    assert {queue: item["waiting"] for queue, item in found.items()} == {
        "sign_off": 1, "confirm": 1, "ready": 0, "review": 1, "withheld": 0, "reverify": 1, "contested": 0, "gaps": 0,
        "asked": 0,
    }  # fmt: skip
    assert found["sign_off"]["owners"] == {"counsellor": 1}
    assert (found["review"]["overdue"], found["ready"]["oldest_days"]) == (1, None)


async def test_a_digest_has_the_queues_of_ones_class_in_which_something_waits_and_no_learner(
    reporting: Running,
) -> None:
    await reporting.told("roster", staff("k", "ms-k"))
    answer = await reporting.get("/v1/digest", "records:read:classes", subject="ms-k")
    (place,) = answer.json()["places"]
    summary = await items(reporting, "/v1/queues", class_id="k")

    assert [each["queue"] for each in place["queues"]] == ["sign_off", "confirm", "review", "reverify"]
    assert place["queues"] == [each for each in summary if each["waiting"]]
    assert not [name for name in ('"ada"', '"bo"', '"cy"') if name in answer.text]


async def test_what_is_new_has_waited_for_less_than_a_week_or_a_month(reporting: Running) -> None:
    def since(days: float) -> dict[str, str]:
        return {"decided_at": utc(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days))}

    ages = {"lee": [0, 6.9, 7.1], "mo": [29.9, 30.1, 400]}
    await reporting.told(
        "roster", class_("new", "s"), *(enrolment("new", learner) for learner in ages), staff("new", "ms-n")
    )
    await reporting.told(
        "advancement",
        *(
            happened(learner, "level.sign_off_requested", f"n#Maths/{number}", **since(days))
            for learner, own in ages.items()
            for number, days in enumerate(own)
        ),
    )
    (found,) = [each for each in await items(reporting, "/v1/queues", class_id="new") if each["waiting"]]

    assert [found[name] for name in ("waiting", "learners", "new_in_week", "new_in_month")] == [6, 2, 2, 4]
    assert found["oldest_days"] == 400


async def test_a_class_shows_who_needs_what(reporting: Running) -> None:
    body = (await reporting.get("/v1/classes/k/needs")).json()

    assert [(item["learner"], item["queue"]) for item in body["attention"]] == [
        ("cy", "review"), ("cy", "sign_off"), ("bo", "reverify"), ("ada", "confirm"),
    ]  # fmt: skip
    assert body["learners"] == [
        {"learner": "ada", "next": ["m:b"], "review": []},
        {"learner": "bo", "next": ["m:b"], "review": ["m:a"]},
        {"learner": "cy", "next": ["m:a"], "review": []},
    ]
    assert {row["competency"]: row["next"] for row in body["competencies"]} == {"m:a": ["cy"], "m:b": ["ada", "bo"]}


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/queues/nothing", "/queue"),
        ("/v1/queues/ready?after=!!", "/after"),
        ("/v1/queues/ready?after=WzFd", "/after"),
        ("/v1/queues/ready?limit=0", "/limit"),
        ("/v1/queues/ready?limit=many", "/limit"),
        ("/v1/queues?clas=k", "/clas"),
        ("/v1/queues?class_id=k&school=s", "/school"),
        ("/v1/learners/ada/record?fields=nothing", "/fields"),
        ("/v1/learners/ada/record?format=pdf", "/format"),
        ("/v1/advancements?after=%7B%7D", "/after"),
    ],
)
async def test_broken_queries_are_problems_with_a_pointer(reporting: Running, path: str, pointer: str) -> None:
    answer = await reporting.get(path)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["pointer"] == pointer


async def test_sparse_fields_reach_into_lists(reporting: Running) -> None:
    body = (
        await reporting.get("/v1/learners/ada/record", parameters={"fields": "learner,items.competency,items.status"})
    ).json()

    assert body == {
        "learner": "ada",
        "items": [{"competency": "m:a", "status": "mastered"}, {"competency": "m:b", "status": "provisional"}],
    }


PATHS = ("/v1/learners/ada/record", "/v1/learners/ada/timeline", "/v1/advancements", "/v1/classes", "/v1/classes/k/mastery",
         "/v1/classes/k/needs", "/v1/queues", "/v1/queues/confirm", "/v1/digest", "/v1/districts",
         "/v1/districts/d/mastery")  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_every_read_has_an_etag(reporting: Running, path: str) -> None:
    tag = (await reporting.get(path)).headers["etag"]
    again = await reporting.get(path, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/learners/ada/record",
        "/v1/advancements",
        "/v1/classes/k/mastery",
        "/v1/queues/confirm",
        "/v1/districts/d/mastery",
        "/v1/districts/d/completeness",
        "/v1/learners/ada/timeline",
        "/v1/learners/ada/growth",
        "/v1/learners/ada/accesses",
        "/v1/classes/k/needs",
        "/v1/districts/d/testing",
        "/v1/districts/d/watch",
        "/v1/districts/d/growth",
        "/v1/schools/s/growth",
        "/v1/schools/s/growth/learners",
    ],
)
async def test_tables_come_as_csv_once(reporting: Running, path: str) -> None:
    claims = {"scope": "records:read:self", "learner": "ada"} if path.endswith("accesses") else {}
    asked: dict[str, Any] = {"parameters": {"format": "csv"}} | claims
    answer = await reporting.get(path, **asked)
    again = await reporting.get(path, **asked, headers={"If-None-Match": answer.headers["etag"]})
    head, *rows = csv.reader(io.StringIO(answer.text))

    assert answer.headers["content-type"].startswith("text/csv")
    assert rows
    assert all(len(row) == len(head) for row in rows)
    assert (again.status_code, again.content) == (304, b"")


async def test_a_csv_cell_is_no_formula(reporting: Running) -> None:
    await reporting.told("roster", enrolment("k2", "=cmd()"), class_("k2", "s"))
    await reporting.told("progression", mastery("=cmd()", "m:a"))
    answer = await reporting.get("/v1/classes/k2/mastery", parameters={"format": "csv"})

    assert answer.text.splitlines()[1].startswith("'=cmd()")


@pytest.mark.parametrize(
    ("path", "example"),
    [
        ("/v1/learners/ada/record", RECORD),
        ("/v1/learners/ada/timeline", PAGE_OF_EVENTS),
        ("/v1/classes/k/mastery", CLASS),
        ("/v1/classes/k/needs", NEEDS),
        ("/v1/queues/confirm", QUEUE),
        ("/v1/queues", QUEUES),
        ("/v1/digest", DIGEST),
        ("/v1/learners/ada/growth", GROWTH),
        ("/v1/learners/ada/accesses", ACCESSES),
        ("/v1/districts/d/levels", LEVELS),
        ("/v1/districts/d/testing", TESTING),
        ("/v1/districts/d/watch", WATCH),
        ("/v1/districts/d/completeness", COMPLETENESS),
        ("/v1/districts/d/equity", EQUITY),
        ("/v1/districts/d/growth", DISTRICT_GROWTH),
        ("/v1/schools/s/growth", SCHOOL_GROWTH),
        ("/v1/schools/s/growth/learners", LEARNERS_GROWTH),
        ("/v1/exports/school", EXPORT),
        ("/v1/learners/ada/review-requests", REVIEW_REQUESTS),
        ("/v1/terms", TERMS),
        ("/v1/terms/spring/learners/ada", TERM_RECORD),
        ("/v1/terms/spring/classes/k", TERM_CLASS),
        ("/v1/terms/spring/districts/d", TERM_DISTRICT),
        ("/v1/terms/spring/schools/s", TERM_SCHOOL),
    ],
)
async def test_the_examples_of_the_document_have_the_members_of_answers(
    reporting: Running, path: str, example: dict[str, Any]
) -> None:
    claims = {"scope": "records:read:self", "learner": "ada"} if path.endswith("accesses") else {}
    body = (await reporting.get(path, **claims)).json()

    assert set(body) == set(example)
    for name, item in example.items():
        if isinstance(item, list) and body[name] and isinstance(item[0], dict):
            assert set(body[name][0]) == set(item[0]), name


def test_an_answer_that_is_not_as_described_is_noticed(reporting: Running) -> None:
    described = Described(reporting.app.openapi())
    request = httpx.Request("GET", "http://reporting/v1/classes/k/needs")
    described.hold(httpx.Response(200, json=NEEDS, request=request))
    described.hold(httpx.Response(304, headers={"ETag": "W/1"}, request=request))
    for status, given in (
        (200, {"json": NEEDS | {"unheard_of": 1}}),
        (200, {"json": {name: NEEDS[name] for name in NEEDS if name != "title"}}),
        (200, {"json": NEEDS, "headers": {"Attain-Next": "x"}}),
        (200, {"content": b"%PDF", "headers": {"Content-Type": "application/pdf"}}),
        (202, {"json": NEEDS}),
        (404, {"json": {"detail": "no such class"}}),
    ):
        with pytest.raises(AssertionError):
            described.hold(httpx.Response(status, request=request, **given))


async def test_a_term_is_shown_to_whom_the_record_is_and_no_one_else(reporting: Running) -> None:
    path, of_class = "/v1/terms/spring/learners/ada", "/v1/terms/spring/classes/k"
    own = await reporting.get(path, scope="records:read:self", learner="ada")
    other = await reporting.get(path, scope="records:read:self", learner="bo")
    stranger = await reporting.get(of_class, scope="records:read:classes", subject="nobody")
    auditor = await reporting.get(path, scope="records:read", tenant="another")

    assert own.status_code == 200
    assert {item["competency"]: item["status"] for item in own.json()["items"]} == {
        "m:a": "mastered",
        "m:b": "provisional",
    }
    assert [(each["scope"], each["after"]) for each in own.json()["amendments"]] == [("m:a", "not_yet")]
    assert (other.status_code, stranger.status_code, auditor.status_code) == (404, 404, 404)


async def test_rows_of_every_table_are_paged_for_the_audit(reporting: Running) -> None:
    rows: list[str] = []
    after = ""
    while True:
        answer = await reporting.get("/v1/rows/advancement", "service", parameters={"after": after, "limit": 4})
        if not answer.content:
            break
        rows += answer.text.splitlines()
        after = answer.headers["attain-next"]

    assert len(rows) == len(set(rows)) >= 9
    assert (await reporting.get("/v1/rows/class", "service", parameters={"tenant": "demo"})).status_code == 200
    assert (await reporting.get("/v1/rows/access_log", "service")).status_code == 404
    assert (await reporting.get("/v1/rows/class", "records:read")).status_code == 403


async def test_a_class_is_summed_up_as_it_is_now_and_a_school_as_it_was_a_moment_ago(reporting: Running) -> None:
    settings = reporting.config.model_copy(update={"aggregate_s": 300})
    reader, office = (
        QueueReader(reporting.database, settings, AccessLog(reporting.database)),
        frozenset({"records:read"}),
    )

    async def gaps() -> list[int]:
        found = []
        for class_id, school_id in (("k", None), (None, "s"), (None, None)):
            with bound_to("demo"):
                queues = await reader.summary(Identity("x", "demo", office), class_id=class_id, school=school_id)
            found += [each["waiting"] for each in queues if each["queue"] == "gaps"]
        return found

    before = await gaps()
    await reporting.told("advancement", happened("ada", "level.placed_with_gaps", LEVEL_2, not_yet=["m:c"], **at(9)))

    assert (before, await gaps()) == ([0, 0, 0], [1, 0, 0])


CLASS_W, FLO = Watched("demo", None, "w"), Watched("demo", "flo", None)


async def test_what_is_watched_is_another_with_a_score_alone_and_with_who_is_in_a_class(reporting: Running) -> None:
    await reporting.told("roster", class_("w", "s"), enrolment("w", "flo"))
    found = []
    for told in (
        ("progression", mastery("flo", "m:a", "not_yet", score=0.4)),
        ("progression", mastery("flo", "m:a", "not_yet", score=0.5)),
        ("roster", enrolment("w", "gil")),
    ):
        await reporting.told(*told)
        # Another each time: one gives what it has while it looks again.
        watcher = Watcher(reporting.database, reporting.app.state.districts)
        with bound_to("demo"):
            found.append([await watcher.version(each) for each in (CLASS_W, FLO)])
    of_class, of_flo = zip(*found, strict=True)

    assert len(set(of_class)) == 3
    assert [of_flo[0] != of_flo[1], of_flo[1] == of_flo[2]] == [True, True]
