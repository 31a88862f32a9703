"""
The computed mastery of one competency by one learner: a fold of pieces of evidence.

It is a pure function of the set of valid pieces, the decisions in force and the pinned policy, in the order (occurred_at,
attempt, source, id): nothing depends on arrival. A piece that sorts after the last one is one step; what cannot be one step
(`stands_alone`) replays the key, as does everything that changes what lies before.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TypeAlias

from services.progression.domain.evidence_rules import (
    SEEN_BYTES_MAX,
    Counted,
    activity_of,
    all_alone,
    composites,
    is_half,
    mark,
    rows_of,
    stands_alone,
    value_of,
)
from services.progression.domain.methods import Value
from services.progression.domain.policy.rule import Rule, shifted
from services.progression.domain.states import (
    Decided,
    KeyState,
    MethodState,
    Order,
    Piece,
    in_force,
    latest,
    piece_of,
    waivers,
)
from services.progression.domain.sufficiency import enough, tally_up
from services.progression.domain.work import noted, work_of

__all__ = ["KeyState", "Order", "Piece", "add", "fold_composites", "piece_of", "replay", "stands_alone"]

_order_of = attrgetter("order")


class _Lately:
    """The states of a rule's methods after the values so far, each made when it is asked for."""

    __slots__ = ("_rule", "_values")

    def __init__(self, rule: Rule, values: list[Value]) -> None:
        self._rule = rule
        self._values = values

    def __getitem__(self, number: int) -> MethodState:
        rule = self._rule
        return rule.tracks[number].method.replay(self._values[-rule.looks_back[number] :])


Methods: TypeAlias = tuple[MethodState, ...] | _Lately
"""The states of a rule's methods, by track."""


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
        _judge(state, rule, piece, value, state.methods)


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
    methods = _Lately(rule, values)
    for piece, value in seen:
        if value is not None:
            values.append(value)
            tally_up(state, rule, piece, (rule.halving or piece.partial) and is_half(rule, piece))
            if rule.groups:
                _mark(state, piece)
            _judge(state, rule, piece, value, methods)
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


def fold_composites(state: KeyState, rule: Rule, units: Iterable[Counted]) -> list[Counted]:
    """Fold composites in their order, deciding after each; return those that count at the end."""
    standing: dict[tuple[str, ...], Counted] = {}
    for number, unit in enumerate(units):
        activity: tuple[str, ...] = activity_of(unit.piece)
        if rule.reassess == "append":
            activity = (*activity, str(number))
        before = standing.get(activity)
        if before is None and rule.steps:
            standing[activity] = unit
            for row in rows_of(rule, unit):
                _count(state, rule, row.piece, row.value, row.half)
            _judge(state, rule, unit.piece, unit.value, state.methods)
        elif before is None or rule.reassess == "replace_latest" or unit.value.value >= before.value.value:
            standing.pop(activity, None)
            standing[activity] = unit
            _recount(state, rule, list(standing.values())[-rule.last :])
    return list(standing.values())[-rule.last :]


def _recount(state: KeyState, rule: Rule, standing: list[Counted]) -> None:
    """Count anew what stands, and decide on it at the place of the last."""
    last = standing[-1]
    oldest = shifted(last.piece.order[0], -rule.age) if rule.age else ""
    state.count = state.halves = state.occasions = state.run_below = state.doubts = 0
    state.activities, state.last_day, state.tally, state.low, state.deepest = (), "", None, False, 0
    state.methods = rule.starts
    for unit in standing:
        for row in rows_of(rule, unit):
            _count(state, rule, row.piece, row.value, row.half, row.piece.order[0] >= oldest)
    _judge(state, rule, last.piece, last.value, state.methods)
    if state.crossed_at is not None or state.decided:
        state.run_below = state.doubts = 0
        for unit in standing:
            if state.crossed_at is not None and unit.piece.order[0] > state.crossed_at:
                _note_newer(state, rule, unit.piece.order[0], unit.value)
            if state.decided:
                _hold_against(state, unit.piece.order[0], unit.value)


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
    if rule.groups:
        _mark(state, piece)


