"""Distribution functions that the standard library lacks: of the beta, with its inverse, and of the normal."""

import math

ITERATIONS_MAX = 100_000
"""A fraction converges in about the square root of its larger parameter: enough for any number of pieces."""


def beta_cdf(x: float, a: float, b: float) -> float:
    """
    Return I_x(a, b), the probability that a Beta(a, b) is at most `x`; a, b > 0.

    Source: the continued fraction DLMF 8.17.22, evaluated by Lentz's method; symmetric where it converges slowly.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return min(1.0, math.exp(log_front) * _fraction(x, a, b) / a)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = p, by bisection to the last bits; 0 < p < 1."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if beta_cdf(middle, a, b) < p else (low, middle)


def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal is at most `z`."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, ITERATIONS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            d = 1.0 / (1.0 + coefficient * d or tiny)
            c = 1.0 + coefficient / c or tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value
