"""Enough evidence: whether one more test, however it turns out, could change the verdict."""

import itertools
from collections.abc import Iterator

import msgspec

from services.progression.domain.known import Known
from services.progression.domain.policy.rule import Rule
from services.progression.domain.probing import (
    JUST_BELOW,
    another_day_h,
    further_from,
    further_piece,
    is_steady,
    kinds_apart,
    later,
    retake,
    retakeable,
    score_at,
)
from services.progression.domain.states import Piece
from shared.contracts.internal_events import Status

_TOO_LITTLE: tuple[Status, ...] = ("no_evidence", "insufficient_evidence")
_AT_ONCE_H = 1 / 3600


def is_settled(known: Known) -> bool:
    """
    Tell whether there is enough evidence: no next test would change the status, however it turns out.

    A test is of a new activity or, where the policy lets a retake replace what it retakes, of one that there is; on the same
    day or another, of any kind; it has all that a path of the policy can ask of it, or as little as work can have; and where
    pieces grow too old, also when all that there are have. Where the policy itself finds too little, there is never enough.
    """
    rule = known.rule
    if rule is None or not known.pieces or known.status in _TOO_LITTLE:
        return False
    return all(known.status_with([test]) == known.status for test in _tests(known, rule))


def _tests(known: Known, rule: Rule) -> Iterator[Piece]:
    """Yield what may come next; paths mostly ask the same of a piece."""
    start, values, another_day = further_from(known), _values(known, rule), another_day_h(rule)
    seen: set[bytes] = set()
    for value, hours in itertools.product(values, (24 * (rule.age + 1), another_day, _AT_ONCE_H)):
        for test in _new(known, rule, value, start, hours):
            written = msgspec.msgpack.encode(test)
            if written not in seen:
                seen.add(written)
                yield test
    for last, value, hours in itertools.product(retakeable(known, rule), values, (another_day, _AT_ONCE_H)):
        yield retake(last, score_at(rule, value), later(start, hours))


def _values(known: Known, rule: Rule) -> tuple[float, ...]:
    """Return the values that a test may have which decide: the extremes, and where a method does not rise with them others."""
    ends = (rule.top, rule.bottom)
    if is_steady(rule):
        return ends
    held = {value for piece in known.pieces if (value := rule.place(piece.score)) is not None}
    return tuple(dict.fromkeys((*ends, rule.bottom + JUST_BELOW, *held)))


def _new(known: Known, rule: Rule, value: float, start: str, hours: float) -> Iterator[Piece]:
    """Yield tests of a new activity that weigh as much as any piece there is; where less can do more, those with less."""
    weight = max(1.0, *(piece.weight for piece in known.pieces))
    for track, kind in itertools.product(rule.tracks, kinds_apart(rule)):
        rich = msgspec.structs.replace(further_piece(rule, track, kind, value, start, hours), weight=weight)
        yield rich
        if rule.levels:
            yield msgspec.structs.replace(rich, dok=None)
        if rule.levels or rule.last or rule.age:
            # Half a piece that pushes out a whole one, or the first that is tagged, and not deep enough.
            yield msgspec.structs.replace(
                rich, items=1 if rich.items else None, dok=1 if rule.levels else None, assessor=None, partial=True
            )
