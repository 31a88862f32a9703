"""
How much marks of the same learner differ from one piece to the next, and how often work is handed in again: what a simulation
of a district's own learners starts from.

Half the variance of the differences between successive pieces is the variance of one mark about the level, whose steady rise
is in their mean. Between attempts at the same task it is that of the occasion alone, so what pieces of different tasks have
beside it is the task's. Of both a twelfth is taken off, the variance of rounding to whole points (Sheppard's correction), because
the simulation rounds what it draws to whole points again; of marks in finer steps that makes coarser marks of the same variance.
Marks at the ends of a scale cannot vary further, so the estimate is low where many are.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from services.progression.domain.evidence_rules import value_of
from services.progression.domain.policy.members import Scale
from services.progression.domain.policy.rule import Rule
from services.progression.domain.states import Piece

FRESH_MIN, AGAIN_MIN = 200, 100
"""Differences between pieces of different tasks, and between attempts at the same, below which nothing is estimated of each."""
ROUNDING = 1 / 12


class Noise(NamedTuple):
    """Variances of a mark in squared points of a rubric, and the share of pieces that are attempts at the task before."""

    differences: int
    variance: float
    retakes: float
    task_share: float | None
    """Of the variance; None where too few tasks were attempted again to tell."""


@dataclasses.dataclass(slots=True)
class Differences:
    """Counted pair by pair; `noise` estimates."""

    fresh: list[float] = dataclasses.field(default_factory=list)
    again: list[float] = dataclasses.field(default_factory=list)

    def add(self, rule: Rule, pieces: Sequence[Piece]) -> None:
        """Count the pieces of one pair in their order; of policies without a scale there are no points to differ by."""
        scale = rule.criteria.scale
        if scale is None:
            return
        point = point_of(scale)
        valued = [(piece.activity, value) for piece in pieces if (value := value_of(rule, piece)) is not None]
        for (task, before), (next_task, after) in pairwise(valued):
            (self.again if task == next_task else self.fresh).append((after.value - before.value) / point)

    def noise(self) -> Noise | None:
        """Return the estimate; None where there is too little evidence for one."""
        fresh, again = len(self.fresh), len(self.again)
        if fresh < FRESH_MIN:
            return None
        variance = _of_one(self.fresh)
        task_share = None
        if again >= AGAIN_MIN and variance:
            task_share = round(max(0.0, 1 - _of_one(self.again) / variance), 3)
        return Noise(fresh + again, round(variance, 3), round(again / (fresh + again), 3), task_share)


def point_of(scale: Scale) -> float:
    """Return a point of the rubric that a scale is: 1 of one with three to eleven of them, else a fifth of it."""
    width = scale.max - scale.min
    return 1.0 if 2 <= width <= 10 else width / 5


def _of_one(differences: Sequence[float]) -> float:
    return max(0.0, statistics.variance(differences) / 2 - ROUNDING)
