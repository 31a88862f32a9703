"""The power law of learning."""

import math
from typing import Literal, Self

from pydantic import Field, PrivateAttr

from services.progression.domain.methods.base import Parameters, State, Value
from services.progression.domain.rounding import settled

EXPONENT_MAX = 700.0


class PowerLaw(Parameters):
    """
    The trend a x^b, fitted to the logarithms of the values at x = 1 .. n, at x = n.

    The mean stands in for it while there are fewer than `min_n` values or where one is 0 or less, which has no logarithm.
    `clip` keeps the trend within the scale, which it can leave: 1, 3, 4, 4 gives 4.88.

    Source: Marzano 2006; 3, 3, 1, 3 gives 1.90 and 3, 3, 1, 3, 4, 4 gives 3.07. The fit is ordinary least squares:
    b = (n Sxy - Sx Sy) / (n Sxx - Sx^2), ln a = (Sy - b Sx) / n, over ln x and ln y.
    """

    type: Literal["power_law"]
    steady = False  # a value of 0 makes it the mean, one next to 0 a steep fall
    min_n: int = Field(3, ge=2, le=100)
    fallback: Literal["mean"] = "mean"
    clip: bool = False
    _high: float = PrivateAttr(math.inf)

    def on_scale(self, low: float, high: float) -> Self:
        bounded = self.model_copy()
        bounded._high = high
        return bounded

    def start(self) -> State:
        """The number of values, their sum, whether all are above 0, and Sx, Sy, Sxx, Sxy."""
        return (0, 0.0, True, 0.0, 0.0, 0.0, 0.0)

    def step(self, state: State, piece: Value) -> State:
        n, total, positive, x_sum, y_sum, xx_sum, xy_sum = state
        x = math.log(n + 1)
        positive = positive and piece.value > 0
        y = math.log(piece.value) if positive else 0.0
        return (n + 1, total + piece.value, positive, x_sum + x, y_sum + y, xx_sum + x * x, xy_sum + x * y)

    def fit(self, state: State) -> tuple[float, float] | None:
        """Return (a, b) of the trend a x^b, or None where the mean stands in."""
        n, _, positive, x_sum, y_sum, xx_sum, xy_sum = state
        if n < self.min_n or not positive:
            return None
        b = (n * xy_sum - x_sum * y_sum) / (n * xx_sum - x_sum * x_sum)
        return math.exp(min((y_sum - b * x_sum) / n, EXPONENT_MAX)), b

    def score(self, state: State) -> float:
        n = state[0]
        if not n:
            return 0.0
        fitted = self.fit(state)
        if fitted is None:
            return settled(state[1] / n)
        a, b = fitted
        # Values next to 0 give slopes whose trend no number holds.
        trend = settled(a * math.exp(min(b * math.log(n), EXPONENT_MAX)))
        return min(trend, self._high) if self.clip else trend

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[0]) and score >= cut
