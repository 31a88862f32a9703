"""
Time until something happened, where for some it has not happened yet: those count as still waiting, and are never dropped.

Kaplan & Meier 1958, with Greenwood's variance and the log(-log) interval (Kalbfleisch & Prentice 1980), which stays in 0..1.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist

import msgspec

CONFIDENCE = 0.95
ROUNDING = 1e-12


class Step(msgspec.Struct, frozen=True):
    """After this time: the share for whom it has not happened yet, its interval, and how many were still watched."""

    time: float
    waiting: float
    low: float
    high: float
    at_risk: int


class Curve(msgspec.Struct, frozen=True):
    """A product-limit curve: `median` is the first time at which it has happened for half, None where it has not."""

    people: int
    happened: int
    median: float | None
    median_low: float | None
    median_high: float | None
    steps: list[Step]


def kaplan_meier(observed: Iterable[tuple[float, bool]] | Mapping[tuple[float, bool], int]) -> Curve:
    """
    Return the curve of (time, whether it happened then; else the time up to which it had not), or of how many of each.

    Raises:
        ValueError: a time is negative.
    """
    cases = Counter(observed)
    if any(time < 0 for time, _ in cases):
        raise ValueError("a time is not negative")
    events: Counter[float] = Counter()
    leaving: Counter[float] = Counter()
    for (time, happened), count in cases.items():
        leaving[time] += count
        events[time] += count if happened else 0
    people = leaving.total()
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    steps: list[Step] = []
    at_risk, waiting, variance = people, 1.0, 0.0
    for time in sorted(leaving):
        ended = events[time]
        if ended:
            waiting *= 1 - ended / at_risk
            variance += ended / (at_risk * (at_risk - ended)) if at_risk > ended else 0.0
            low, high = _interval(waiting, variance, z)
            steps.append(Step(time, waiting, low, high, at_risk))
        at_risk -= leaving[time]
    return Curve(
        people=people, happened=events.total(),
        median=_first(steps, lambda step: step.waiting), median_low=_first(steps, lambda step: step.low),
        median_high=_first(steps, lambda step: step.high), steps=steps,
    )  # fmt: skip


def _interval(waiting: float, variance: float, z: float) -> tuple[float, float]:
    if not 0 < waiting < 1:
        return waiting, waiting
    spread = z * math.sqrt(variance) / math.log(waiting)
    return waiting ** math.exp(-spread), waiting ** math.exp(spread)


def _first(steps: list[Step], of: Callable[[Step], float]) -> float | None:
    return next((step.time for step in steps if of(step) <= 0.5 + ROUNDING), None)
