"""Enough evidence: whether one more test, however it turns out, could change the verdict."""

import itertools
from collections.abc import Collection, Iterable

from services.progression.domain.mastery import replay
from services.progression.domain.policy.rule import Rule
from services.progression.domain.probing import further_piece, top_of
from services.progression.domain.standing import status_of
from services.progression.domain.states import Decided, KeyState, Piece
from shared.contracts import Status

_TOO_LITTLE: tuple[Status, ...] = ("no_evidence", "insufficient_evidence")


def is_settled(rule: Rule, pieces: Collection[Piece], decisions: Iterable[Decided] = (), at: str | None = None) -> bool:
    """
    Tell whether there is enough evidence: neither the best nor the worst next test would change the status.

    A test is of a new activity, on the same day or another, and has all that a path of the policy can ask of it. Where the
    policy itself finds too little, there is never enough. `at` is the instant up to which the status has aged.
    """
    held, ordered = tuple(decisions), sorted(pieces, key=lambda piece: piece.order)
    if not ordered:
        return False
    now = status_of(replay(KeyState(), ordered, rule, "", held), rule, at)
    after = max(ordered[-1].order[0], at or "")
    tests: list[Piece] = []
    for value, hours, track in itertools.product((top_of(rule), rule.bottom), (24, 1 / 3600), rule.tracks):
        test = further_piece(rule, track, value, after, hours)
        if test not in tests:  # paths mostly ask the same of a piece
            tests.append(test)
    return now not in _TOO_LITTLE and all(
        status_of(replay(KeyState(), [*ordered, test], rule, "", held), rule, at) == now for test in tests
    )
