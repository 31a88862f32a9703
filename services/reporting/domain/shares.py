"""Shares of people with intervals, and the difference of two shares."""

import math
from statistics import NormalDist

import msgspec

CONFIDENCE = 0.95


class Share(msgspec.Struct, frozen=True):
    """A share and its interval."""

    share: float
    low: float
    high: float


def share(part: int, whole: int) -> Share | None:
    """
    Return a share with its Wilson score interval (Wilson 1927); None of nobody.

    Raises:
        ValueError: the part is not within the whole.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} cannot be")
    if whole == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    p = part / whole
    middle = p + z * z / (2 * whole)
    margin = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    below = 1 + z * z / whole
    return Share(p, max(0.0, (middle - margin) / below), min(1.0, (middle + margin) / below))


def difference(one: Share, other: Share) -> Share:
    """Return one share less the other, with Newcombe's hybrid score interval (Newcombe 1998, method 10)."""
    gap = one.share - other.share
    low = gap - math.hypot(one.share - one.low, other.high - other.share)
    high = gap + math.hypot(one.high - one.share, other.share - other.low)
    return Share(gap, low, high)


def cohen_h(one: float, other: float) -> float:
    """Return the difference of two shares on the scale where a step counts alike near the ends (Cohen 1988, chapter 6)."""
    return 2 * (math.asin(math.sqrt(one)) - math.asin(math.sqrt(other)))
