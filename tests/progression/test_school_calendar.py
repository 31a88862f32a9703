"""Breaks: what ages stands still in them, on the record too, and nobody is late to sign."""

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.progression.decisions import ClockTicked
from services.progression.policy import policy_from
from services.progression.school_calendar import breaks_of, days_later, days_of, weekdays_later
from tests.progression.test_advancement import GRAPH
from tests.support.journal import Decided, Journal, piece

SUMMER = "2026-06-10/2026-08-20"
STREAK = {"id": "s", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}
AGEING = policy_from(STREAK | {"upkeep": {"reverify_after_days": 30}})
Days = list[tuple[datetime.date, datetime.date]]
NOON = "T12:00:00.000000Z"

dates = st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))
spans = st.lists(st.tuples(dates, dates).map(lambda pair: (min(pair), max(pair))), max_size=6)


@pytest.mark.parametrize(
    ("start", "days", "breaks", "zone", "end"),
    [
        ("2026-05-01", 30, "", "UTC", "2026-05-31"),
        ("2026-05-20", 20, SUMMER, "UTC", "2026-06-09"),
        ("2026-05-20", 21, SUMMER, "UTC", "2026-08-21"),
        ("2026-06-09", 30, SUMMER, "UTC", "2026-09-19"),
        ("2026-07-01", 1, SUMMER, "UTC", "2026-08-22"),
        ("2026-06-01", 20, f"2026-06-05/2026-06-06 {SUMMER}", "UTC", "2026-09-03"),
        ("2026-08-21", 30, SUMMER, "UTC", "2026-09-20"),
    ],
)
def test_days_in_breaks_are_not_counted(start: str, days: int, breaks: str, zone: str, end: str):
    """From noon; a start within a break counts from the midnight after it."""
    midnight = "2026-06-10" <= start <= "2026-08-20"
    found = days_later(f"{start}{NOON}", days, breaks, zone)

    assert found == (f"{end}T00:00:00.000000Z" if midnight else f"{end}{NOON}")


def test_a_break_begins_and_ends_at_local_midnights():
    """In Chicago, five hours behind in summer: 10 June 01:00 UTC is still the 9th."""
    start = "2026-06-10T01:00:00.000000Z"

    assert days_later(start, 1, SUMMER, "America/Chicago") == "2026-08-22T01:00:00.000000Z"
    assert days_later(start, 1, SUMMER, "UTC") == "2026-08-22T00:00:00.000000Z"


@given(days=spans, start=dates, count=st.integers(1, 60))
def test_so_many_days_outside_breaks_lie_between(
    days: list[tuple[datetime.date, datetime.date]], start: datetime.date, count: int
):
    """From midnight, where whole days are counted: as by looking at each day."""
    breaks = breaks_of(days)
    found = days_later(f"{start}T00:00:00.000000Z", count, breaks, "UTC")
    day, left = start, count
    while left:
        left -= not any(first <= day <= last for first, last in days)
        day += datetime.timedelta(days=1)

    assert found == f"{day}T00:00:00.000000Z"


@given(spans)
def test_breaks_read_back_in_order_and_apart(days: Days):
    found = days_of(breaks_of(days))

    assert breaks_of(found) == breaks_of(days)
    assert all(a[1] + datetime.timedelta(days=1) < b[0] for a, b in itertools.pairwise(found))
    assert {d for first, last in found for d in _each(first, last)} == {d for pair in days for d in _each(*pair)}


def _each(first: datetime.date, last: datetime.date) -> set[datetime.date]:
    return {first + datetime.timedelta(days=n) for n in range((last - first).days + 1)}


def test_school_days_to_sign_skip_weekends_and_breaks():
    friday = "2026-06-05T12:00:00.000000Z"

    assert weekdays_later(friday, 5, "") == "2026-06-12T12:00:00.000000Z"
    assert weekdays_later(friday, 5, SUMMER) == "2026-08-25T12:00:00.000000Z"


def due(journal: Journal, day: str) -> str:
    journal.fold([ClockTicked("ada", f"{day}{NOON}", ("math:add",))])
    return journal.state().status


def begun(*decided: Decided) -> Journal:
    return Journal().fold([*decided, Decided(AGEING)]).fold([piece(1, occurred_at=f"2026-06-01{NOON}")])


def test_what_ages_stands_still_while_school_is_out():
    assert due(begun(), "2026-07-02") == "reverify_due"
    journal = begun(Decided(breaks=SUMMER))

    assert due(journal, "2026-07-02") == "mastered"
    assert due(journal, "2026-09-10") == "mastered"
    assert due(journal, "2026-09-11") == "reverify_due", "8.5 days before the break, 21.5 after it"


def test_breaks_set_later_hold_for_what_is_on_the_record_whose_policy_stays():
    journal = begun()
    stricter = policy_from(STREAK | {"method": {"type": "streak", "n": 3}})
    journal.fold([Decided(stricter), Decided(breaks=SUMMER)]).sweep()

    assert due(journal, "2026-07-02") == "mastered"
    assert journal.state().policy == AGEING.reference


def test_breaks_that_come_too_late_clear_what_they_would_have_spared_and_without_them_it_is_due_again():
    journal = begun()
    assert due(journal, "2026-07-02") == "reverify_due"
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
