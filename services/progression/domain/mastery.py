"""
The computed mastery of one competency by one learner: a fold of pieces of evidence.

It is a pure function of the set of valid pieces, the decisions in force and the pinned policy, in the order (occurred_at,
attempt, source, id): nothing depends on arrival. A piece that sorts after the last one is one step; what cannot be one step
(`stands_alone`) replays the key, as does everything that changes what lies before.
"""

import itertools
from collections.abc import Iterable, Sequence
from copy import copy
from operator import attrgetter

from services.progression.domain.crossing import Lately, hold_against, judge, note_newer
from services.progression.domain.evidence_rules import (
    Counted,
    Place,
    all_alone,
    composites,
    is_half,
    marked,
    place_of,
    replaces,
    rows_of,
    stands_alone,
    value_of,
)
from services.progression.domain.methods import Value
from services.progression.domain.policy.rule import Rule, shifted
from services.progression.domain.states import (
    FIRST_PIECES,
    Decided,
    KeyState,
    Order,
    Piece,
    begun,
    in_force,
    piece_of,
    waivers,
)
from services.progression.domain.sufficiency import tally_up
from services.progression.domain.work import noted, work_of

__all__ = ["KeyState", "Order", "Piece", "add", "after", "fold_composites", "piece_of", "replay", "stands_alone"]

_order_of = attrgetter("order")


def add(state: KeyState, piece: Piece, rule: Rule | None) -> None:
    """
    Fold one valid piece that sorts after every piece folded before and stands alone.

    Its cost does not grow with the history.
    """
    state.pieces += 1
    state.last = piece.order
    if rule is None:
        return
    value = value_of(rule, piece)
    if rule.support is not None:
        state.work = noted(state.work, rule, ((piece, value),))
    if value is not None:
        _count(state, rule, piece, value, (rule.halving or piece.partial) and is_half(rule, piece))
        judge(state, rule, piece, value, state.methods)


def _add_all(state: KeyState, ordered: Sequence[Piece], rule: Rule) -> None:
    """
    Fold a whole history whose pieces each stand alone, for a rule whose methods look back over so many values and no more.

    Gives what `add` gives piece by piece: their states are made only where they are looked at.
    """
    state.pieces, state.last = len(ordered), ordered[-1].order
    seen = [(piece, value_of(rule, piece)) for piece in ordered]
    if rule.support is not None:
        state.work = noted(None, rule, seen)
    values: list[Value] = []
    methods = Lately(rule, values)
    for piece, value in seen:
        if value is not None:
            values.append(value)
            tally_up(state, rule, piece, (rule.halving or piece.partial) and is_half(rule, piece))
            if rule.groups and piece.activity != piece.evidence_id:
                state.seen = marked(state.seen, piece)
            judge(state, rule, piece, value, methods)
    if values:
        state.methods = tuple([methods[number] for number in range(len(rule.tracks))])


def replay(
    standing: KeyState, pieces: Iterable[Piece], rule: Rule | None, pin: str, decisions: Iterable[Decided] | None = None
) -> KeyState:
    """
    Return the state that the set of valid pieces gives under a policy, carrying over what was told.

    `decisions` are all decisions of the journal in its order; without them those in force stay.
    """
    state = KeyState(
        policy=pin,
        seq=standing.seq,
        told=standing.told,
        lost=standing.lost,
        lost_crossing=standing.lost_crossing,
        opened=standing.opened,
        clock=standing.clock,
        time_zone=standing.time_zone,
        dok=standing.dok,
        breaks=standing.breaks,
        checks_in=standing.checks_in,
        former=standing.former,
        lost_credit=standing.lost_credit,
        extended=standing.extended,
        decided=standing.decided if decisions is None else in_force(tuple(decisions)),
    )
    ordered = sorted(pieces, key=_order_of)
    state.decided = waivers(state.decided, ordered)
    if rule is None or rule.plain or (rule.steps and all_alone(ordered)):
        if rule is not None and rule.looks_back and ordered:
            _add_all(state, ordered, rule)
        else:
            for piece in ordered:
                add(state, piece, rule)
    elif ordered:
        state.pieces, state.last = len(ordered), ordered[-1].order
        units = composites(rule, ordered)
        if rule.support is not None:
            state.work = work_of(rule, ordered, units)
        fold_composites(state, rule, units)
    return state


