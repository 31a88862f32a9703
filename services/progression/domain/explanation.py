"""
Why a status is what it is: every piece with what it counted for, every rule with whether it is met, what is missing, and
the smallest thing that would change it. Computed from the set of evidence, the decisions and the policy alone.
"""

from collections.abc import Iterable

import msgspec

from services.progression.domain.evidence_rules import Counted, composites, value_of, why_not
from services.progression.domain.mastery import fold_composites, replay
from services.progression.domain.policy.rule import Rule, Track
from services.progression.domain.probing import Probe, smallest_change
from services.progression.domain.standing import CONTESTED_BY, awaited_role, due_at, missing_of, score_of, status_of
from services.progression.domain.states import Decided, KeyState, Piece, latest
from services.progression.domain.sufficiency import enough, lacks
from shared.contracts import Status


class Weighed(msgspec.Struct, frozen=True):
    """A piece of evidence and what it counted for; `value` is on the policy's scale."""

    evidence_id: str
    occurred_at: str
    value: float | None
    weight: float
    counted: bool
    why_not: str | None


class Checked(msgspec.Struct, frozen=True):
    """One rule of the policy (`rule` points to it): what it asks, what was found, and whether it is met."""

    rule: str
    asks: str
    found: str
    met: bool


class MinimalChange(msgspec.Struct, frozen=True):
    """The smallest thing that would change the status, in words and as data; `gives` is the status then."""

    text: str
    gives: Status | None = None
    pieces: int = 0
    at_least: float | None = None
    below: float | None = None
    other_activity: bool = False
    other_day: bool = False
    sign_off: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """Why a status is what it is."""

    status: Status
    score: float | None
    evidence: tuple[Weighed, ...]
    trace: tuple[Checked, ...]
    missing: tuple[str, ...]
    minimal_change: MinimalChange


def explain_key(
    pieces: Iterable[Piece],
    rule: Rule | None,
    decisions: Iterable[Decided] = (),
    *,
    at: str | None = None,
    void: Iterable[Piece] = (),
) -> Explanation:
    """
    Explain the status that valid pieces and decisions (in the journal's order) give; `at` is the instant it is asked for.

    `void` are pieces that are retracted or superseded: they are shown, and count for nothing.
    """
    ordered = sorted(pieces, key=lambda piece: piece.order)
    held = tuple(decisions)
    state = replay(KeyState(), ordered, rule, rule.policy.hash if rule is not None else "", held)
    status = status_of(state, rule, at)
    on_record = status in ("mastered", "reverify_due", "credited", "overridden")
    return Explanation(
        status=status,
        score=score_of(state, rule),
        evidence=_weighed(ordered, tuple(void), rule),
        trace=_trace(state, rule, at) if rule is not None else (),
        missing=() if on_record else missing_of(state, rule),
        minimal_change=_minimal_change(ordered, rule, held, state, status),
    )


def _weighed(ordered: list[Piece], void: tuple[Piece, ...], rule: Rule | None) -> tuple[Weighed, ...]:
    """Return every piece in canonical order with what it counts for at the end."""
    standing = fold_composites(KeyState(), rule, composites(rule, ordered)) if rule is not None else []
    stands = {part.evidence_id for unit in standing for part in unit.parts}
    gone = {piece.evidence_id for piece in void}
    found = []
    for piece in sorted((*ordered, *void), key=lambda each: each.order):
        value = value_of(rule, piece) if rule is not None else None
        reason: str | None
        if piece.evidence_id in gone:
            reason = "it was retracted or superseded"
        elif rule is None:
            reason = "no policy applies"
        elif value is None:
            reason = why_not(rule, piece)
        else:
            reason = None if piece.evidence_id in stands else _why_replaced(rule, piece, standing)
        counts = reason is None and value is not None
        found.append(
            Weighed(
                evidence_id=piece.evidence_id,
                occurred_at=piece.order[0],
                value=value.value if value is not None else None,
                weight=value.weight if counts and value is not None else 0.0,
                counted=counts,
                why_not=reason,
            )
        )
    return tuple(found)


def _why_replaced(rule: Rule, piece: Piece, standing: list[Counted]) -> str:
    again = any((u.piece.order[2], u.piece.activity) == (piece.order[2], piece.activity) for u in standing)
    if not again or rule.reassess == "append":
        return f"only the last {rule.last} pieces are looked at"
    best = rule.reassess == "replace_best"
    return (
        "another attempt at the same activity is better" if best else "a later attempt at the same activity replaces it"
    )


