"""Pieces of evidence that could hardly change the status when they were given: what they would tell was known before."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from services.progression.domain.evidence_rules import Counted
from services.progression.domain.mastery import after
from services.progression.domain.policy.rule import Rule
from services.progression.domain.probing import PROBES_MAX, further_run
from services.progression.domain.standing import status_of
from services.progression.domain.states import KeyState, Piece
from shared.contracts.internal_events import Status

CHANCE_MIN = 0.05
"""A piece is redundant if its chance to change the status is below one in twenty."""
PRIOR = 0.5
_DECIDABLE: tuple[Status, ...] = ("not_yet", "provisional", "mastered")


@dataclasses.dataclass(slots=True)
class Redundancy:
    """
    Counted pair by pair: pieces that the policy counts and no re-check asked for, and those of them that were redundant.

    What a policy gives no weight, as most do practice, is none of them. As long as there is too little evidence no piece is
    redundant.
    """

    pieces: int = 0
    shown: int = 0
    """Redundant while mastery was on the record."""
    unshown: int = 0
    """Redundant otherwise: what it could show was out of reach, or a sign-off alone was missing."""

    def add(self, judgements: Iterable[tuple[Status, bool]]) -> None:
        """Count one pair, of which each piece has been `judged`."""
        for status, redundant in judgements:
            self.pieces += status != "reverify_due"
            self.shown += redundant and status == "mastered"
            self.unshown += redundant and status != "mastered"


def judged(rule: Rule, units: Sequence[Counted]) -> Iterator[tuple[Status, bool]]:
    """Yield of each piece in canonical order the status when it was given, and whether it was redundant."""
    held: list[Piece] = []
    state, right = KeyState(), 0
    for number, unit in enumerate(units):
        at = unit.piece.order[0]
        status = status_of(state, rule, at)
        yield status, status in _DECIDABLE and not _may_change(rule, state, held, at, right, number - right)
        state = after(state, held, unit.parts, rule)
        held += unit.parts
        right += unit.value.correct


def likely_run(alike: int, others: int) -> int:
    """
    Return how many pieces in a row turn out like `alike` earlier ones, unlike `others`, with a chance of `CHANCE_MIN` or more.

    Source: the posterior predictive of a binomial share under Jeffreys' prior Beta(1/2, 1/2) (Jeffreys 1946): given m alike of
    n, the next k are with the chance of the product over i < k of (m + 1/2 + i) / (n + 1 + i). At most `PROBES_MAX`.
    The share is taken to stay what it is, so of who is learning a run at the cut is likelier than that.
    """
    chance = 1.0
    for number in range(PROBES_MAX):
        chance *= (alike + PRIOR + number) / (alike + others + 2 * PRIOR + number)
        if chance < CHANCE_MIN:
            return number
    return PROBES_MAX


def _may_change(rule: Rule, state: KeyState, held: Sequence[Piece], at: str, right: int, wrong: int) -> bool:
    """
    Tell whether a piece given at an instant could begin a run that is likely enough and changes the verdict.

    What is on the record is put in question by pieces below the cut, and what is not is shown by pieces at the cut. One alone
    seldom does either, so the run counts that it could begin. Its pieces are taken at their extreme and with all that a
    path asks: the fewest are called redundant.
    """
    now = _verdict(state, rule, at)
    value = rule.bottom if now[0] == "mastered" else rule.top
    length = likely_run(wrong, right) if now[0] == "mastered" else likely_run(right, wrong)
    tried: list[Piece] = []
    for track in rule.tracks:
        run: list[Piece] = []
        then = state
        for piece in further_run(rule, track, value, at, length):
            if not run:
                if piece in tried:  # paths mostly ask the same of a piece
                    break
                tried.append(piece)
            then = after(then, [*held, *run], (piece,), rule)
            run.append(piece)
            if _verdict(then, rule, at) != now:
                return True
    return False


def _verdict(state: KeyState, rule: Rule, at: str) -> tuple[Status, tuple[bool, ...]]:
    """Return the status, and which paths are met: that of one which waits for a sign-off is as much told by the evidence."""
    return status_of(state, rule, at), tuple(map(bool, state.met))
