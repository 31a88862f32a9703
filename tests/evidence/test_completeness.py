"""What each source should have sent and did: habit and silence, and the counts behind them."""

import csv
import datetime
import io
from typing import Any

import pytest

from services.evidence.domain.completeness import SourceDay, Waiting, silent_since, source_of, usual_gap
from services.evidence.entrypoints.completeness import EXAMPLE
from tests.evidence.builders import item
from tests.evidence.running import Running
from tests.support.waiting import until

DAY = datetime.timedelta(days=1)


def on(day: int) -> datetime.date:
    """Return a day of March 2026, of which the 2nd is a Monday."""
    return datetime.date(2026, 3, day)


def march(*days: int) -> list[datetime.date]:
    return [on(day) for day in days]


@pytest.mark.parametrize(
    ("days", "gap"),
    [
        (march(2, 3, 4, 5, 6, 9), 1),
        (march(1, 8, 15, 22), 5),
        # 1, 2 and 3 days; with one more of 1 the middle is between 1 and 2.
        (march(2, 3, 5, 10), 2),
        (march(2, 3, 5, 10, 11), 1.5),
        # What comes at a weekend is Friday's.
        (march(5, 6, 7, 8, 9, 10), 1),
        (march(2, 3, 4), None),
        ([], None),
    ],
)
def test_the_usual_gap_is_the_median_in_school_days(days: list[datetime.date], gap: float | None) -> None:
    assert usual_gap(days) == gap


@pytest.mark.parametrize(
    ("gap", "today", "silent"),
    # The last evidence is of Friday the 6th: Monday the 9th is one school day later, the 18th is eight.
    [(1, 8, False), (1, 9, False), (1, 10, False), (1, 11, True), (1.5, 11, False), (1.5, 12, True), (4, 18, False),
     (4, 19, True), (None, 31, False)],
)  # fmt: skip
def test_a_source_is_silent_after_more_than_twice_its_usual_gap(gap: float | None, today: int, silent: bool) -> None:
    since = silent_since(march(5, 6), gap, on(today))

    assert since == (on(6) if silent else None)


def test_a_break_is_no_gap_and_no_silence() -> None:
    """Daily evidence up to a week of break, and from the Monday after it."""
    breaks = "2026-03-07/2026-03-15"
    days = march(2, 3, 4, 5, 6)

    assert (usual_gap([*days, on(16)], breaks), usual_gap([*march(2, 3, 4, 6), on(16)], breaks)) == (1, 1)
    assert (silent_since(days, 1, on(17), breaks), silent_since(days, 1, on(18), breaks)) == (None, on(6))
    assert silent_since(days, 1, on(17)) == on(6)


def test_what_is_only_sent_again_or_refused_does_not_end_a_silence() -> None:
    came = [SourceDay(day, 5, 0, 0, 0) for day in march(2, 3, 4)] + [SourceDay(on(5), 0, 0, 1, 0)]
    again = [SourceDay(on(10), 0, 9, 0, 0), SourceDay(on(11), 0, 0, 0, 4)]

    found = source_of("lms", on(2), [*came, *again], Waiting(1, 4), today=on(11), window=8)

    assert (found.usual_gap, found.last_evidence, found.last_heard, found.silent_since) == (
        1, on(5), on(11), on(5),
    )  # fmt: skip
    assert [each.day for each in found.days] == march(4, 5, 10, 11)
    assert found.sent == {"accepted": 5, "duplicate": 9, "parked": 1, "rejected": 4}