def _trace(state: KeyState, rule: Rule, at: str | None) -> tuple[Checked, ...]:
    """Return every rule that the decision went through, in the order in which they decide."""
    found = [check for number in range(len(rule.tracks)) for check in _track_trace(state, rule, number)]
    for route in rule.routes:
        if route.role:
            signed = next((d for d in state.decided if d.kind == "sign_off" and d.by == route.role), None)
            asks, said = f"a sign-off by a {route.role}", "none" if signed is None else f"given on {signed.at[:10]}"
            found.append(Checked(f"{route.pointer}/sign_off", asks, said, signed is not None))
    latch = rule.policy.decision.latch
    said = f"met since {state.crossed_at}" if state.crossed_at is not None else "not met yet"
    found.append(Checked("/decision/latch", f"a crossing, kept by {latch}", said, state.crossed_at is not None))
    if state.crossed_at is not None and rule.below is not None:
        asks = f"fewer than {rule.below_last} newer pieces in a row below {rule.below:g}"
        met = state.run_below < rule.below_last
        found.append(Checked("/upkeep/on_contradiction", asks, f"{state.run_below} in a row", met))
    due = due_at(state, rule)
    if due is not None:
        fresh = at is None or at < due
        asks = f"a re-check every {rule.reverify_days} days"
        found.append(Checked("/upkeep/reverify_after_days", asks, f"due on {due[:10]}", fresh))
    override = latest(state.decided, "override")
    if override is not None:
        said = f"{state.doubts} newer pieces disagree with {override.status}, set on {override.at[:10]}"
        asks = f"fewer than {CONTESTED_BY} newer pieces in a row that disagree"
        found.append(Checked("/override", asks, said, state.doubts < CONTESTED_BY))
    credit = latest(state.decided, "credit")
    if credit is not None:
        said = f"credited on {credit.at[:10]} for {credit.basis.replace('_', ' ') or 'what was shown elsewhere'}"
        found.append(Checked("/credit", "credit for what was shown elsewhere", said, met=True))
    return tuple(found)


def _track_trace(state: KeyState, rule: Rule, number: int) -> list[Checked]:
    track = rule.tracks[number]
    pieces = state.count - state.halves / 2
    counts: list[tuple[str, float, float, str]] = [("min_evidence", track.halves / 2, pieces, "pieces of evidence")]
    if track.activities > 1:
        counts.append(("min_activities", track.activities, len(state.activities), "activities"))
    if track.occasions > 1:
        counts.append(("min_occasions", track.occasions, state.occasions, "occasions"))
    found = [
        Checked(f"{track.pointer}/sufficiency/{name}", f"{need:g} {word}", f"{have:g}", have >= need)
        for name, need, have, word in counts
    ]
    further = ("min_assessors", "min_items", "kinds_all", "dok")
    found += [
        Checked(f"{track.pointer}/sufficiency/{lack.code}", lack.text, f"{lack.have:g} of {lack.need:g}", met=False)
        for lack in lacks(state, track)
        if lack.code in further
    ]
    found.append(_method_trace(state, track, number))
    return found


def _method_trace(state: KeyState, track: Track, number: int) -> Checked:
    since = f", first met on {state.met[number][:10]}" if state.met and state.met[number] else ""
    if not state.methods:
        return Checked(f"{track.pointer}/method", track.words, "nothing counted yet", met=False)
    own = state.methods[number]
    met = track.passes(own)
    short = "" if enough(state, track) else ", on too little evidence"
    return Checked(f"{track.pointer}/method", track.words, f"score {track.score(own):.4g}{short}{since}", met)


def _minimal_change(
    pieces: list[Piece], rule: Rule | None, decisions: tuple[Decided, ...], state: KeyState, status: Status
) -> MinimalChange:
    if rule is None:
        return MinimalChange("A policy that applies to this competency.")
    if status == "overridden":
        text = f"{CONTESTED_BY} newer pieces in a row that disagree ask the author of the override to look again."
        return MinimalChange(text, pieces=CONTESTED_BY)
    role = awaited_role(state.met, rule)
    if status == "provisional" and role:
        return MinimalChange(f"A sign-off by a {role.replace('_', ' ')} makes it mastered.", "mastered", sign_off=role)
    probe = smallest_change(pieces, rule, decisions)
    if probe is None:
        kept = status in ("mastered", "credited")
        return MinimalChange(
            "No newer evidence changes it; only a correction of what it rests on does."
            if kept
            else "No small number of pieces changes it."
        )
    worse = status in ("mastered", "presumed")
    return MinimalChange(
        _in_words(probe, rule, state, worse),
        probe.gives,
        probe.pieces,
        None if worse else probe.value,
        _bound_above(rule, probe.value) if worse else None,
        probe.other_activity and not worse,
        probe.other_day and not worse,
    )


def _bound_above(rule: Rule, value: float) -> float:
    """Return what a contradicting piece lies below: the policy's value, else the cut."""
    return rule.below if rule.below is not None and value < rule.below else rule.cut


def _in_words(probe: Probe, rule: Rule, state: KeyState, worse: bool) -> str:
    one = probe.pieces == 1
    many = "One more piece" if one else f"{probe.pieces} more pieces"
    if worse:
        below = f"below {_bound_above(rule, probe.value):g}"
        return f"{many}{'' if one else ' in a row'} {below} would make it {probe.gives.replace('_', ' ')}."
    wants = [f"at {probe.value:g} or above"]
    if probe.other_activity and len(state.activities) < rule.activities:
        wants.append("from another activity" if one else "from other activities")
    if probe.other_day:
        wants.append("on another day" if one else "on other days")
    track = rule.tracks[0 if rule.provisional and probe.gives == "provisional" else rule.scored]
    wants += [lack.text for lack in lacks(state, track) if lack.code in ("kinds_all", "dok", "min_assessors")]
    return f"{many} {', '.join(wants)} would make it {probe.gives.replace('_', ' ')}."
