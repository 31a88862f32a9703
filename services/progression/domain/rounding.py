"""Rounding: the one that people and vendors expect of a decimal number, and the one that takes a float's noise away."""

import math
from decimal import ROUND_HALF_UP, Decimal


def round_half_up_repr(x: float, ndigits: int) -> float:
    """
    Round half away from zero on the shortest decimal that stands for `x`: 2.675 gives 2.68, where `round` gives 2.67.

    Raises:
        ValueError: not a finite number.

    Source: Ruby's Float#round(ndigits), which Canvas rounds its scores with.
    """
    if not math.isfinite(x):
        raise ValueError(f"{x} cannot be rounded")
    return float(Decimal(repr(float(x))).quantize(Decimal(1).scaleb(-ndigits), ROUND_HALF_UP))


def settled(x: float) -> float:
    """
    Return `x` to 12 decimals, which is what is published of a score.

    A mean of three times 0.7 is 0.6999999999999998 in binary, and would miss a cut of 0.7 that every piece meets.
    """
    return round(x, 12)
