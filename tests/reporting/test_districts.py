"""Districts in numbers: levels, testing, watch and groups, none of them about few people."""

import asyncio
import csv
import datetime
import io
import time
from collections import Counter
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest

from services.reporting.handlers.analyses import Analyses
from services.reporting.handlers.district_numbers import DistrictNumbers
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.told_ahead import ToldAhead
from shared.auth import Identity
from shared.errors import Unavailable
from shared.events import now
from shared.tenancy import bound_to
from tests.reporting.builders import (
    assignment,
    authorization,
    class_,
    closings,
    competency,
    enrolment,
    framework,
    happened,
    mastery,
    school,
    snapshot_amended,
    snapshot_closed,
)
from tests.reporting.running import Running, until_changed
from tests.support.waiting import until

NORTH, SOUTH = [f"n{n:02}" for n in range(30)], [f"s{n:02}" for n in range(20)]
FIRST = "2026-03-01T10:00:00.000000Z"


@pytest.fixture(scope="module", autouse=True)
async def told(reporting: Running) -> None:
    """Tell of two schools: all of one have shown both competencies of level 1, half of the other the first."""
    codes = [msgspec.structs.replace(competency("a", 1, "1"), dok=3), competency("b", 2, "1"), competency("c", 3, "2")]
    await reporting.told("curriculum", *framework("m", codes, []))
    await reporting.told(
        "roster", school("north", "d"), school("south", "d"), class_("c1", "north"), class_("c2", "south"),
        *(enrolment("c1", learner) for learner in NORTH), *(enrolment("c2", learner) for learner in SOUTH),
        assignment("boss", "leader", "district", "d"), assignment("head", "leader", "school", "north"),
    )  # fmt: skip
    await reporting.told(
        "progression",
        *(mastery(x, code, counted=6, first_evidence_at=FIRST) for x in NORTH for code in ("m:a", "m:b")),
        *(mastery(x, "m:a", counted=4, first_evidence_at=FIRST) for x in SOUTH[:10]),
        *(mastery(x, "m:a", "not_yet", counted=2, first_evidence_at=FIRST) for x in SOUTH[10:]),
        # One learner is hidden in two competencies, so no sum gives it away, and all sums are told.
        *(mastery(NORTH[0], code, "overridden", mastered_at=None) for code in ("m:c", "m:d")),
    )
    await reporting.told(
        "advancement",
        *(
            happened(x, "competency.mastered", "m:a", basis={"pieces": 4}, dok_shown=2 + (n >= 12))
            for n, x in enumerate(NORTH)
        ),
        *(happened(x, "competency.mastered", "m:a", basis={"pieces": 4}) for x in SOUTH[:10]),
        *(happened(x, "level.sign_off_requested", "m#Mathematics/1") for x in SOUTH),
    )
    reporting.producer.groups += sorted(
        [{"learner": x, "group": "language", "value": "home" if x < "n20" else "school"} for x in NORTH]
        + [{"learner": x, "group": "language", "value": "home"} for x in SOUTH[:15]]
        + [{"learner": x, "group": "club", "value": "chess"} for x in SOUTH[:3]],
        key=lambda item: item["learner"],
    )


