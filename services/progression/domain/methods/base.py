"""What every mastery method has in common: the piece it sees, the state it keeps, and the steps of its fold."""

import abc
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

State = tuple[Any, ...]
"""What a method remembers: a flat tuple of numbers and booleans, because that is what MessagePack gives back."""

RECEIPT_MAX = 20
"""Pieces that a receipt names at most."""


class Value(NamedTuple):
    """One piece as a method sees it."""

    value: float
    """On the policy's scale; a share of full marks without one."""
    correct: bool
    """Whether the value is at or above the cut."""
    weight: float = 1.0
    """Above 0; pieces of weight 0 reach no method."""
    first: bool = True
    """Whether it is the first attempt at its activity."""
    judged: bool = False
    """Whether a human assessor gave the score."""
    item: str = ""
    """Id of the activity."""


class Parameters(BaseModel, abc.ABC):
    """
    The base of every method: its parameters, frozen, nothing unknown, and a fold over pieces in canonical order.

    A step costs the same whatever came before. A replay gives the state of the same steps, equal to the last bit; retraction
    is a replay without the piece.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    weighs: ClassVar[bool] = False
    """Whether the weight of a piece matters; without it every piece is one piece."""
    steady: ClassVar[bool] = True
    """Whether a higher value of the latest piece never gives a lower score."""

    @property
    def parts(self) -> tuple["Parameters", ...]:
        """The methods that it is made of: itself, or the two that are joined, the one that gives the score first."""
        return (self,)

    @abc.abstractmethod
    def start(self) -> State:
        """Return the state before the first piece."""

    @abc.abstractmethod
    def step(self, state: State, piece: Value) -> State:
        """Return the state after one more piece, which sorts after all before."""

    @abc.abstractmethod
    def score(self, state: State) -> float:
        """Return the running score; 0 where no piece so far says anything to the method."""

    @abc.abstractmethod
    def passed(self, state: State, score: float, cut: float) -> bool:
        """
        Tell whether the method's own bar is met, for policies without one; `cut` is the scale's mastery.

        `score` is that of the state, rounded where the policy rounds: what compares scores compares this one.
        """

    def window(self) -> int:
        """Return how many of the latest pieces a crossing rests on, for its receipt (at most 20)."""
        return RECEIPT_MAX

    def looks_back(self) -> int:
        """Return how many of the latest pieces the state follows from alone; 0 where it follows from all."""
        return 0

    def on_scale(self, low: float, high: float) -> Self:
        """Return the method for values between these; the same where that makes no difference."""
        return self

    def replay(self, pieces: Iterable[Value]) -> State:
        """Return the state that pieces in canonical order give."""
        state = self.start()
        for piece in pieces:
            state = self.step(state, piece)
        return state