def after(
    state: KeyState, held: Sequence[Piece], more: Sequence[Piece], rule: Rule, decisions: Iterable[Decided] = ()
) -> KeyState:
    """
    Return the state after more pieces, in an order in which each sorts after all before it; `state` stays as it is.

    `state` is what a replay of the pieces that are `held` gives with the decisions.
    """
    found = copy(state)
    for piece in more:
        if not stands_alone(rule, found, piece):
            return replay(KeyState(), [*held, *more], rule, "", decisions)
        add(found, piece, rule)
    return found


def fold_composites(state: KeyState, rule: Rule, units: Iterable[Counted]) -> None:
    """Fold composites in their order, deciding after each."""
    standing: dict[Place, Counted] = {}
    crossing: Order | None = None
    for number, unit in enumerate(units):
        place, crossed = place_of(rule, unit, number), state.crossed_at
        before = standing.get(place)
        if before is not None and not replaces(rule, unit, before):
            continue
        standing.pop(place, None)
        standing[place] = unit
        anew = before is not None or not rule.steps
        if anew:
            _recount(state, rule, list(standing.values())[-rule.last :])
        else:
            for row in rows_of(rule, unit):
                _count(state, rule, row.piece, row.value, row.half)
        judge(state, rule, unit.piece, unit.value, state.methods)
        if state.crossed_at != crossed:
            crossing = unit.piece.order
        if anew:
            _hold_anew(state, rule, list(standing.values())[-rule.last :], crossing)
            if state.checks_in:
                state.began = _beginning(standing.values())


def _beginning(units: Iterable[Counted]) -> tuple[str, ...]:
    """Return how what stands began."""
    began: tuple[str, ...] = ()
    for unit in itertools.islice(units, FIRST_PIECES):
        if len(began) < FIRST_PIECES:
            began = begun(began, unit.piece.order[0], not unit.value.correct)
    return began


def _recount(state: KeyState, rule: Rule, standing: list[Counted]) -> None:
    """Count anew what stands at the place of the last."""
    oldest = shifted(standing[-1].piece.order[0], -rule.age) if rule.age else ""
    state.count = state.halves = state.occasions = state.run_below = state.doubts = 0
    state.activities, state.last_day, state.tally, state.low, state.deepest = (), "", None, False, 0
    state.doubted = b""
    state.methods = rule.starts
    for unit in standing:
        for row in rows_of(rule, unit):
            _count(state, rule, row.piece, row.value, row.half, row.piece.order[0] >= oldest)


def _hold_anew(state: KeyState, rule: Rule, standing: list[Counted], crossing: Order | None) -> None:
    """Hold what stands against what is on the record since `crossing`, the place it was shown at, and what was decided."""
    shown = state.crossed_at or ""
    state.run_below, state.doubts, state.doubted, state.fresh_at = 0, 0, b"", shown
    for unit in standing:
        order = unit.piece.order
        # Within one instant the order of the pieces decides; a sign-off can be later than the piece that it waited for.
        if crossing is not None and order > crossing and order[0] >= shown:
            note_newer(state, rule, order[0], unit.value)
        if state.decided:
            hold_against(state, unit.piece, unit.value)


def _count(state: KeyState, rule: Rule, piece: Piece, value: Value, half: bool, suffices: bool = True) -> None:
    """Step the methods, and count the piece towards sufficiency."""
    methods = state.methods or rule.starts
    if suffices:
        tally_up(state, rule, piece, half)
    tracks = rule.tracks
    if len(tracks) == 1:
        state.methods = (tracks[0].step(methods[0], value),)
    else:
        state.methods = tuple([track.step(own, value) for track, own in zip(tracks, methods, strict=True)])
    if rule.groups and piece.activity != piece.evidence_id:
        state.seen = marked(state.seen, piece)
