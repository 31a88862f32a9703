"""Item response theory with known items."""

import functools
import math
from typing import Annotated, Literal

from pydantic import Field

from services.progression.domain.methods.base import Parameters, State, Value

POINTS = 121
GRID = tuple(-6 + 12 * i / (POINTS - 1) for i in range(POINTS))
"""Abilities at which the posterior is kept: every tenth from -6 to 6."""

Item = Annotated[
    tuple[Annotated[float, Field(gt=0, strict=True)], Annotated[float, Field(strict=True)]], Field(strict=False)
]
"""(a, b): discrimination and difficulty; a = 1 for all is the Rasch model."""


class ItemResponse(Parameters):
    """
    The probability that ability is at or above `cut`, from answers to calibrated items and a standard normal prior.

    `items` gives (a, b) by activity id; answers to other activities say nothing. Finite for perfect scores. Passed at 0.8
    where a policy gives no bar.

    Source: the two-parameter logistic model, P(right) = 1 / (1 + exp(-a (ability - b))), with the posterior on a grid as in
    Bock & Mislevy 1982 (expected a posteriori).
    """

    type: Literal["irt_eap"]
    items: dict[str, Item] = Field(min_length=1, max_length=10_000)
    cut: float

    def start(self) -> State:
        """The logarithm of the posterior at each point of the grid, up to a constant."""
        return tuple(-x * x / 2 for x in GRID)

    def step(self, state: State, piece: Value) -> State:
        item = self.items.get(piece.item)
        if item is None:
            return state
        return tuple(map(float.__add__, state, _log_likelihood(item, piece.correct)))

    def estimate(self, state: State) -> tuple[float, float]:
        """Return the expected ability and its standard deviation."""
        weights = self._weights(state)
        mean = math.fsum(x * w for x, w in zip(GRID, weights, strict=True))
        return mean, math.sqrt(math.fsum((x - mean) ** 2 * w for x, w in zip(GRID, weights, strict=True)))

    def score(self, state: State) -> float:
        return min(1.0, math.fsum(w for x, w in zip(GRID, self._weights(state), strict=True) if x >= self.cut - 1e-9))

    def passed(self, state: State, score: float, cut: float) -> bool:
        return score >= 0.8

    @staticmethod
    def _weights(state: State) -> list[float]:
        highest = max(state)
        weights = [math.exp(x - highest) for x in state]
        total = math.fsum(weights)
        return [weight / total for weight in weights]


@functools.lru_cache(maxsize=4096)
def _log_likelihood(item: Item, correct: bool) -> tuple[float, ...]:
    a, b = item
    sign = -1 if correct else 1
    return tuple(-_log1p_exp(sign * a * (x - b)) for x in GRID)


def _log1p_exp(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))
