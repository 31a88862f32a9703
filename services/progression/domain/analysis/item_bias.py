"""Whether an item is harder for one group of learners than for others of the same level."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Stratum = tuple[float, float, float, float]
"""Learners of one total score: reference right and wrong, focal right and wrong."""


class Bias(NamedTuple):
    """
    The common odds ratio (`alpha`, above 1 favours the reference group), on ETS' delta scale (below 0 does), and the tests.

    `chi2_cc` is with, `chi2` without correction for continuity; `p_uncorrected` belongs to the latter, one degree of freedom.
    `delta_se` is the standard error of `delta`.
    """

    alpha: float
    delta: float
    chi2_cc: float
    chi2: float
    p_uncorrected: float
    delta_se: float

    @property
    def grade(self) -> str:
        """
        ETS' letter: A negligible (|delta| below 1, or not apart from 0), C large (1.5 or more, and surely above 1), else B.

        Source: Zieky 1993, both tests at 5 %, that of C one-sided. The chi-square is the one without correction for continuity,
        which is conservative where learners are few.
        """
        if self.chi2 < 3.84 or abs(self.delta) < 1:
            return "A"
        return "C" if abs(self.delta) >= 1.5 and abs(self.delta) - 1.645 * self.delta_se > 1 else "B"


def mantel_haenszel(strata: Sequence[Stratum]) -> Bias | None:
    """
    Return the differential item functioning over strata of learners with equal total scores; None where nothing varies.

    Source: Holland & Thayer 1988: alpha = sum(A D / N) / sum(B C / N), delta = -2.35 ln alpha; the variance of ln alpha by
    Robins, Breslow & Greenland 1986, equation 5.
    """
    agree = against = right = expected = variance = 0.0
    with_agree = with_both = with_against = 0.0
    for a, b, c, d in strata:
        if min(a, b, c, d) < 0:
            raise ValueError("counts are 0 or more")
        n = a + b + c + d
        if n < 2:
            continue
        agree += a * d / n
        against += b * c / n
        with_agree += (a + d) * a * d / (n * n)
        with_both += ((a + d) * b * c + (b + c) * a * d) / (n * n)
        with_against += (b + c) * b * c / (n * n)
        right += a
        expected += (a + b) * (a + c) / n
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (n * n * (n - 1))
    if agree == 0 or against == 0 or variance == 0:
        return None
    alpha, off = agree / against, abs(right - expected)
    chi2 = off**2 / variance
    corrected = max(0.0, off - 0.5) ** 2 / variance
    error = with_agree / (2 * agree**2) + with_both / (2 * agree * against) + with_against / (2 * against**2)
    p = math.erfc(math.sqrt(chi2 / 2))
    return Bias(alpha, -2.35 * math.log(alpha), corrected, chi2, p, 2.35 * math.sqrt(error))
