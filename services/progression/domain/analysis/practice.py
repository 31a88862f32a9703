"""Figures on how much work is asked of learners: beyond what decided, and without getting there."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

Spinning = Literal["mastered", "wheel_spinning", "indeterminate"]


@dataclasses.dataclass(frozen=True, slots=True)
class OverTesting:
    """Pieces after mastery was confirmed, and their share of all."""

    surplus: int
    index: float


def over_testing_index(at_confirmation: int, total: int) -> OverTesting:
    """Return the surplus of pieces after the confirming one over all pieces; both 0 where there are none."""
    if at_confirmation < 0 or total < 0:
        raise ValueError("numbers of pieces are 0 or more")
    surplus = max(0, total - at_confirmation)
    return OverTesting(surplus, surplus / total if total else 0.0)


def wheel_spin(answers: Sequence[bool], n: int, limit: int) -> Spinning:
    """
    Tell whether `n` right in a row came within `limit` opportunities, did not, or cannot be told yet.

    Source: Beck & Gong 2013. It prompts another approach and is no verdict: most who go on get there later.
    """
    if n < 1 or limit < n:
        raise ValueError("n is 1 or more, and the limit n or more")
    run = 0
    for right in answers[:limit]:
        run = run + 1 if right else 0
        if run == n:
            return "mastered"
    return "wheel_spinning" if len(answers) >= limit else "indeterminate"
