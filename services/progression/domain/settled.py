"""Enough evidence: whether one more test, however it turns out, could change the verdict."""

import itertools

from services.progression.domain.known import Known
from services.progression.domain.probing import further_piece, kinds_apart, looked_at_from, top_of
from services.progression.domain.states import Piece
from shared.contracts import Status

_TOO_LITTLE: tuple[Status, ...] = ("no_evidence", "insufficient_evidence")


def is_settled(known: Known) -> bool:
    """
    Tell whether there is enough evidence: neither the best nor the worst next test would change the status.

    A test is of a new activity, on the same day or another, of any kind, and has all that a path of the policy can ask of
    it; where pieces grow too old, also when all that there are have. Where the policy itself finds too little, there is never
    enough.
    """
    rule = known.rule
    if rule is None or not known.pieces or known.status in _TOO_LITTLE:
        return False
    after = max(known.pieces[-1].order[0], known.at or "", looked_at_from(rule))
    tests: list[Piece] = []
    values, spacings = (top_of(rule), rule.bottom), (24 * (rule.age + 1), 24, 1 / 3600)
    for value, hours, track, kind in itertools.product(values, spacings, rule.tracks, kinds_apart(rule)):
        test = further_piece(rule, track, kind, value, after, hours)
        if test not in tests:  # paths mostly ask the same of a piece
            tests.append(test)
    return all(known.status_with([test]) == known.status for test in tests)
