"""How sure a pass is: agreement of a cut score with the truth and with itself, from one administration."""

from collections.abc import Callable
from typing import NamedTuple

from services.progression.domain.distributions import beta_cdf

STEPS = 2000
"""Intervals a side of the cut, each with its mass of true scores at its middle."""


class Classification(NamedTuple):
    """
    What a cut does to learners whose true share of points is beta distributed.

    `etl` is the effective test length, `alpha` and `beta` the true scores' distribution; `tp` passed and should, `fp` passed and
    should not, `fn` and `tn` likewise; `accuracy` is tp + tn; `consistency` is the share with the same outcome on a
    parallel test, `kappa` the same beyond chance.
    """

    etl: float
    alpha: float
    beta: float
    tp: float
    fp: float
    fn: float
    tn: float
    accuracy: float
    consistency: float
    kappa: float


def livingston_lewis(
    mean: float, variance: float, reliability: float, cut: float, low: float, high: float
) -> Classification:
    """
    Return accuracy and consistency of classifying scores at a cut (a score at it passes).

    Source: Livingston & Lewis 1995 with the two-parameter beta: effective test length
    [(m - min)(max - m) - r v] / [v (1 - r)], true scores beta with the observed mean and variance r v, errors binomial.
    The length and the cut on it are rounded to whole items in both replicates.

    Raises:
        ValueError: the moments cannot be those of a test, or leave no room for error.
    """
    if not (low < cut <= high and low < mean < high and variance > 0 and 0 < reliability < 1):
        raise ValueError("a cut and a mean within the scale, a variance above 0 and a reliability between 0 and 1")
    etl = ((mean - low) * (high - mean) - reliability * variance) / (variance * (1 - reliability))
    m, spread = (mean - low) / (high - low), reliability * variance / (high - low) ** 2
    common = m * (1 - m) / spread - 1
    if etl < 1 or common <= 0:
        raise ValueError("no test has so large a variance with this mean")
    alpha, beta, items = m * common, (1 - m) * common, max(1, round(etl))
    true_cut = (cut - low) / (high - low)
    needed = round(true_cut * items)

    def passing(p: float) -> float:
        # P(X >= k) of a binomial is the beta distribution function I_p(k, n - k + 1).
        return beta_cdf(p, needed, items - needed + 1) if needed > 0 else 1.0

    below, above = _moments(alpha, beta, 0.0, true_cut, passing), _moments(alpha, beta, true_cut, 1.0, passing)
    mass_above = 1.0 - beta_cdf(true_cut, alpha, beta)
    tp, fp = above[0], below[0]
    fn, tn = mass_above - tp, 1.0 - mass_above - fp
    passed, twice = tp + fp, above[1] + below[1]
    consistency = 1.0 - 2.0 * (passed - twice)
    chance = passed**2 + (1 - passed) ** 2
    kappa = (consistency - chance) / (1 - chance) if chance < 1 else 1.0
    return Classification(etl, alpha, beta, tp, fp, fn, tn, tp + tn, consistency, kappa)


def _moments(
    alpha: float, beta: float, start: float, end: float, passing: Callable[[float], float]
) -> tuple[float, float]:
    """Return the chance of passing, and its square, summed over the true scores between two points."""
    once = twice = 0.0
    width, reached = (end - start) / STEPS, beta_cdf(start, alpha, beta)
    for step in range(STEPS):
        before, reached = reached, beta_cdf(start + (step + 1) * width, alpha, beta)
        chance = passing(start + (step + 0.5) * width)
        once += (reached - before) * chance
        twice += (reached - before) * chance * chance
    return once, twice
