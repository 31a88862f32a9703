"""Means, weighted by the pieces: of all, of the latest few, and of first attempts."""

import operator
from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from services.progression.domain.methods.base import RECEIPT_MAX, Parameters, State, Value
from services.progression.domain.rounding import settled


class _RunningMean(Parameters):
    """A weighted mean from running sums; passed at or above the scale's mastery."""

    weighs: ClassVar[bool] = True

    def start(self) -> State:
        """The sum of the weights, and of the weighted values."""
        return (0.0, 0.0)

    def step(self, state: State, piece: Value) -> State:
        return (state[0] + piece.weight, state[1] + piece.weight * piece.value)

    def score(self, state: State) -> float:
        return settled(state[1] / state[0]) if state[0] else 0.0

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[0]) and score >= cut


class Mean(_RunningMean):
    """The weighted mean of all pieces: sum(w s) / sum(w). Source: the "average" of every gradebook."""

    type: Literal["mean"]


class FirstAttempt(_RunningMean):
    """
    The weighted mean of the first attempts at each activity; later attempts say nothing.

    Source: proficiency by first attempts as in OLI Torus; with right-or-wrong items it is the share right at once.
    """

    type: Literal["first_attempt"]

    def step(self, state: State, piece: Value) -> State:
        return super().step(state, piece) if piece.first else state


class MeanOfLast(Parameters):
    """
    The weighted mean of the last `k` pieces; passed when there are `k` and their mean is at or above a value.

    Source: the "most recent N scores" of PowerTeacher Pro, with the count that makes it a rule.
    """

    weighs: ClassVar[bool] = True

    type: Literal["mean_of_last"]
    k: int = Field(ge=1, le=100)
    at_or_above: float

    def window(self) -> int:
        return min(self.k, RECEIPT_MAX)

    def looks_back(self) -> int:
        return self.k

    def start(self) -> State:
        """The last values, each followed by its weight."""
        return ()

    def step(self, state: State, piece: Value) -> State:
        return (*state, piece.value, piece.weight)[-2 * self.k :]

    def replay(self, pieces: Iterable[Value]) -> State:
        return tuple([part for piece in tuple(pieces)[-self.k :] for part in (piece.value, piece.weight)])

    def score(self, state: State) -> float:
        if not state:
            return 0.0
        weights = state[1::2]
        return settled(sum(map(operator.mul, state[::2], weights)) / sum(weights))

    def passed(self, state: State, score: float, cut: float) -> bool:
        return len(state) == 2 * self.k and score >= self.at_or_above
