"""Methods that go by one piece: the highest, the latest, or the latest that a person judged."""

from collections.abc import Iterable
from typing import Literal

from services.progression.domain.methods.base import Parameters, State, Value


class _OnePiece(Parameters):
    """A method whose state is one value, or nothing yet; passed at or above the scale's mastery."""

    def start(self) -> State:
        return ()

    def score(self, state: State) -> float:
        return float(state[0]) if state else 0.0

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state) and score >= cut


class Highest(_OnePiece):
    """The highest value so far. Source: Canvas' highest; the most lenient rule there is."""

    type: Literal["highest"]

    def step(self, state: State, piece: Value) -> State:
        return (piece.value,) if not state or piece.value > state[0] else state


class _LatestPiece(_OnePiece):
    def window(self) -> int:
        return 1

    def looks_back(self) -> int:
        return 1

    def step(self, state: State, piece: Value) -> State:
        return (piece.value,)

    def replay(self, pieces: Iterable[Value]) -> State:
        return tuple([piece.value for piece in tuple(pieces)[-1:]])


class Latest(_LatestPiece):
    """The latest value. Source: Canvas' latest, Mastery Connect's "most recent"."""

    type: Literal["latest"]


class LatestAtOrAbove(_LatestPiece):
    """The latest value, passed at or above a value of its own. Source: provisional rules of classroom rubrics."""

    type: Literal["latest_at_or_above"]
    cut: float

    def passed(self, state: State, score: float, cut: float) -> bool:
        return super().passed(state, score, self.cut)


class Teacher(_OnePiece):
    """
    The latest value that a human assessor gave; what a machine, a peer or the learner scored says nothing.

    Source: professional judgement as in Moodle's competency evidence, where the last rating that is not withdrawn counts.
    """

    type: Literal["teacher"]

    def step(self, state: State, piece: Value) -> State:
        return (piece.value,) if piece.judged else state
