"""Breaks: what ages stands still in them, on the record too, and nobody is late to sign."""

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.progression.domain.decisions import ClockTicked
from services.progression.domain.policy import policy_from
from services.progression.entrypoints.settings import TenantSettings
from shared.school_calendar import (
    FIRST_DAY,
    LAST_DAY,
    breaks_of,
    days_of,
    local_day,
    school_day_after,
    school_day_before,
    school_days_between,
    school_days_later,
)
from tests.progression.test_advancement import GRAPH
from tests.support.journal import Decided, Journal, Record, piece

SUMMER = "2026-06-10/2026-08-20"
STREAK = {"id": "s", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
AGEING = policy_from(STREAK | {"upkeep": {"reverify_after_days": 30}})
Days = list[tuple[datetime.date, datetime.date]]
NOON = "T12:00:00.000000Z"

dates = st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))
spans = st.lists(st.tuples(dates, dates).map(lambda pair: (min(pair), max(pair))), max_size=6)


@pytest.mark.parametrize(
    ("start", "days", "breaks", "end"),
    [
        ("2026-05-01", 1, "", "2026-05-04"),
        ("2026-05-02", 1, "", "2026-05-04"),
        ("2026-05-03", 5, "", "2026-05-08"),
        ("2026-05-01", 180, "", "2027-01-08"),
        ("2026-06-02", 5, SUMMER, "2026-06-09"),
        ("2026-06-02", 6, SUMMER, "2026-08-21"),
        ("2026-07-01", 1, SUMMER, "2026-08-21"),
        ("2026-06-01", 6, f"2026-06-05/2026-06-07 {SUMMER}", "2026-08-21"),
        ("2026-05-28", 1, "2026-05-30/2026-05-31", "2026-05-29"),
        ("2026-05-29", 0, "", "2026-05-29"),
    ],
)
def test_school_days_are_weekdays_outside_breaks(start: str, days: int, breaks: str, end: str):
    assert school_days_later(f"{start}{NOON}", days, breaks, "UTC") == f"{end}{NOON}"


def test_days_are_local_and_the_time_of_day_stays():
    """Friday evening in Chicago is Saturday in UTC; in November an hour is put in."""
    friday = "2026-10-31T01:30:00.000000Z"

    assert school_days_later(friday, 1, "", "America/Chicago") == "2026-11-03T02:30:00.000000Z"
    assert school_days_later(friday, 1, "", "UTC") == "2026-11-02T01:30:00.000000Z"
    assert local_day(friday, "America/Chicago") == datetime.date(2026, 10, 30)


def _is_school_day(day: datetime.date, days: Days) -> bool:
    return day.weekday() < 5 and not any(first <= day <= last for first, last in days)


@given(days=spans, start=dates, count=st.integers(1, 300))
def test_so_many_school_days_come_after_as_by_looking_at_each(days: Days, start: datetime.date, count: int):
    breaks = breaks_of(days)
    day, left = start, count
    while left:
        day += datetime.timedelta(days=1)
        left -= _is_school_day(day, days)

    assert school_day_after(start, count, breaks) == day
    assert school_days_between(start, day, breaks) == count


@given(days=spans, since=dates, until=dates)
def test_school_days_between_are_those_of_the_calendar(days: Days, since: datetime.date, until: datetime.date):
    between = [since + datetime.timedelta(days=n) for n in range(1, (until - since).days + 1)]
    expected = sum(_is_school_day(day, days) for day in between)

    assert school_days_between(since, until, breaks_of(days)) == expected


@given(spans)
def test_breaks_read_back_in_order_and_apart(days: Days):
    found = days_of(breaks_of(days))

    assert breaks_of(found) == breaks_of(days)
    assert all(a[1] + datetime.timedelta(days=1) < b[0] for a, b in itertools.pairwise(found))
    assert {d for first, last in found for d in _each(first, last)} == {d for pair in days for d in _each(*pair)}


def _each(first: datetime.date, last: datetime.date) -> set[datetime.date]:
    return {first + datetime.timedelta(days=n) for n in range((last - first).days + 1)}


@pytest.mark.parametrize("day", [datetime.date.min, datetime.date.max], ids=str)
def test_a_break_at_an_end_of_the_calendar_is_refused(day: datetime.date):
    with pytest.raises(ValidationError):
        TenantSettings.model_validate({"breaks": [{"first": day.isoformat(), "last": day.isoformat()}]})


