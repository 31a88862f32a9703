"""Whether enough was seen for a score to decide, and what is missing: a gate of its own, apart from the score."""

import functools
from typing import NamedTuple

from services.progression.domain.evidence_rules import activity_of
from services.progression.domain.policy.facts import Fact, fact
from services.progression.domain.policy.rule import Rule, Track, seconds_of
from services.progression.domain.states import KeyState, Piece, Tally


class Lack(NamedTuple):
    """One thing that is missing: the policy's member, how much it asks for, how much there is, and what is to be said."""

    code: str
    need: float
    have: float
    fact: Fact


def tally_up(state: KeyState, rule: Rule, piece: Piece, half: bool) -> None:
    """Count one more piece; its cost and the state's size do not grow with the history."""
    occurred_at = piece.order[0]
    if state.count == 0:
        state.first_at = occurred_at
    state.count += 1
    if half:
        state.halves += 1
    if piece.dok is not None and piece.dok > state.deepest:
        state.deepest = piece.dok
    if len(state.activities) < rule.activities:
        activity = "\n".join(activity_of(piece))
        # A state of before sources were told apart has the activity alone.
        if activity not in state.activities and piece.activity not in state.activities:
            state.activities = (*state.activities, activity)
    if rule.gap_s:
        if not state.last_day or seconds_of(occurred_at) - seconds_of(state.last_day) >= rule.gap_s:
            state.occasions, state.last_day = state.occasions + 1, occurred_at
    else:
        day = occurred_at[:10] if rule.day is None else rule.day(occurred_at)
        if day != state.last_day:
            state.occasions, state.last_day = state.occasions + 1, day
    if rule.tallies:
        state.tally = _with(state.tally or Tally(deep=(0,) * len(rule.levels)), rule, piece)


def enough(state: KeyState, track: Track) -> bool:
    """Tell whether the pieces counted suffice for a track."""
    return (
        2 * state.count - state.halves >= track.halves
        and len(state.activities) >= track.activities
        and state.occasions >= track.occasions
        and (not track.more or not _further_lacks(state, track))
    )


def lacks(state: KeyState, track: Track) -> tuple[Lack, ...]:
    """Name what a track still needs before its score may decide."""
    need, have = track.halves / 2, state.count - state.halves / 2
    found = []
    if have < need:
        found.append(_lack("min_evidence", need, have))
    # One activity on one day comes with any piece.
    if track.activities > 1 and len(state.activities) < track.activities:
        found.append(_lack("min_activities", track.activities, len(state.activities)))
    if track.occasions > 1 and state.occasions < track.occasions:
        said_as = "lack.later_occasions" if track.need.occasion_gap_h else ""
        found.append(_lack("min_occasions", track.occasions, state.occasions, said_as))
    return (*found, *_further_lacks(state, track)) if track.more else tuple(found)


def _further_lacks(state: KeyState, track: Track) -> tuple[Lack, ...]:
    tally = state.tally or Tally()
    found = []
    if len(tally.assessors) < track.assessors:
        found.append(_lack("min_assessors", track.assessors, len(tally.assessors)))
    if tally.items < track.items:
        found.append(_lack("min_items", track.items, tally.items))
    found += [Lack("kinds_all", 1, 0, _of_kind(kind)) for kind in track.kinds if kind not in tally.kinds]
    for depth in track.depths:
        if depth.when_tagged and not tally.tagged:
            continue
        assert depth.level is not None
        seen = tally.deep[track.levels.index(depth.level)] if tally.deep else 0
        if seen < depth.count:
            asked = _so_many_more("lack.dok", depth.count - seen, depth.level)
            found.append(Lack("dok", depth.count, seen, asked))
    return tuple(found)


def _with(tally: Tally, rule: Rule, piece: Piece) -> Tally:
    """Return the tally with one more piece; only what the policy asks for is kept."""
    assessors, kinds = tally.assessors, tally.kinds
    if piece.assessor is not None and len(assessors) < rule.assessors and piece.assessor not in assessors:
        assessors = (*assessors, piece.assessor)
    if piece.kind is not None and piece.kind not in kinds:
        kinds = tuple(sorted((*kinds, piece.kind)))
    dok = piece.dok
    deep = tally.deep
    if dok is not None:
        deep = tuple(count + (dok >= level) for level, count in zip(rule.levels, deep, strict=True))
    return Tally(assessors, kinds, tally.items + (piece.items or 1), tally.tagged + (dok is not None), deep)


def _lack(code: str, need: float, have: float, said_as: str = "") -> Lack:
    return Lack(code, need, have, _so_many_more(said_as or f"lack.{code}", need - have))


@functools.lru_cache(maxsize=1024)
def _so_many_more(code: str, n: float, level: int = 0) -> Fact:
    """Return what is missing; the same few things are of all learners."""
    return fact(code, n=n, level=level) if level else fact(code, n=n)


@functools.lru_cache(maxsize=64)
def _of_kind(kind: str) -> Fact:
    return fact("lack.kinds_all", kind=kind)
