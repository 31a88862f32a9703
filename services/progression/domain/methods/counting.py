"""Methods that count the pieces at or above a value: within a window, or of all."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from services.progression.domain.methods.base import RECEIPT_MAX, Parameters, State, Value
from services.progression.domain.rounding import settled


class NOfLast(Parameters):
    """
    N of the last `window` pieces (of all, with `window: all`) at or above a value: score = hits / n, 1 at most.

    Source: the "2 of the last 3" rule of standards-based grading guides; a window of n is N in a row.
    """

    type: Literal["n_of_last"]
    n: int = Field(ge=1, le=100)
    window_: int | Literal["all"] = Field(alias="window")
    at_or_above: float

    @model_validator(mode="after")
    def _reachable(self) -> "NOfLast":
        if self.window_ == "all":
            return self
        if not 1 <= self.window_ <= 100:
            raise ValueError("a window is 1 to 100 pieces, or all")
        if self.n > self.window_:
            raise ValueError(f"n = {self.n} can never be reached in a window of {self.window_}")
        return self

    def window(self) -> int:
        return RECEIPT_MAX if self.window_ == "all" else min(self.window_, RECEIPT_MAX)

    def looks_back(self) -> int:
        return 0 if self.window_ == "all" else self.window_

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        hit = piece.value >= self.at_or_above
        if self.window_ == "all":
            return (sum(state) + hit,)
        return (*state, hit)[-self.window_ :]

    def replay(self, pieces: Iterable[Value]) -> State:
        if self.window_ == "all":
            return super().replay(pieces)
        bar = self.at_or_above
        return tuple([piece.value >= bar for piece in tuple(pieces)[-self.window_ :]])

    def score(self, state: State) -> float:
        return min(1.0, sum(state) / self.n)

    def passed(self, state: State, score: float, cut: float) -> bool:
        return sum(state) >= self.n


class NMastery(Parameters):
    """
    At least `n` pieces at or above a value: score = the mean of all of those, 0 while there are fewer.

    Source: Canvas' n_mastery; 4, 5, 1, 3, 2, 3 with three at 3 or above gives 3.75.
    """

    type: Literal["n_mastery"]
    n: int = Field(ge=1, le=100)
    at_or_above: float

    def start(self) -> State:
        return (0, 0.0)

    def step(self, state: State, piece: Value) -> State:
        if piece.value < self.at_or_above:
            return state
        return (state[0] + 1, state[1] + piece.value)

    def score(self, state: State) -> float:
        hits, total = state
        return settled(total / hits) if hits >= self.n else 0.0

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[0] >= self.n)