def _mark(state: KeyState, piece: Piece) -> None:
    """Remember the activity of a piece."""
    if piece.activity != piece.evidence_id and len(state.seen) < SEEN_BYTES_MAX:
        own_mark = mark(piece)
        if own_mark not in state.seen:
            state.seen += own_mark


def _judge(state: KeyState, rule: Rule, piece: Piece, value: Value, methods: Methods) -> None:
    """
    Decide at a piece: whether a path is met, or what newer evidence says of what is on the record.

    `methods` are the states of the rule's methods after it.
    """
    at = piece.order[0]
    crossed = state.crossed_at
    if crossed is not None and crossed <= at:
        if rule.below is not None or rule.reverify_days:
            _note_newer(state, rule, at, value)
    else:
        state.recent = (*state.recent, piece.evidence_id)[-rule.window :]
        if not rule.single:
            _judge_paths(state, rule, at, methods)
        elif enough(state, rule.tracks[0]) and rule.tracks[0].passes(methods[0]):
            state.crossed_at = state.fresh_at = at
            state.basis, state.recent = state.recent, ()
    if state.decided:
        _hold_against(state, at, value)


def _judge_paths(state: KeyState, rule: Rule, at: str, methods: Methods) -> None:
    """Note the tracks that are met now, and the crossing that they and the sign-offs give."""
    met, newly = state.met, []
    for number, track in enumerate(rule.tracks):
        if met and met[number]:
            continue
        passes = enough(state, track) and track.passes(methods[number])
        if rule.confirm_on and not (rule.provisional and number == 0):
            passes = _confirmed(state, rule, number, passes)
        if passes:
            newly.append(number)
    if not newly:
        return
    before = met or ("",) * len(rule.tracks)
    state.met = tuple([at if number in newly else before[number] for number in range(len(before))])
    crossing = _crossing(state, rule)
    if crossing is not None and crossing != state.crossed_at:
        state.crossed_at = state.fresh_at = crossing
        state.basis, state.run_below = state.recent, 0
        if crossing <= at:
            state.recent = ()


def _confirmed(state: KeyState, rule: Rule, number: int, passes: bool) -> bool:
    """Count the pieces in a row that met a track; tell whether the first of them is confirmed."""
    runs = list(state.confirming or (0,) * len(rule.tracks))
    runs[number] = runs[number] + 1 if passes else 0
    state.confirming = tuple(runs)
    return runs[number] > rule.confirm_on


def _crossing(state: KeyState, rule: Rule) -> str | None:
    """Return when mastery was first shown: the earliest route that is met, and signed off where that is asked for."""
    shown = []
    for route in rule.routes:
        at = state.met[route.track]
        if at and not route.role:
            shown.append(at)
        elif at:
            shown += [max(at, d.at) for d in state.decided if d.kind == "sign_off" and d.by == route.role]
    return min(shown, default=None)


def _note_newer(state: KeyState, rule: Rule, at: str, value: Value) -> None:
    """Hold a piece that is newer than the crossing against what is on the record; a passed check starts anew."""
    check = latest(state.decided, "check") if state.decided else None
    if rule.below is not None and (check is None or at > check.at):
        state.run_below = state.run_below + 1 if value.value < rule.below else 0
    if rule.reverify_days and value.correct:
        state.fresh_at = at


def _hold_against(state: KeyState, at: str, value: Value) -> None:
    """Note what a piece says of an override that it is newer than, and of what is presumed."""
    override = latest(state.decided, "override")
    if override is not None and at > override.at:
        agrees = value.correct == (override.status == "mastered")
        state.doubts = 0 if agrees else state.doubts + 1
    if not value.correct and latest(state.decided, "presume") is not None:
        state.low = True
