"""N in a row."""

from typing import Literal

from pydantic import Field

from services.progression.domain.methods.base import RECEIPT_MAX, Parameters, State, Value


class Streak(Parameters):
    """
    N in a row: score 1 when the last `n` pieces are correct, else run / n.

    Source: N-consecutive-correct-responses as in ASSISTments skill builders (Kelly, Wang, Thompson & Heffernan 2015).
    """

    type: Literal["streak"]
    n: int = Field(ge=1, le=100)

    def window(self) -> int:
        return min(self.n, RECEIPT_MAX)

    def start(self) -> State:
        return (0,)

    def step(self, state: State, piece: Value) -> State:
        return (state[0] + 1,) if piece.correct else (0,)

    def score(self, state: State) -> float:
        run: int = state[0]
        return 1.0 if run >= self.n else run / self.n

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[0] >= self.n)
