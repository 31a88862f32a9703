"""The cumulative sum of evidence."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from services.progression.domain.methods.base import Parameters, State, Value


class Cusum(Parameters):
    """
    The cumulative sum of log-likelihood ratios of "knows" (`p1`) against "does not" (`p0`), never below 0.

    Early failures leave no debt, unlike in Wald's sequential test. The score is the share of the bar, 1 at most.

    Source: Page 1954: x = max(0, x + llr), llr = ln(p1/p0) for a right answer and ln((1-p1)/(1-p0)) for a wrong one.
    """

    type: Literal["cusum"]
    p0: float = Field(gt=0, lt=1)
    p1: float = Field(gt=0, lt=1)
    bar: float = Field(gt=0)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.p1 <= self.p0:
            raise ValueError("p1 is above p0, or right answers would speak against knowing")
        return self

    def start(self) -> State:
        return (0.0,)

    def step(self, state: State, piece: Value) -> State:
        ratio = self.p1 / self.p0 if piece.correct else (1 - self.p1) / (1 - self.p0)
        return (max(0.0, state[0] + math.log(ratio)),)

    def score(self, state: State) -> float:
        return 1.0 if state[0] >= self.bar else float(state[0] / self.bar)

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[0] >= self.bar)
