"""School days by number, back and forth, and the local days of a calendar."""

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.school_calendar import (
    SchoolCalendar,
    breaks_of,
    school_day_after,
    school_day_before,
    school_days_between,
    school_days_to,
)

days = st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))
breaks = st.lists(st.tuples(days, days).map(lambda pair: (min(pair), max(pair))), max_size=4).map(breaks_of)


@given(days, days, breaks)
def test_numbers_of_school_days_differ_by_those_in_between(first: datetime.date, last: datetime.date, out: str) -> None:
    step = datetime.timedelta(days=1)
    numbers = [school_days_to(first + n * step, out) for n in range(max((last - first).days, 0) + 1)]

    assert all(after - before in (0, 1) for before, after in itertools.pairwise(numbers))
    if first <= last:
        assert numbers[-1] - numbers[0] == school_days_between(first, last, out)


@given(days, st.integers(0, 60), breaks)
def test_the_way_back_leads_to_where_the_way_there_began(day: datetime.date, number: int, out: str) -> None:
    start = school_day_after(day, 1, out)
    later = school_day_after(start, number, out)

    assert school_day_before(later, number, out) == start


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [("UTC", "2026-03-10", "2026-03-10T00:00:00+00:00"), ("America/Chicago", "2026-03-09", "2026-03-09T00:00:00-05:00"),
     ("Pacific/Auckland", "2026-03-10", "2026-03-10T00:00:00+13:00")],
)  # fmt: skip
def test_an_instant_is_of_the_local_day(zone: str, day: str, begins: str) -> None:
    calendar = SchoolCalendar(zone)
    found = calendar.day_of(datetime.datetime(2026, 3, 10, 3, 0, tzinfo=datetime.UTC))

    assert (str(found), calendar.midnight_of(found).isoformat()) == (day, begins)
