"""Decaying averages: two formulas that vendors sell under one name, told apart here by theirs."""

from typing import Literal

from pydantic import Field

from services.progression.domain.methods.base import Parameters, State, Value
from services.progression.domain.rounding import settled


class DecayingAverage(Parameters):
    """
    Recursive decaying average: d1 = s1, dk = (1 - weight) d(k-1) + weight sk.

    Source: the "decaying average" of Mastery Connect and Canvas' standard_decaying_average; 2, 3, 4 at 0.65 gives 3.5275.
    """

    type: Literal["sda"]
    weight: float = Field(gt=0, le=1)

    def start(self) -> State:
        return ()

    def step(self, state: State, piece: Value) -> State:
        if not state:
            return (piece.value,)
        return ((1 - self.weight) * state[0] + self.weight * piece.value,)

    def score(self, state: State) -> float:
        return settled(state[0]) if state else 0.0

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state) and score >= cut


class LatestAgainstMean(Parameters):
    """
    The latest score against the mean of all before: w sn + (1 - w) mean(s1 .. s(n-1)); a single score is itself.

    Source: Canvas' weighted average, its decaying_average of old; 2, 3, 4 at 0.65 gives 3.475.
    """

    type: Literal["wda"]
    latest_weight: float = Field(gt=0, le=1)

    def start(self) -> State:
        """Number and sum of the earlier scores, the latest, and whether there is one."""
        return (0, 0.0, 0.0, False)

    def step(self, state: State, piece: Value) -> State:
        earlier, total, latest, any_yet = state
        return (earlier + 1, total + latest, piece.value, True) if any_yet else (0, 0.0, piece.value, True)

    def score(self, state: State) -> float:
        earlier, total, latest, _ = state
        if not earlier:
            return float(latest)
        return settled(self.latest_weight * latest + (1 - self.latest_weight) * (total / earlier))

    def passed(self, state: State, score: float, cut: float) -> bool:
        return bool(state[3]) and score >= cut