def test_breaks_of_all_days_that_they_may_have_are_counted_with():
    (longest,) = TenantSettings.model_validate({"breaks": [{"first": FIRST_DAY, "last": LAST_DAY}]}).breaks or []
    breaks = breaks_of([(longest.first, longest.last)])

    assert school_days_later(f"2026-06-01{NOON}", 3660, breaks, "Pacific/Kiritimati") > f"{LAST_DAY}{NOON}"
    assert school_day_before(datetime.date(2026, 6, 1), 60, breaks) < FIRST_DAY


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (f"{datetime.date.min}/{datetime.date.min} 2026-06-03/2026-06-05", "2026-06-03/2026-06-05"),
        (f"{datetime.date.min}/2026-06-05", f"{FIRST_DAY}/2026-06-05"),
        (f"2026-06-03/2026-06-05 {datetime.date.max}/{datetime.date.max}", "2026-06-03/2026-06-05"),
        (f"2026-06-03/{datetime.date.max}", f"2026-06-03/{LAST_DAY}"),
    ],
)
def test_a_break_that_was_stored_beyond_what_it_may_be_is_read_within_it(stored: str, read: str):
    first, last = datetime.date(2026, 6, 1), datetime.date(2026, 7, 1)

    assert breaks_of(days_of(stored)) == read
    assert school_days_between(first, last, stored) == school_days_between(first, last, read)
    assert school_days_later(f"2026-06-01{NOON}", 9, stored, "UTC") == school_days_later(
        f"2026-06-01{NOON}", 9, read, "UTC"
    )
    assert school_day_before(last, 9, stored) == school_day_before(last, 9, read)


def due(journal: Journal, day: str) -> str:
    journal.fold([ClockTicked("ada", f"{day}{NOON}", ("math:add",))])
    return journal.state().status


def begun(*decided: Decided) -> Journal:
    return Journal().fold([*decided, Decided(AGEING)]).fold([piece(1, occurred_at=f"2026-06-01{NOON}")])


def test_what_ages_stands_still_while_school_is_out():
    assert due(begun(), "2026-07-12") == "mastered"
    assert due(begun(), "2026-07-13") == "reverify_due", "six weeks without their weekends"
    journal = begun(Decided(breaks=SUMMER))

    assert due(journal, "2026-07-13") == "mastered"
    assert due(journal, "2026-09-22") == "mastered"
    assert due(journal, "2026-09-23") == "reverify_due", "6 days before the break, 24 after it"


def test_whole_batches_and_a_replay_age_everything_at_the_same_places():
    """The same journal, once piece by piece with settings between, once read again from empty caches: the same events."""
    records: list[Record] = [
        Decided(AGEING), Decided(breaks="2026-06-08/2026-06-12", time_zone="America/Chicago"),
        piece(1, occurred_at=f"2026-06-01{NOON}"), ClockTicked("ada", f"2026-07-19{NOON}", ("math:add",)),
        ClockTicked("ada", f"2026-07-20{NOON}", ("math:add",)), piece(2, occurred_at=f"2026-07-21{NOON}"),
    ]  # fmt: skip
    slow, fast = Journal(), Journal().fold(records)
    for record in records:
        slow.fold([record], drop_cache=True)

    assert slow.kinds() == [f"competency.{kind}" for kind in ("mastered", "reverify_due", "reverified")]
    assert [event.id for event in slow.told] == [event.id for event in fast.told]
    assert slow.values() == fast.values()
    assert slow.told[1].data["cause"]["id"] == "input-5"


def test_breaks_set_later_hold_for_what_is_on_the_record_whose_policy_stays():
    journal = begun()
    stricter = policy_from(STREAK | {"method": {"type": "streak", "n": 3}})
    journal.fold([Decided(stricter), Decided(breaks=SUMMER)]).sweep()

    assert due(journal, "2026-07-13") == "mastered"
    assert journal.state().policy == AGEING.reference


def test_breaks_that_come_too_late_clear_what_they_would_have_spared_and_without_them_it_is_due_again():
    journal = begun()
    assert due(journal, "2026-07-13") == "reverify_due"
    journal.fold([Decided(breaks=SUMMER)]).sweep().fold([Decided(breaks="")]).sweep()

    assert journal.kinds() == [
        f"competency.{kind}" for kind in ("mastered", "reverify_due", "reverified", "reverify_due")
    ]
    assert [event.data["cause"]["kind"] for event in journal.told[2:]] == ["setting", "setting"]


def test_a_level_asked_for_before_a_break_is_late_only_after_it():
    policy = policy_from(STREAK | {"advancement": {"require": {"supporting": {}}, "sign_off": {"by": "teacher"}}})
    spring = "2026-04-03/2026-04-12"
    journal = Journal().fold([Decided(framework=GRAPH), Decided(policy), Decided(breaks=spring)])
    journal.fold([piece(1), piece(2, competency="math:sub")])

    assert journal.told[-1].data["escalate_at"].startswith("2026-04-16T00:00:0")
