"""Lower confidence bounds of a share of right answers."""

import math

from services.progression.domain.distributions import beta_quantile


def wilson_lower(right: float, n: float, z: float) -> float:
    """
    Return the lower bound at `z` standard errors (1.2816 is one-sided 90 %), 0 without answers.

    Source: Wilson 1927: [p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)] / (1 + z^2/n).
    """
    _check(right, n)
    if n == 0:
        return 0.0
    p = right / n
    margin = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (p + z * z / (2 * n) - margin) / (1 + z * z / n))


def jeffreys_lower(right: float, n: float, alpha: float) -> float:
    """
    Return the bound that the share lies below with probability `alpha`, from Jeffreys' prior; 0 with nothing right.

    Source: Brown, Cai & DasGupta 2001: the alpha quantile of Beta(right + 1/2, wrong + 1/2).
    """
    _check(right, n)
    if not 0 < alpha < 1:
        raise ValueError("alpha is between 0 and 1")
    return beta_quantile(alpha, right + 0.5, n - right + 0.5) if right else 0.0


def _check(right: float, n: float) -> None:
    if not 0 <= right <= n:
        raise ValueError(f"{right} right of {n} cannot be")