async def asked(service: Running, tenant: str, **query: Any) -> dict[str, dict[str, Any]]:
    answer = await service.client(tenant=tenant).get("/v1/sources/completeness", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == EXAMPLE.keys()
    for each in body["items"]:
        assert each.keys() == EXAMPLE["items"][0].keys()
    return {each["source"]: each for each in body["items"]}


async def test_each_source_is_counted_by_what_became_of_its_items(service: Running) -> None:
    tenant = "counted"
    await service.publish_framework("c", "1", tenant=tenant)
    of = {"competencies": ["c:1"], "learner": "cleo"}
    await service.submit(
        item("1", source="lms", **of), item("2", source="lms", **of), item("1", source="lms", **of),
        item("3", source="lms", **(of | {"competencies": ["c:later"]})), item("1", source="sis", **of), tenant=tenant,
    )  # fmt: skip
    await service.submit(item("2", source="sis", score=None, **of), {"id": "x"}, tenant=tenant)
    # What was refused at the door is stored with the next batch.
    await service.submit(item("3", source="sis", supersedes="1", **of), tenant=tenant)

    found = await asked(service, tenant)
    elsewhere = await asked(service, "counted-elsewhere")
    page = (
        await service.client(tenant=tenant).get("/v1/sources/completeness", params={"limit": 1, "after": ""})
    ).json()

    assert {source: each["sent"] for source, each in found.items()} == {
        "": {"accepted": 0, "duplicate": 0, "parked": 0, "rejected": 1},
        "lms": {"accepted": 2, "duplicate": 1, "parked": 1, "rejected": 0},
        "sis": {"accepted": 2, "duplicate": 0, "parked": 0, "rejected": 1},
    }
    assert found["lms"]["waiting"] == {"parked": 1, "quarantined": 0, "unaligned": 0}
    assert ([each["source"] for each in page["items"]], page["next"], elsewhere) == (["lms"], "lms", {})


async def test_what_flows_at_last_did_not_arrive_again(service: Running) -> None:
    tenant = "flowing"
    await service.publish_framework("f", "1", tenant=tenant)
    await service.submit(item("1", source="lms", learner="fay", competencies=["f:2"]), tenant=tenant)
    before = (await asked(service, tenant))["lms"]
    await service.publish_framework("f", "1", "2", tenant=tenant, version="v2")

    async def flowed() -> bool:
        return bool((await asked(service, tenant))["lms"]["waiting"]["parked"] == 0)

    await until(flowed)
    after = (await asked(service, tenant))["lms"]

    assert before["waiting"]["parked"] == 1
    assert after["sent"] == before["sent"] == {"accepted": 0, "duplicate": 0, "parked": 1, "rejected": 0}


async def test_a_silent_source_is_told_with_its_habit(service: Running) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    days = [today - n * DAY for n in (60, 59, 58, 57, 56, 55, 54, 53, 20)]
    await service.rows(
        "insert into source_day select 'silent', 'lms', unnest($1::date[]), slot, 4, 0, 0, 0 from generate_series(0, 1) slot",
        days,
    )

    found = (await asked(service, "silent", days=21))["lms"]
    table = await service.client(tenant="silent").get("/v1/sources/completeness", params={"format": "csv", "days": 60})
    [row] = csv.DictReader(io.StringIO(table.text))
    refused = await service.client("evidence:write", tenant="silent").get("/v1/sources/completeness")

    assert (found["first_heard"], found["usual_gap"], found["silent_since"]) == (str(days[0]), 1, str(days[-1]))
    assert [(day["day"], day["accepted"]) for day in found["days"]] == [(str(days[-1]), 8)]
    assert (row["source"], row["silent_since"], row["accepted"]) == ("lms", str(days[-1]), "64")
    assert refused.status_code == 403


async def test_days_and_gaps_are_those_of_the_tenants_calendar(service: Running) -> None:
    """The zone is 14 hours ahead of UTC or 11 behind: one of them is in another day now. A break ends today there."""
    now = datetime.datetime.now(datetime.UTC)
    zones = {
        "Pacific/Kiritimati": now + datetime.timedelta(hours=14),
        "Pacific/Niue": now - datetime.timedelta(hours=11),
    }
    zone, there = next((zone, at) for zone, at in zones.items() if at.date() != now.date())
    today, tenant = there.date(), "calendar"
    past = [today - n * DAY for n in (40, 39, 38, 37, 36, 35, 34)]
    out = {"first": str(past[-1] + DAY), "last": str(today)}
    service.curriculum.calendars[tenant] = {"time_zone": zone, "breaks": [out]}
    await service.rows("insert into source_day select 'calendar', 'lms', unnest($1::date[]), 0, 4, 0, 0, 0", past)
    before = (await service.client(tenant=tenant).get("/v1/sources/completeness")).json()
    await service.publish_framework("cal", "1", tenant=tenant)
    await service.submit(item("1", source="sis", learner="cal", competencies=["cal:1"]), tenant=tenant)
    after = await asked(service, tenant)

    assert (before["today"], before["items"][0]["silent_since"]) == (str(today), None)
    assert before["school_days"] == f"Monday to Friday but for breaks, in {zone}"
    assert after["sis"]["last_evidence"] == str(today)
