"""
When school is out: breaks of a tenant, in which upkeep stands still and nobody is late.

Breaks are one text, `2026-06-10/2026-08-20 2026-12-21/2027-01-02`: first and last local days, in order, apart. It is small,
and what is pinned to a key explains itself.
"""

import datetime
import functools
import zoneinfo
from collections.abc import Iterable

BREAKS_MAX = 100
DAY = datetime.timedelta(days=1)


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
    """Return the first and last days of breaks."""
    pairs = (each.split("/") for each in breaks.split())
    return [(datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)) for first, last in pairs]


def days_later(instant: str, days: int, breaks: str, time_zone: str) -> str:
    """Return the instant after so many days of 24 hours, those in breaks of the time zone not counted."""
    at = datetime.datetime.fromisoformat(instant)
    left = days * DAY
    for start, end in _spans(breaks, time_zone):
        if end <= at:
            continue
        before = max(start - at, datetime.timedelta())
        if left <= before:
            break
        left -= before
        at = end
    return _text(at + left)


def weekdays_later(instant: str, days: int, breaks: str) -> str:
    """Return the instant after so many days from Monday to Friday that lie in no break."""
    at, out = datetime.datetime.fromisoformat(instant), days_of(breaks)
    while days:
        at += DAY
        days -= at.weekday() < 5 and not any(first <= at.date() <= last for first, last in out)
    return _text(at)


@functools.lru_cache(maxsize=1024)
def _spans(breaks: str, time_zone: str) -> tuple[tuple[datetime.datetime, datetime.datetime], ...]:
    """Return the instants at which breaks begin and are over: local midnights."""
    zone = zoneinfo.ZoneInfo(time_zone)
    midnight = datetime.time(tzinfo=zone)
    return tuple(
        (datetime.datetime.combine(first, midnight), datetime.datetime.combine(last + DAY, midnight))
        for first, last in days_of(breaks)
    )


def _text(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
