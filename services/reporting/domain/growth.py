"""
Pace against the learner's own past: how fast competencies came onto the record, as a slope with an interval.

The slope is the median of all pairwise slopes (Theil 1950; Sen 1968): it follows the bulk of the points and not a single good or
bad week. Its interval is not Sen's, whose points scatter independently about a line: here each has the one before in it, and
where competencies came at random that interval had the true pace in it a quarter to half of the time instead of nine tenths.
What is independent are the steps, each of some competencies in some days; so the error is that of the ratio of both
(Cochran 1977, 2.11), as a factor, with Student's t. It takes the pace not to change, and is right in some 80 to 90 % of cases.
"""

import datetime
import math
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Literal, NamedTuple

import msgspec

from shared.school_calendar import SchoolCalendar, school_days_to

DAYS = 30
"""A pace is told per so many school days, or calendar days where the school calendar is not known."""
MIN_POINTS = 4
"""With fewer points a slope says nothing."""
CONFIDENCE = 0.9
RECENT_DAYS = 90
PROJECTED_DAYS_MAX = 1_000
"""Beyond that a projection has no end."""


class Pace(msgspec.Struct, frozen=True):
    """Competencies in 30 days of `Growth.days`: the estimate and its 90 % interval."""

    per_30_days: float
    low: float
    high: float


class Projection(msgspec.Struct, frozen=True):
    """
    Days until what is left of the current level is on the record if the pace stays, in nine of ten cases; `most` None is
    open-ended. Days without anything since the last competency are no part of the pace.
    """

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


def theil_sen(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return the Theil-Sen slope of y over x; None where all x are equal or there are fewer than two."""
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i in range(len(x)) for j in range(i) if x[i] != x[j]]
    return median(slopes) if slopes else None


class _Rate(NamedTuple):
    """Competencies a day, and a step; `scatter` is the relative standard deviation of a step, of which there are `steps`."""

    per_day: float
    per_step: float
    scatter: float
    steps: int

    @property
    def factor(self) -> float:
        """By what the true rate may be larger or smaller."""
        return self._factor(1 / self.steps)

    def days(self, remaining: int) -> tuple[float, float]:
        """Return the least and the most days that so many take: their own steps scatter as well as those that were seen."""
        days, factor = remaining / self.per_day, self._factor(1 / self.steps + self.per_step / remaining)
        return days / factor, days * factor

    def _factor(self, variance: float) -> float:
        return math.exp(_student(self.steps - 1) * self.scatter * math.sqrt(variance))


def _rate(x: Sequence[float], y: Sequence[float]) -> _Rate | None:
    """Return the rate of counts `y` that rise from day `x` to day; None where all days are one."""
    per_day = theil_sen(x, y)
    if per_day is None:
        return None
    steps = [(x[n + 1] - x[n], y[n + 1] - y[n]) for n in range(len(x) - 1)]
    ratio, per_step = (y[-1] - y[0]) / (x[-1] - x[0]), (y[-1] - y[0]) / len(steps)
    squares = sum((count - ratio * days) ** 2 for days, count in steps)
    return _Rate(per_day, per_step, math.sqrt(squares / (len(steps) - 1)) / per_step, len(steps))


def _student(freedom: int) -> float:
    """Return the quantile of Student's t (Abramowitz & Stegun 26.7.5), within 2 % from two degrees of freedom on."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    terms = (z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    quantile: float = sum(term / freedom**power for power, term in enumerate(terms))
    return quantile


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
    overall = _rate_of(points, calendar)
    recent = earlier = None
    if days:
        since = days[-1] - datetime.timedelta(days=RECENT_DAYS)
        recent = _rate_of({day: n for day, n in points.items() if day >= since}, calendar)
        earlier = _rate_of({day: n for day, n in points.items() if day < since}, calendar)
    return Growth(
        points=[(day.isoformat(), number) for day, number in points.items()],
        overall=_pace(overall), recent=_pace(recent), earlier=_pace(earlier),
        projection=_projection(recent or overall, remaining), days="calendar" if calendar is None else "school",
    )  # fmt: skip


def _rate_of(points: dict[datetime.date, int], calendar: SchoolCalendar | None) -> _Rate | None:
    if len(points) < MIN_POINTS:
        return None
    numbers = [day.toordinal() if calendar is None else school_days_to(day, calendar.breaks) for day in points]
    return _rate([float(number) for number in numbers], [float(n) for n in points.values()])


def _pace(rate: _Rate | None) -> Pace | None:
    if rate is None:
        return None
    found = rate.per_day * DAYS
    return Pace(round(found, 2), round(found / rate.factor, 2), round(found * rate.factor, 2))


def _projection(rate: _Rate | None, remaining: int) -> Projection | None:
    """Return a range, never a date."""
    if rate is None or not remaining:
        return None
    least, most = rate.days(remaining)
    return Projection(remaining, math.ceil(least), math.ceil(most) if most <= PROJECTED_DAYS_MAX else None)
