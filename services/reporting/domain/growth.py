"""
Pace against the learner's own past: how fast competencies came onto the record, as a slope with an interval.

The slope is the median of all pairwise slopes (Theil 1950), with the interval of Sen 1968: it follows the bulk of the
points and not a single good or bad week.
"""

import datetime
import math
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Literal

import msgspec

from shared.school_calendar import SchoolCalendar, school_days_to

DAYS = 30
"""A pace is told per so many school days, or calendar days where the school calendar is not known."""
MIN_POINTS = 4
"""With fewer points a slope says nothing."""
CONFIDENCE = 0.9
RECENT_DAYS = 90


class Slope(msgspec.Struct, frozen=True):
    """A slope and its interval, per day."""

    estimate: float
    low: float
    high: float


class Pace(msgspec.Struct, frozen=True):
    """Competencies in 30 days of `Growth.days`: the estimate and its 90 % interval."""

    per_30_days: float
    low: float
    high: float


class Projection(msgspec.Struct, frozen=True):
    """Days until what is left of the current level is on the record at this pace; `most` None is open-ended."""

    remaining: int
    least: int
    most: int | None


class Growth(msgspec.Struct, frozen=True):
    """
    A learner's growth: (day, competencies on the record by then), the pace of all the time, lately, and before.

    `days` are those of pace and projection: a summer is no slow time where the school calendar is known.
    """

    points: list[tuple[str, int]]
    overall: Pace | None
    recent: Pace | None
    earlier: Pace | None
    projection: Projection | None
    days: Literal["school", "calendar"]


def theil_sen(x: Sequence[float], y: Sequence[float]) -> Slope | None:
    """
    Return the Theil-Sen slope of y over x with its interval; None where all x are equal or there are fewer than two.

    The interval takes the ranks n/2 +- z sigma/2 of the sorted slopes, with Kendall's variance corrected for ties
    (Sen 1968, section 5), as `scipy.stats.theilslopes` does.
    """
    n = len(x)
    slopes = sorted(
        (y[j] - y[i]) / (x[j] - x[i]) if x[j] > x[i] else (y[i] - y[j]) / (x[i] - x[j])
        for i in range(n)
        for j in range(i + 1, n)
        if x[i] != x[j]
    )
    if not slopes:
        return None
    spread = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(_variance(x, y, n))
    count = len(slopes)
    upper = min(round((count + spread) / 2), count - 1)
    lower = max(round((count - spread) / 2) - 1, 0)
    return Slope(median(slopes), slopes[lower], slopes[upper])


def _variance(x: Sequence[float], y: Sequence[float], n: int) -> float:
    tied = sum(k * (k - 1) * (2 * k + 5) for values in (x, y) for k in _repetitions(values))
    return max(0.0, (n * (n - 1) * (2 * n + 5) - tied) / 18)


def _repetitions(values: Sequence[float]) -> list[int]:
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return [count for count in counts.values() if count > 1]


def growth(shown_at: Sequence[str], remaining: int, calendar: SchoolCalendar | None = None) -> Growth:
    """
    Return how a learner's record grew.

    Args:
        shown_at: the instants at which competencies came onto the record.
        remaining: competencies of the current levels that are not on the record.
        calendar: None where it is not known; then days are those of UTC.
    """
    day_of = (calendar or SchoolCalendar()).day_of
    days = sorted(day_of(datetime.datetime.fromisoformat(instant)) for instant in shown_at)
    points = {day: number for number, day in enumerate(days, start=1)}
    overall = _pace(points, calendar)
    recent = earlier = None
    if days:
        since = days[-1] - datetime.timedelta(days=RECENT_DAYS)
        recent = _pace({day: n for day, n in points.items() if day >= since}, calendar)
        earlier = _pace({day: n for day, n in points.items() if day < since}, calendar)
    return Growth(
        points=[(day.isoformat(), number) for day, number in points.items()],
        overall=overall, recent=recent, earlier=earlier, projection=_projection(recent or overall, remaining),
        days="calendar" if calendar is None else "school",
    )  # fmt: skip


def _pace(points: dict[datetime.date, int], calendar: SchoolCalendar | None) -> Pace | None:
    if len(points) < MIN_POINTS:
        return None
    numbers = [day.toordinal() if calendar is None else school_days_to(day, calendar.breaks) for day in points]
    slope = theil_sen([float(number) for number in numbers], [float(n) for n in points.values()])
    if slope is None:
        return None
    return Pace(round(slope.estimate * DAYS, 2), round(slope.low * DAYS, 2), round(slope.high * DAYS, 2))


def _projection(pace: Pace | None, remaining: int) -> Projection | None:
    """Return a range, never a date: what is left, at the fast and the slow end of the pace."""
    if pace is None or not remaining or pace.high <= 0:
        return None
    most = math.ceil(remaining / pace.low * DAYS) if pace.low > 0 else None
    return Projection(remaining, math.ceil(remaining / pace.high * DAYS), most)
