"""
When there is school: Monday to Friday but for a tenant's breaks. Upkeep and what people owe is counted in these days alone.

Breaks are one text, `2026-06-10/2026-08-20 2026-12-21/2027-01-02`: first and last local days, in order, apart. It is small,
and what is pinned to a key explains itself. A break that is set while it lasts is a pause.
"""

import bisect
import datetime
import functools
import zoneinfo
from collections.abc import Iterable
from typing import NamedTuple

from shared.events import utc
from shared.weekdays import weekday_of, weekdays_to

BREAKS_MAX = 100
DAY = datetime.timedelta(days=1)
FIRST_DAY, LAST_DAY = datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)
"""Far from the ends of the calendar: what is counted from there would raise in every fold of the tenant."""


def breaks_of(days: Iterable[tuple[datetime.date, datetime.date]]) -> str:
    """Return breaks as text; those that overlap or touch become one."""
    found: list[tuple[datetime.date, datetime.date]] = []
    for first, last in sorted(days):
        if found and first <= found[-1][1] + DAY:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return " ".join(f"{first}/{last}" for first, last in found)


def days_of(breaks: str) -> list[tuple[datetime.date, datetime.date]]:
    """Return the first and last days of breaks, as far as they lie within `FIRST_DAY` and `LAST_DAY`: older ones need not."""
    pairs = (map(datetime.date.fromisoformat, each.split("/")) for each in breaks.split())
    within = ((max(first, FIRST_DAY), min(last, LAST_DAY)) for first, last in pairs)
    return [(first, last) for first, last in within if first <= last]


def school_days_later(instant: str, days: int, breaks: str, time_zone: str) -> str:
    """Return the instant of the same local time on the so-many-th school day after the local day of an instant."""
    zone = zoneinfo.ZoneInfo(time_zone)
    at = datetime.datetime.fromisoformat(instant).astimezone(zone)
    return utc(datetime.datetime.combine(school_day_after(at.date(), days, breaks), at.time(), zone))


def school_day_after(day: datetime.date, days: int, breaks: str) -> datetime.date:
    """Return the so-many-th school day after a day; the day itself for none."""
    if not days:
        return day
    at, left = weekdays_to(day), days
    for first, last in _weekdays_out(breaks):
        if last <= at:
            continue
        before = max(first - 1 - at, 0)
        if left <= before:
            break
        left -= before
        at = last
    return weekday_of(at + left)


def school_days_between(since: datetime.date, until: datetime.date, breaks: str) -> int:
    """Return how many school days come after one day, up to and with another."""
    return max(0, school_days_to(until, breaks) - school_days_to(since, breaks))


def school_days_to(day: datetime.date, breaks: str) -> int:
    """Return the number of a day's school day: on a day without school that of the last one before it."""
    number = weekdays_to(day)
    return number - sum(min(last, number) - first + 1 for first, last in _weekdays_out(breaks) if first <= number)


def school_day_before(day: datetime.date, days: int, breaks: str) -> datetime.date:
    """Return the so-many-th school day before a day's school day; for none the last one that is not after the day."""
    wanted = school_days_to(day, breaks) - days
    ordinals = range(1, day.toordinal() + 1)
    place = bisect.bisect_left(ordinals, wanted, key=lambda it: school_days_to(datetime.date.fromordinal(it), breaks))
    return datetime.date.fromordinal(ordinals[place])


class SchoolCalendar(NamedTuple):
    """When there is school in a tenant: the time zone of its days (IANA name), and its breaks."""

    time_zone: str = "UTC"
    breaks: str = ""

    def day_of(self, instant: datetime.datetime) -> datetime.date:
        """Return the local day of an instant."""
        return instant.astimezone(zoneinfo.ZoneInfo(self.time_zone)).date()

    def midnight_of(self, day: datetime.date) -> datetime.datetime:
        """Return the instant at which a local day begins."""
        return datetime.datetime.combine(day, datetime.time(), zoneinfo.ZoneInfo(self.time_zone))


def local_day(instant: str, time_zone: str) -> datetime.date:
    """Return the date of an instant in a time zone."""
    return datetime.datetime.fromisoformat(instant).astimezone(zoneinfo.ZoneInfo(time_zone)).date()


def midnight_after(day: datetime.date, time_zone: str) -> str:
    """Return the instant at which a local day is over."""
    return utc(datetime.datetime.combine(day + DAY, datetime.time(), zoneinfo.ZoneInfo(time_zone)))


@functools.lru_cache(maxsize=1024)
def _weekdays_out(breaks: str) -> tuple[tuple[int, int], ...]:
    """Return the weekdays in breaks, as numbers of `weekdays_to`, first and last; breaks of weekends alone have none."""
    found = ((weekdays_to(first - DAY) + 1, weekdays_to(last)) for first, last in days_of(breaks))
    return tuple((first, last) for first, last in found if first <= last)