async def district(reporting: Running, what: str, **parameters: Any) -> dict[str, Any]:
    answer = await reporting.get(
        f"/v1/districts/d/{what}", "records:read:classes", subject="boss", parameters=parameters
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_levels_count_how_far_learners_are(reporting: Running) -> None:
    levels = {row["level"]: row for row in (await district(reporting, "levels"))["levels"]}

    assert levels["1"]["counts"] == {"none": 0, "begun": 20, "complete": 30}
    assert levels["1"]["schools"]["south"] == {"none": 0, "begun": 20, "complete": 0}
    # One learner of north has begun level 2: not told, and neither is what would give it away.
    assert levels["2"]["schools"]["north"]["begun"] is None
    assert list(levels["2"]["schools"]["north"].values()).count(None) >= 2


async def test_what_is_on_the_record_without_evidence_counts_in_levels_as_in_records(reporting: Running) -> None:
    """Ten have a credit beside what they have shown, ten nothing but a credit, and ten are judged by hand not to have it."""
    none: dict[str, Any] = {"evidence_count": 0, "last_evidence_at": None}
    codes = [competency("a", 1, "1"), competency("b", 2, "1")]
    await reporting.told("curriculum", *framework("m", codes, []), tenant="credits")
    learners = [f"c{n:02}" for n in range(40)]
    await reporting.told(
        "roster",
        school("s", "d"),
        class_("k", "s"),
        *(enrolment("k", learner) for learner in learners),
        tenant="credits",
    )
    await reporting.told(
        "progression", *(mastery(x, "m:a") for x in learners[:10]),
        *(mastery(x, "m:b", "credited", **none) for x in learners[:20]),
        *(mastery(x, "m:a", "overridden", mastered_at=None, **none) for x in learners[20:30]), tenant="credits",
    )  # fmt: skip
    told = (await reporting.get("/v1/districts/d/levels", tenant="credits")).json()["levels"]
    record = (await reporting.get("/v1/learners/c00/record", tenant="credits")).json()["subjects"][0]["levels"][0]

    assert (record["mastered"], record["total"]) == (2, 2)
    assert told[0]["counts"] == {"none": 20, "begun": 10, "complete": 10}


@pytest.mark.parametrize("what", ["mastery", "levels"])
async def test_a_table_hides_the_same_as_the_answer(reporting: Running, what: str) -> None:
    body = await district(reporting, what)
    answer = await reporting.get(f"/v1/districts/d/{what}", parameters={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    answers = body["competencies" if what == "mastery" else "levels"]
    told = [counts for row in answers for counts in (row["counts"], *row["schools"].values())]

    assert len(rows) == len(told)
    for row, counts in zip(rows, told, strict=True):
        assert {name: row[name] for name in counts} == {
            name: "" if count is None else str(count) for name, count in counts.items()
        }
    assert any(None in counts.values() for counts in told)


async def test_a_school_is_told_as_its_district_tells_it(reporting: Running) -> None:
    async def asked(path: str) -> Any:
        return await reporting.get(path, "records:read:classes", subject="head")

    mastery_, levels = [(await asked(f"/v1/schools/north/{what}")).json() for what in ("mastery", "levels")]
    of_district = await district(reporting, "mastery"), await district(reporting, "levels")

    assert mastery_["learners"] == 30
    assert [row["counts"] for row in mastery_["competencies"]] == [
        row["schools"]["north"] for row in of_district[0]["competencies"]
    ]
    assert [row["counts"] for row in levels["levels"]] == [row["schools"]["north"] for row in of_district[1]["levels"]]
    assert levels["levels"][1]["counts"]["begun"] is None
    for path, status in (("/v1/schools/south/levels", 403), ("/v1/districts/d/levels", 403)):
        assert (await asked(path)).status_code == status
    assert (await reporting.get("/v1/schools/nowhere/levels")).status_code == 404


async def test_a_tenant_may_ask_for_a_larger_small_number_at_once(reporting: Running) -> None:
    before = await district(reporting, "levels")
    larger = await _limit(reporting, 25)
    after = await district(reporting, "levels")
    smaller = await _limit(reporting, 2)
    floor = await district(reporting, "levels")
    await _limit(reporting, None)

    # South has 20 learners in level 1.
    assert (larger["small_number"], smaller["small_number"]) == (25, 10), "the larger one holds"
    assert [told["suppressed_below"] for told in (before, after, floor)] == [10, 25, 10]
    assert set(_south(before).values()) == {0, 20}
    assert None in _south(after).values()
    assert 20 not in _south(after).values()
    assert _south(floor) == _south(before)


async def _limit(reporting: Running, small_number: int | None) -> dict[str, Any]:
    answer = await reporting.client.put(
        "/v1/limits", json={"small_number": small_number}, headers=authorization(reporting.config, "service")
    )
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def _south(told: dict[str, Any]) -> dict[str, int | None]:
    found: dict[str, int | None] = next(row["schools"]["south"] for row in told["levels"] if row["level"] == "1")
    return found


async def test_testing_is_what_came_after_confirmation(reporting: Running) -> None:
    body = await district(reporting, "testing")

    # North: 30 pairs with 6 of which 4 confirmed, 30 without a confirmation told; south: 10 with 4 of 4, 10 with 2.
    assert (body["pieces"], body["surplus"], body["median_pieces_to_confirm"]) == (30 * 12 + 40 + 20, 60, 4.0)
    assert body["over_testing"] == pytest.approx(60 / 420)


async def test_watch_tells_shares_of_schools_and_leaves_out_the_few(reporting: Running) -> None:
    schools = {row["school"]: row for row in (await district(reporting, "watch"))["schools"]}

    assert schools["north"]["with_evidence"]["share"] == 1
    assert schools["south"]["due_for_re_check"]["share"] == 0
    assert schools["north"]["learners"] == 30


async def test_watch_tells_how_much_was_mastered_by_evidence_less_deep_than_is_asked_for(reporting: Running) -> None:
    schools = {row["school"]: row["below_depth"] for row in (await district(reporting, "watch"))["schools"]}
    table = await reporting.get("/v1/districts/d/watch", parameters={"format": "csv"})
    rows = {row["school"]: row for row in csv.DictReader(io.StringIO(table.text))}
    # One shows it once more, deeper; then two of the eleven others are not there any more, and nine are few.
    deeper = happened(NORTH[0], "competency.mastered", "m:a", basis={"pieces": 4}, dok_shown=4)
    await reporting.told("advancement", deeper)
    after = {row["school"]: row["below_depth"] for row in (await district(reporting, "watch"))["schools"]}
    await reporting.told("progression", *(mastery(x, "m:a", "not_yet", seq=2) for x in NORTH[:3]))
    few = {row["school"]: row["below_depth"] for row in (await district(reporting, "watch"))["schools"]}
    await reporting.told(
        "progression", *(mastery(x, "m:a", counted=6, first_evidence_at=FIRST, seq=3) for x in NORTH[:3])
    )

    assert schools["north"] == {
        "share": 0.4, "low": pytest.approx(0.246, abs=1e-3), "high": pytest.approx(0.577, abs=1e-3), "below": 12,
        "tagged": 30, "untagged": 0,
    }  # fmt: skip
    assert schools["south"] == {"share": None, "low": None, "high": None, "below": 0, "tagged": 0, "untagged": 10}
    assert [rows["north"][f"below_depth_{name}"] for name in ("share", "below", "tagged")] == ["0.4", "12", "30"]
    assert after["north"]["below"] == 11
    assert few["north"] is None


async def test_groups_come_as_a_table_with_a_column_for_each_figure(reporting: Running) -> None:
    body = await district(reporting, "equity", group="language")
    answer = await reporting.get("/v1/districts/d/equity", parameters={"group": "language", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert [row["label"] for row in rows] == [group["label"] for group in body["groups"]]
    for row, group in zip(rows, body["groups"], strict=True):
        shares = group["statuses"] or {}
        told = shares.get("mastered") or {"share": None}
        assert row["statuses_mastered"] == ("" if told["share"] is None else str(told["share"]))
        assert row["on_record_low"] == ("" if group["on_record"] is None else str(group["on_record"]["low"]))


async def test_groups_are_told_with_intervals(reporting: Running) -> None:
    body = await district(reporting, "equity", group="language")
    groups = {group["label"]: group for group in body["groups"]}

    assert body["available"] == ["club", "language"]
    assert {label: group["learners"] for label, group in groups.items()} == {"home": 35, "school": None, "": None}
    assert groups["school"]["time_to_mastery"] is None
    assert groups["home"]["time_to_mastery"] == {
        "median_days": 3.0, "low": 3.0, "high": 3.0, "cases": None, "happened": None,
    }, "fifty happened: the five to come are few, and so is a status that is not told"  # fmt: skip
    assert groups["home"]["sign_off_wait"]["happened"] == 0
    assert groups["home"]["overridden"] is None


async def test_what_groups_take_is_counted_in_local_days(reporting: Running) -> None:
    """Begun in the morning and shown in the afternoon of a day of Los Angeles, over the midnight of UTC; asked and signed too."""
    learners, morning, afternoon = (
        [f"w{n:02}" for n in range(40)],
        "2026-03-02T17:00:00.000000Z",
        "2026-03-03T00:30:00.000000Z",
    )
    reporting.producer.calendars["west"] = {"time_zone": "America/Los_Angeles", "breaks": []}
    reporting.producer.groups += [{"tenant": "west", "learner": x, "group": "g", "value": "x"} for x in learners]
    await reporting.told(
        "roster", school("s", "d"), class_("k", "s"), *(enrolment("k", x) for x in learners), tenant="west"
    )
    shown: dict[str, Any] = {"first_evidence_at": morning, "mastered_at": afternoon, "last_evidence_at": afternoon}
    await reporting.told("progression", *(mastery(x, "m:a", **shown) for x in learners), tenant="west")
    for kind, at in (("level.sign_off_requested", morning), ("level.advanced", afternoon)):
        await reporting.told(
            "advancement", *(happened(x, kind, "m#Maths/1", decided_at=at) for x in learners), tenant="west"
        )
    answer = await reporting.get("/v1/districts/d/equity", tenant="west", roles=["leader"])
    [group] = answer.json()["groups"]

    assert [(group[what]["median_days"], group[what]["happened"]) for what in ("time_to_mastery", "sign_off_wait")] == [
        (0.0, 40), (0.0, 40)
    ]  # fmt: skip


async def test_a_group_of_three_is_not_told(reporting: Running) -> None:
    groups = {group["label"]: group for group in (await district(reporting, "equity", group="club"))["groups"]}

    assert {group["learners"] for group in groups.values()} == {None}


async def test_an_unknown_grouping_is_a_problem(reporting: Running) -> None:
    answer = await reporting.get("/v1/districts/d/equity", parameters={"group": "none"})

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/group")


async def test_growth_tells_a_projection_to_staff_only(reporting: Running) -> None:
    shown = [mastery("gil", f"m:{n}", mastered_at=f"2026-0{n}-01T00:00:00.000000Z") for n in range(1, 8)]
    await reporting.told("roster", enrolment("c1", "gil"))
    await reporting.told("progression", mastery("gil", "m:a", "not_yet"), *shown)
    staff = (await reporting.get("/v1/learners/gil/growth")).json()
    own = (await reporting.get("/v1/learners/gil/growth", "records:read:self", learner="gil")).json()

    assert staff["projection"]["remaining"] == 2
    assert own["projection"] is None
    assert own["overall"] == staff["overall"] is not None


async def test_a_watched_district_tells_when_its_numbers_change_and_not_when_one_learner_does(
    reporting: Running,
) -> None:
    """The first change is of a cell that is hidden; the second brings ten learners of the south to the whole level."""
    token = authorization(reporting.config, "records:read:classes", subject="boss")
    lines: list[str] = []
    async with reporting.client.stream("GET", "/live?district=d", headers=token, timeout=20) as stream:
        reading = asyncio.create_task(until_changed(stream, lines))
        await asyncio.sleep(0.7)
        await reporting.told("progression", mastery(NORTH[1], "m:c", "not_yet", first_evidence_at=FIRST))
        await asyncio.sleep(1.5)
        quiet = not reading.done()
        began = time.monotonic()
        await reporting.told("progression", *(mastery(x, "m:b", first_evidence_at=FIRST) for x in SOUTH[:10]))
        await asyncio.wait_for(reading, 10)
        took = time.monotonic() - began

    assert quiet
    assert took < 2
    assert set(lines) <= {"retry: 2000", "", "event: changed"}


async def test_a_district_is_watched_by_its_leader_alone(reporting: Running) -> None:
    answers = [
        await reporting.get(path, "records:read:classes", subject=person)
        for path, person in (("/live?district=d", "head"), ("/live?district=d&class_id=c1", "boss"))
    ]

    assert [answer.status_code for answer in answers] == [403, 422]


async def test_pieces_that_a_re_check_asked_for_are_no_surplus(reporting: Running) -> None:
    """Of twelve learners one piece in a finished re-check, of ten one in a re-check that is open."""
    before = (await district(reporting, "testing"))["surplus"]
    due, checked = "competency.reverify_due", "competency.reverified"
    await reporting.told(
        "advancement",
        *(happened(x, due, "m:a", basis={"pieces": 5}) for x in NORTH[:22]),
        *(happened(x, checked, "m:a", basis={"pieces": 6}) for x in NORTH[:12]),
    )
    after = (await district(reporting, "testing"))["surplus"]

    assert before - after == 12 + 10


async def test_numbers_stay_all_of_a_day_and_are_those_of_every_replica(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Ten of the south advance: whoever asked before is told nothing of it that day, and all of it on the next, once that has been
    computed ahead; until then nobody waits.
    """
    first, other = _Replica(reporting), _Replica(reporting)
    before = await _all_told(first)
    await reporting.told("progression", *(mastery(x, "m:b", first_evidence_at=FIRST) for x in SOUTH[10:]))
    same_day = [await _all_told(replica) for replica in (first, other, _Replica(reporting))]
    early = await first.ahead.tell()
    tomorrow = await _later(monkeypatch, [first, other], 1)
    waiting = [await _all_told(replica) for replica in (first, other)]
    told = [await replica.ahead.tell() for replica in (first, other)]
    after = [await _all_told(replica) for replica in (first, other)]

    assert same_day == [before] * 3
    assert waiting == [before] * 2
    assert (early, told) == (0, [5, 0]), "watch and completeness are one question, and so are mastery and levels"
    assert after[0] == after[1]
    assert (before["mastery"]["day"], after[0]["mastery"]["day"]) == (
        str(tomorrow - datetime.timedelta(1)),
        str(tomorrow),
    )
    assert all(after[0][what] != before[what] for what in before)


async def test_what_nobody_asks_for_is_computed_no_more_nor_what_cannot_be_told(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once, answered ahead for a week; then whoever asks gets the numbers of that day. Another smallest number ends it."""
    replica = _Replica(reporting)
    await _all_told(replica)
    told = []
    for days in (1, 3, 7, 8):
        await _later(monkeypatch, [replica], days)
        told.append(await replica.ahead.tell())
    day = await _later(monkeypatch, [replica], 20)
    again = await _all_told(replica)
    await _limit(reporting, 25)
    await _later(monkeypatch, [replica], 21)
    larger = await replica.ahead.tell()
    await _limit(reporting, None)
    async with reporting.database.connection() as connection:
        left = await connection.fetchval("select count(*) from told_daily where tenant = 'demo'")

    assert told == [5, 5, 5, 0]
    assert again["mastery"]["day"] == str(day)
    assert (larger, left) == (0, 0)


async def test_what_nobody_asks_for_any_more_is_forgotten_of_every_tenant(reporting: Running) -> None:
    """A tenant that is quiet, or ended, tells nothing anew in whose place the last answers would go."""
    replica = _Replica(reporting)
    await _all_told(replica)
    left = []
    async with reporting.database.connection() as connection:
        for days in (8, 1):
            await connection.execute(
                "update told_daily set day = day - $1::int, asked_on = asked_on - $1::int - 7", days
            )
            await replica.ahead.tell()
            left.append(await connection.fetchval("select count(*) from told_daily"))

    assert [count > 0 for count in left] == [True, False]


async def test_a_question_that_raises_keeps_no_other_waiting(
    reporting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = _Replica(reporting)
    await _all_told(replica)
    await _later(monkeypatch, [replica], 1)
    counts = iter((RuntimeError("a fault"), Unavailable("away")))

    async def fail(_: object) -> None:
        raise next(counts)

    for name in ("growth", "testing"):
        monkeypatch.setattr(replica.numbers._questions[name], "compute", fail)

    assert await replica.ahead.tell() == 3


async def _later(monkeypatch: pytest.MonkeyPatch, replicas: list["_Replica"], days: int) -> datetime.date:
    """Let it be so many days later for replicas, and return the day."""
    day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days)
    for replica in replicas:
        monkeypatch.setattr(replica.numbers.daily, "today", AsyncMock(return_value=day))
    return day


@pytest.fixture(autouse=True)
async def nothing_told_before(reporting: Running) -> None:
    """Forget what an earlier test was told of a day."""
    async with reporting.database.connection() as connection:
        await connection.execute("truncate told_daily")


class _Replica:
    """What another process would answer by, with what is kept of a day."""

    def __init__(self, reporting: Running) -> None:
        of = reporting.app.state.analyses
        settings = reporting.config.model_copy(update={"aggregate_daily": True})
        self.numbers = DistrictNumbers(reporting.database, of._calendars, of._numbers._limits, settings)
        self.districts = DistrictReader(reporting.database, self.numbers, settings)
        self.analyses = Analyses(
            reporting.database, self.numbers, self.districts, of._groups, of._calendars, settings, of._log
        )
        self.ahead = ToldAhead(reporting.database, self.numbers)


async def _all_told(replica: _Replica) -> dict[str, Any]:
    boss, counts, analyses = (
        Identity("office", "demo", frozenset({"records:read"})),
        replica.districts,
        replica.analyses,
    )
    asked = {
        "mastery": counts.mastery(boss, "d"), "levels": counts.levels(boss, "d"), "watch": analyses.watch(boss, "d"),
        "completeness": analyses.completeness(boss, "d"), "testing": analyses.testing(boss, "d"),
        "equity": analyses.equity(boss, "d", "language"), "growth": analyses.growth(boss, "d"),
    }  # fmt: skip
    with bound_to("demo"):
        return {what: msgspec.to_builtins(await answer) for what, answer in asked.items()}


WEST, EAST = [f"w{n:02}" for n in range(40)], [f"e{n:02}" for n in range(20)]


def ago(days: int) -> str:
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(learner: str, code: str, days: int) -> Any:
    return mastery(learner, f"m:{code}", mastered_at=ago(days), last_evidence_at=ago(days), first_evidence_at=ago(200))


THERE, BESIDE = [f"t{n:02}" for n in range(36)], [f"u{n:02}" for n in range(20)]


async def test_what_a_term_ended_with_is_counted_over_the_records_and_stays(reporting: Running) -> None:
    """
    Of a district of two schools: behind the closing learners and classes change school, learners come and go, and lose what they
    had shown; neither that nor a rebuild changes a number, and each is that of the learners' own records.
    """

    async def told(log: str, *events: Any) -> None:
        await reporting.told(log, *events, tenant="ended")

    async def ended(path: str, **parameters: Any) -> Any:
        found = await reporting.get(f"/v1/terms/fall/{path}", tenant="ended", parameters=parameters)
        assert found.status_code == 200, found.text
        return found.text if parameters else found.json()

    await told("curriculum", *framework("m", [competency("a", 1, "1"), competency("b", 2, "1")], []))
    await told(
        "roster", school("there", "e"), school("beside", "e"), class_("c", "there"), class_("o", "beside"),
        *(enrolment("c", learner) for learner in THERE), *(enrolment("o", learner) for learner in BESIDE),
        enrolment("c", "gone before"), enrolment("c", "gone before", active=False),
    )  # fmt: skip
    await told(
        "progression", *(mastery(x, "m:a") for x in (*THERE, *BESIDE)),
        *(mastery(x, "m:b", "not_yet") for x in THERE[:12]), mastery(THERE[12], "m:b"),
    )  # fmt: skip
    early = await reporting.get("/v1/terms/fall/districts/e", tenant="ended")
    await told("progression", *closings(THERE, "fall", reporting.config.shards, now(), "ended"))
    await told("advancement", *(snapshot_closed(learner, "fall") for learner in (*THERE, *BESIDE)))
    before = await ended("districts/e")
    await told(
        "roster", *(enrolment("c", learner, active=False) for learner in THERE[:5]),
        *(enrolment("o", learner) for learner in THERE[:5]), *(enrolment("c", f"new {n}") for n in range(15)),
        enrolment("c", "gone before"), *(enrolment("o", learner, active=False) for learner in BESIDE),
        class_("c", "beside"), class_("o", "elsewhere"),
    )  # fmt: skip
    lost = [*THERE[:12], *BESIDE[:3]]
    await told("progression", *(mastery(x, "m:a", "not_yet", seq=2) for x in lost), mastery("new 1", "m:a"))
    await told(
        "advancement", *(snapshot_amended(x, "fall", "m:a") for x in lost),
        snapshot_amended(THERE[20], "fall", "m:a"),
        snapshot_amended(THERE[20], "fall", "m:a", "reverify_due", before="not_yet"),
        snapshot_amended(THERE[21], "fall", "m:a", "mastered", before="not_yet"),
        snapshot_amended(THERE[21], "fall", "m:a", "no_evidence"),
    )  # fmt: skip
    for model in ("roster", "mastery"):
        await reporting.post(f"/v1/rebuild/{model}", accept_differences=True)

        async def is_live(model: str = model) -> bool:
            return bool((await reporting.get(f"/v1/rebuild/{model}", "service")).json()["state"] == "live")

        await until(is_live)
    after, there = await ended("districts/e"), await ended("schools/there")
    records = [(await ended(f"learners/{learner}"))["items"] for learner in THERE]
    table = list(csv.DictReader(io.StringIO(await ended("districts/e", format="csv"))))
    of_one = list(csv.DictReader(io.StringIO(await ended("schools/there", format="csv"))))

    assert early.status_code == 404
    assert (before["mastery"], before["levels"]) == (after["mastery"], after["levels"])
    assert (before["amended"], after["mastery"]["learners"]) == ([], 56)
    counts = {row["competency"]: row["counts"] for row in there["mastery"]["competencies"]}
    for code, told_of in counts.items():
        own = Counter(item["status"] for items in records for item in items if item["competency"] == code)
        assert {
            status: n for status, n in told_of.items() if n is not None and status != "no_evidence"
        }.items() <= own.items()
    assert counts["m:b"]["mastered"] is None, "one learner is not told"
    assert counts["m:a"]["mastered"] is None, "what the other hides is hidden here too"
    assert [row["counts"] for row in there["levels"]] == [row["schools"]["there"] for row in after["levels"]]
    assert [(row["competency"], row["learners"], row["schools"]) for row in after["amended"]] == [
        ("m:a", 15, {"there": None, "beside": None})
    ], "three in the one school are not told, nor what would tell them"
    assert {row["school"]: row["amended"] for row in table if row["competency"] == "m:a"} == {
        "": "15", "there": "", "beside": ""
    }  # fmt: skip
    assert [(row["competency"], row["mastered"]) for row in of_one] == [("m:a", ""), ("m:b", "")]


async def test_a_term_of_a_place_is_told_to_who_sees_its_numbers(reporting: Running) -> None:
    found = [
        (await reporting.get(f"/v1/terms/none/{place}", "records:read:classes", subject=person)).status_code
        for place in ("districts/d", "schools/north", "schools/nowhere")
        for person in ("boss", "head", "nobody")
    ]

    assert found == [404, 403, 403, 404, 404, 403, 403, 403, 403]


@pytest.fixture(scope="module")
async def grown(reporting: Running) -> None:
    """
    Tell of another district: in the west 15 show more than before, 15 less, and 10 are new; in the east 20 as much, of whom one
    has something open.
    """
    await reporting.told(
        "roster", school("g"), school("west", "g"), school("east", "g"), class_("c3", "west"), class_("c4", "east"),
        *(enrolment("c3", learner) for learner in WEST), *(enrolment("c4", learner) for learner in EAST),
        assignment("chief", "leader", "school", "west"),
    )  # fmt: skip
    await reporting.told(
        "progression",
        *(shown(x, code, 5) for x in WEST[:15] for code in "ab"), *(shown(x, "a", 70) for x in WEST[15:30]),
        *(mastery(x, "m:b", "not_yet", first_evidence_at=ago(200)) for x in WEST[15:30]),
        *(mastery(x, "m:a", mastered_at=ago(5), first_evidence_at=ago(6)) for x in WEST[30:]),
        *(shown(x, "a", 150) for x in EAST), mastery(EAST[0], "m:b", "not_yet", first_evidence_at=ago(200)),
    )  # fmt: skip


@pytest.mark.usefixtures("grown")
async def test_learners_are_counted_beside_their_own_past(reporting: Running) -> None:
    body = (await reporting.get("/v1/districts/g/growth")).json()
    east, west = body["schools"]

    assert (body["all"]["learners"], body["all"]["more"], body["all"]["same"], body["all"]["new"]) == (60, 15, 20, 10)
    assert {name: west[name] for name in ("more", "same", "less", "new", "median_change")} == {
        "more": 15, "same": 0, "less": 15, "new": 10, "median_change": 0.5,
    }  # fmt: skip
    assert (east["same"], east["median_change"]) == (20, 0)
    # One of the east has something open: not told, and neither is what would give it away.
    assert east["not_yet"] is None
    assert [body["all"]["not_yet"], west["not_yet"]] != [16, 15]


async def test_a_district_stands_among_its_schools_where_it_has_classes_itself(reporting: Running) -> None:
    await reporting.told("roster", school("h"), school("h1", "h"), class_("c9", "h"))

    body = (await reporting.get("/v1/districts/h/growth")).json()

    assert [row["school"] for row in body["schools"]] == ["h", "h1"]


@pytest.mark.usefixtures("grown")
async def test_growth_of_a_school_is_told_as_its_district_tells_it(reporting: Running) -> None:
    head: dict[str, Any] = {"scope": "records:read:classes", "subject": "chief"}
    of_district = (await reporting.get("/v1/districts/g/growth")).json()
    own = await reporting.get("/v1/schools/west/growth", **head)
    table = await reporting.get("/v1/districts/g/growth", parameters={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))

    assert own.json()["row"] == of_district["schools"][1]
    assert [row["school"] for row in rows] == ["", "east", "west"]
    assert rows[1]["not_yet"] == ""
    assert (await reporting.get("/v1/schools/east/growth", **head)).status_code == 403


@pytest.mark.usefixtures("grown")
async def test_who_is_behind_the_numbers_is_told_by_pages_and_noted(reporting: Running) -> None:
    head: dict[str, Any] = {"scope": "records:read:classes", "subject": "chief"}
    items: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = (
            await reporting.get("/v1/schools/west/growth/learners", **head, parameters={"after": after, "limit": 15})
        ).json()
        items, after = items + page["items"], page["next"]
    looks = await reporting.get("/v1/learners/w17/accesses", "records:read:self", learner="w17")

    assert [item["learner"] for item in items] == WEST
    assert items[0] == {"learner": "w00", "shown": 2, "shown_before": 0, "change": 2, "not_yet": []}
    assert items[15] == {"learner": "w15", "shown": 0, "shown_before": 1, "change": -1, "not_yet": ["m:b"]}
    assert (items[30]["shown"], items[30]["change"]) == (1, None)
    assert ("chief", "growth", "west") in {(it["person"], it["view"], it["target"]) for it in looks.json()["items"]}
    assert (await reporting.get("/v1/schools/none/growth/learners")).status_code == 404
    assert (await reporting.get("/v1/schools/west/growth/learners?after=x")).status_code == 422


async def test_a_district_is_called_as_the_roster_calls_it(reporting: Running) -> None:
    people = [f"p{n:02}" for n in range(12)]
    await reporting.told(
        "roster", school("z"), school("within", "z"), class_("zc", "within"), *(enrolment("zc", p) for p in people),
        tenant="named",
    )  # fmt: skip
    listed = await reporting.get("/v1/districts", tenant="named")
    counted = await reporting.get("/v1/districts/z/mastery", tenant="named")

    assert [item["title"] for item in listed.json()["items"]] == ["School z"]
    assert counted.json()["title"] == "School z"
