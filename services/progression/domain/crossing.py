"""
What each piece decides: whether mastery is crossed, and once it is, what newer evidence says of it.

A piece is judged at its place, by the states of the methods after it.
"""

from typing import TypeAlias

from services.progression.domain.evidence_rules import mark, marked
from services.progression.domain.methods import Value
from services.progression.domain.policy.rule import Rule, minutes_later
from services.progression.domain.states import FIRST_PIECES, Decided, KeyState, MethodState, Piece, begun, latest
from services.progression.domain.sufficiency import enough

AHEAD_MIN = 5
"""How far the clock of a source may run ahead of the one by which sign-offs are dated: what intake lets through."""


class Lately:
    """The states of a rule's methods after the values so far, each made when it is asked for."""

    __slots__ = ("_rule", "_values")

    def __init__(self, rule: Rule, values: list[Value]) -> None:
        self._rule = rule
        self._values = values

    def __getitem__(self, number: int) -> MethodState:
        rule = self._rule
        return rule.tracks[number].method.replay(self._values[-rule.looks_back[number] :])


Methods: TypeAlias = tuple[MethodState, ...] | Lately
"""The states of a rule's methods, by track."""


def judge(state: KeyState, rule: Rule, piece: Piece, value: Value, methods: Methods) -> None:
    """
    Decide at a piece: whether a path is met, or what newer evidence says of what is on the record.

    `methods` are the states of the rule's methods after it.
    """
    at = piece.order[0]
    crossed = state.crossed_at
    if state.checks_in and len(state.began) < FIRST_PIECES:
        state.began = begun(state.began, at, not value.correct)
    if crossed is not None and crossed <= at:
        if rule.below is not None or rule.dates:
            note_newer(state, rule, at, value)
    else:
        state.recent = (*state.recent, piece.evidence_id)[-rule.window :]
        if not rule.single:
            _judge_paths(state, rule, at, methods)
        elif enough(state, rule.tracks[0]) and rule.tracks[0].passes(methods[0]):
            state.crossed_at = state.fresh_at = at
            state.basis, state.recent = state.recent, ()
    if state.decided:
        hold_against(state, piece, value)


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
            signed = signature(state, route.role, at)
            shown += [max(at, signed.at)] if signed is not None else []
    return min(shown, default=None)


def signature(state: KeyState, role: str, met_at: str) -> Decided | None:
    """
    Return the sign-off of a role, where it was given for what had met a path at an instant.

    Work from after the signature is signed anew. What was signed at once may lie a little ahead, as sources' clocks may.
    """
    for decision in state.decided:
        if decision.kind == "sign_off" and decision.by == role:
            return decision if met_at <= minutes_later(decision.at, AHEAD_MIN) else None
    return None


def note_newer(state: KeyState, rule: Rule, at: str, value: Value) -> None:
    """Hold a piece that is newer than the crossing against what is on the record; a passed check starts anew."""
    check = latest(state.decided, "check") if state.decided else None
    if rule.below is not None and (check is None or at > check.at):
        state.run_below = state.run_below + 1 if value.value < rule.below else 0
    if rule.dates and value.correct:
        state.fresh_at = at


def hold_against(state: KeyState, piece: Piece, value: Value) -> None:
    """Note what a piece says of an override that it is newer than, and of what is presumed."""
    override = latest(state.decided, "override")
    if override is not None and piece.order[0] > override.at:
        if value.correct == (override.status == "mastered"):
            state.doubts, state.doubted = 0, b""
        elif mark(piece) not in state.doubted:
            state.doubts += 1
            state.doubted = marked(state.doubted, piece)
    if not value.correct and latest(state.decided, "presume") is not None:
        state.low = True
