"""How much testing was more than needed, and who works long without arriving."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Working = Literal["mastered", "wheel_spinning", "indeterminate"]


class Load(msgspec.Struct, frozen=True):
    """Pieces of evidence, those that came after mastery was confirmed, and their share (None without any piece)."""

    pieces: int
    surplus: int
    index: float | None


def over_testing(pairs: Iterable[tuple[int | None, int]]) -> Load:
    """
    Return the over-testing index: surplus over all, where surplus is what was gathered after mastery was confirmed.

    Args:
        pairs: of each learner and competency, the pieces at confirmation (None where it was not) and the pieces in all;
            practice and re-checks that were asked for are no testing and not among them.
    """
    pieces = surplus = 0
    for confirmed, total in pairs:
        if total < 0 or (confirmed is not None and confirmed < 0):
            raise ValueError("a number of pieces is not negative")
        pieces += total
        surplus += max(0, total - confirmed) if confirmed is not None else 0
    return Load(pieces, surplus, surplus / pieces if pieces else None)


def wheel_spin(correct: Sequence[bool], n: int, limit: int) -> Working:
    """
    Return whether a learner got `n` right in a row within `limit` opportunities, did not, or had too few to tell.

    Source: Beck & Gong 2013, "Wheel-spinning: students who fail to master a skill" (three in a row, ten opportunities).
    """
    if n < 1 or limit < n:
        raise ValueError("n is at least 1 and no more than the limit")
    run = 0
    for right in correct[:limit]:
        run = run + 1 if right else 0
        if run == n:
            return "mastered"
    return "wheel_spinning" if len(correct) >= limit else "indeterminate"
