"""The typical value of the latest pieces: their median, or the value that is most common."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from services.progression.domain.methods.base import RECEIPT_MAX, Parameters, State, Value
from services.progression.domain.rounding import settled

WINDOW_MAX = 100
"""Also the window where a policy names none: what the state of a key may hold."""


class _Recent(Parameters):
    """A method whose state is the last `window` values; passed when its score is at or above the scale's mastery."""

    window_: int = Field(WINDOW_MAX, alias="window", ge=1, le=WINDOW_MAX)

    def window(self) -> int:
        return min(self.window_, RECEIPT_MAX)

    def looks_back(self) -> int:
        return self.window_

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        return (*state, piece.value)[-self.window_ :]

    def replay(self, pieces: Iterable[Value]) -> State:
        return tuple([piece.value for piece in tuple(pieces)[-self.window_ :]])

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state) and score >= cut


class Median(_Recent):
    """
    The median of the last `window` values, of an even number the mean of the middle two.

    Source: TeacherEase's median of recent scores; 1, 2, 2, 2, 3, 3, 4 within 9 gives 2.
    """

    type: Literal["median"]

    def score(self, state: State) -> float:
        if not state:
            return 0.0
        ranked, half = sorted(state), len(state) // 2
        return float(ranked[half]) if len(state) % 2 else settled((ranked[half - 1] + ranked[half]) / 2)


class Mode(_Recent):
    """
    The most common of the last `window` values; of those equally common the higher, or the one seen most recently.

    Source: Mastery Connect (ties go to the higher level) and Educate (to the more recent): 2, 3, 3, 2, 1 gives 3 and 2.
    """

    type: Literal["mode"]
    steady = False  # one new value can end a tie
    ties: Literal["higher", "most_recent"]

    def score(self, state: State) -> float:
        if not state:
            return 0.0
        counts: dict[float, int] = {}
        # Latest first: of equals, `max` keeps the first it meets.
        for value in reversed(state):
            counts[value] = counts.get(value, 0) + 1
        if self.ties == "higher":
            return float(max(counts, key=lambda value: (counts[value], value)))
        return float(max(counts, key=lambda value: counts[value]))
