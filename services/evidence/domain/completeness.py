"""
What each source should have sent, by its own habit, and did.

A gap is counted in the school days of the tenant's calendar, so a source that rests in the holidays is not silent.
"""

import datetime
import itertools
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from shared.school_calendar import school_days_between, school_days_to

PAST_DAYS = 365
"""How far before the last day of a source its habit is read from."""
GAPS_MIN = 3
"""With fewer gaps a source has no habit yet."""
SILENT_GAPS = 2


class SourceDay(msgspec.Struct, frozen=True):
    """What came from a source on a day, by what became of it; what was corrected is accepted."""

    day: datetime.date
    accepted: int
    duplicate: int
    parked: int
    rejected: int


class Waiting(msgspec.Struct, frozen=True):
    """What is kept of a source and is not evidence, now; `unaligned` is handed-in work that no alignment gives a meaning to."""

    parked: int = 0
    quarantined: int = 0
    unaligned: int = 0


class Source(msgspec.Struct, frozen=True):
    """
    A source: what it sent lately, its habit, and whether it keeps to it.

    `source` is empty for what was refused before its source could be read. A day is one of evidence where something new
    came: accepted or parked. `usual_gap` is the median of the school days from one such day to the next, None without a
    habit; `silent_since` the last such day, where more than twice the usual gap has passed. `days` are those with anything.
    """

    source: str
    first_heard: datetime.date | None
    last_heard: datetime.date | None
    last_evidence: datetime.date | None
    usual_gap: float | None
    silent_since: datetime.date | None
    waiting: Waiting
    sent: Mapping[str, int]
    """By what became of it, over `days`."""
    days: Sequence[SourceDay]


def source_of(
    source: str, first_heard: datetime.date | None, days: Sequence[SourceDay], waiting: Waiting, *, today: datetime.date,
    window: int, breaks: str = "",
) -> Source:  # fmt: skip
    """
    Return a source.

    Args:
        first_heard: its first day of all.
        days: its past with the present, in order.
        window: how many days of it are told, today among them.
        breaks: when there is no school, as in `shared.school_calendar`.
    """
    evidence = [each.day for each in days if each.accepted or each.parked]
    gap = usual_gap(evidence, breaks)
    told = [each for each in days if each.day > today - datetime.timedelta(days=window)]
    return Source(
        source, first_heard, days[-1].day if days else None, evidence[-1] if evidence else None, gap,
        silent_since(evidence, gap, today, breaks), waiting,
        {name: sum(getattr(each, name) for each in told) for name in SourceDay.__struct_fields__[1:]}, told,
    )  # fmt: skip


def usual_gap(days: Sequence[datetime.date], breaks: str = "") -> float | None:
    """
    Return the median gap in school days between days with evidence, in order; None with fewer than `GAPS_MIN` gaps.

    What comes on a day without school counts as the last school day's, so a source that sends on Sundays has a gap of 5.
    """
    numbers = sorted({school_days_to(day, breaks) for day in days})
    gaps = [after - before for before, after in itertools.pairwise(numbers)]
    return float(statistics.median(gaps)) if len(gaps) >= GAPS_MIN else None


def silent_since(
    days: Sequence[datetime.date], gap: float | None, today: datetime.date, breaks: str = ""
) -> datetime.date | None:
    """Return the last day with evidence where more than `SILENT_GAPS` usual gaps have passed since."""
    if gap is None or school_days_between(days[-1], today, breaks) <= SILENT_GAPS * gap:
        return None
    return days[-1]
