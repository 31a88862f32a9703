"""
The mastery of one competency by one learner: a fold of pieces of evidence, and the standing over it.

The computed part is a pure function of the set of valid pieces and the pinned policy, in the order (occurred_at, attempt,
source, id): nothing depends on arrival. A piece that sorts after the last one is one step; anything else replays the key.
The standing part (`seq`, `told`, `lost`) is a fold of the input journal over those values.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from services.progression.policy import Policy
from shared.contracts import EvidenceRecorded, Score, Status

Transition = Literal["mastered", "reinstated", "withdrawn", "reverify_due", "reverified", "moved"]
Order = tuple[str, int, str, str]
ON_RECORD: tuple[Status, ...] = ("mastered", "reverify_due")
"""Statuses in which mastery is on the record and satisfies prerequisites."""


class Piece(NamedTuple):
    """A piece of evidence as the fold sees it; `order[0]` is when it occurred."""

    order: Order
    evidence_id: str
    activity: str
    score: Score
    assisted: bool
    dok: int = 0
    """Depth of knowledge, 1 to 4; 0 where it is not tagged."""


class Lack(NamedTuple):
    """One thing that is missing before the score may decide: the policy's member, and in words."""

    code: str
    text: str


class KeyState(msgspec.Struct, array_like=True):
    """
    The state of one (learner, competency); mutable, because its shard has one writer, which drops it on any failure.

    `run_below` counts the latest pieces since the crossing that lie below the policy's contradiction value; `pieces` counts
    all valid pieces, `count` those that the policy counts.
    """

    policy: str = ""
    """Hash of the pinned policy; empty where none applies."""
    pieces: int = 0
    count: int = 0
    method: tuple[int | float | bool, ...] = ()
    activities: tuple[str, ...] = ()
    occasions: int = 0
    last_day: str = ""
    first_at: str = ""
    last: Order | None = None
    recent: tuple[str, ...] = ()
    crossed_at: str | None = None
    basis: tuple[str, ...] = ()
    run_below: int = 0
    seq: int = 0
    told: str = ""
    """Id of the event that put the present mastery on the record; empty when it is not."""
    lost: str = ""
    """Id of the withdrawal that took it off, until it is reinstated or shown anew."""
    lost_crossing: str = ""
    """The crossing that was withdrawn: the same one again is a reinstatement."""
    deep: tuple[int, ...] = ()
    """Pieces at or below each depth of knowledge that the policy asks for."""


def piece_of(recorded: EvidenceRecorded) -> Piece:
    """Return the piece that a recorded event makes; evidence without an activity is an activity of its own."""
    return Piece(
        (recorded.occurred_at, recorded.attempt, recorded.source, recorded.id),
        recorded.evidence_id,
        recorded.activity or recorded.evidence_id,
        recorded.score,
        recorded.assisted,
        recorded.dok or 0,
    )


def status_of(state: KeyState, policy: Policy | None) -> Status:
    """Return the status that follows from a state under its pinned policy."""
    if state.crossed_at is not None:
        assert policy is not None
        return "reverify_due" if is_due(state, policy) else "mastered"
    return status_unshown(state.pieces, is_sufficient(state, policy))


def status_unshown(pieces: int, sufficient: bool) -> Status:
    """Return the status of what is not on the record."""
    if pieces == 0:
        return "no_evidence"
    return "not_yet" if sufficient else "insufficient_evidence"


def is_due(state: KeyState, policy: Policy) -> bool:
    """Tell whether what is on the record is due for a re-check."""
    if policy.decision.latch == "current" and not _passes(state, policy):
        return True
    contradiction = policy.upkeep.on_contradiction
    return contradiction is not None and state.run_below >= contradiction.last


def is_sufficient(state: KeyState, policy: Policy | None) -> bool:
    """Tell whether enough was seen for the score to decide; `lacks` names what is not."""
    if policy is None:
        return False
    need = policy.sufficiency
    return (
        state.count >= need.min_evidence
        and len(state.activities) >= need.min_activities
        and state.occasions >= need.min_occasions
        and (not need.dok or all(s >= asked.count for s, asked in zip(state.deep, need.dok, strict=True)))
    )


def meets_rule(state: KeyState, policy: Policy) -> bool:
    """Tell whether the score is at the bar, whatever else is missing."""
    bar = policy.decision.at_least
    if bar is None:
        return policy.method.passed(state.method, policy.cut)
    return policy.method.score(state.method) >= bar


def score_of(state: KeyState, policy: Policy | None) -> float | None:
    """Return the running score, None before the first counted piece."""
    return policy.method.score(state.method) if policy is not None and state.count else None


def lacks(state: KeyState, policy: Policy) -> tuple[Lack, ...]:
    """Name what is missing before the score may decide."""
    need = policy.sufficiency
    found = [("min_evidence", need.min_evidence - state.count, "piece of evidence", "pieces of evidence")]
    # One activity on one day comes with any piece.
    if need.min_activities > 1:
        lack = need.min_activities - len(state.activities)
        found.append(("min_activities", lack, "different activity", "different activities"))
    if need.min_occasions > 1:
        found.append(("min_occasions", need.min_occasions - state.occasions, "other day", "other days"))
    for asked, seen in zip(need.dok, state.deep or (0,) * len(need.dok), strict=True):
        depth = f"at depth of knowledge {asked.level}"
        found.append(("dok", asked.count - seen, f"piece {depth}", f"pieces {depth}"))
    return tuple(Lack(code, f"{lack} more {one if lack == 1 else many}") for code, lack, one, many in found if lack > 0)


def missing_of(state: KeyState, policy: Policy | None) -> tuple[str, ...]:
    """Say what is missing before the score may decide."""
    if policy is None:
        return ("a policy that applies to this competency",)
    return tuple(lack.text for lack in lacks(state, policy))


def add(state: KeyState, piece: Piece, policy: Policy | None) -> None:
    """
    Fold one valid piece that sorts after every piece folded before.

    Its cost does not grow with the history: distinct activities are kept only up to the number that the policy asks for.
    """
    occurred_at = piece.order[0]
    state.pieces += 1
    state.last = piece.order
    if policy is None or piece.assisted:
        return
    value = policy.value(piece.score)
    if value is None:
        return
    if state.count == 0:
        state.first_at = occurred_at
        state.method = policy.method.start()
    state.count += 1
    state.method = policy.method.step(state.method, value)
    if len(state.activities) < policy.sufficiency.min_activities and piece.activity not in state.activities:
        state.activities = (*state.activities, piece.activity)
    day = occurred_at[:10]
    if day != state.last_day:
        state.occasions, state.last_day = state.occasions + 1, day
    if policy.sufficiency.dok:
        deep = state.deep or (0,) * len(policy.sufficiency.dok)
        depths = zip(deep, policy.sufficiency.dok, strict=True)
        state.deep = tuple(seen + (piece.dok >= asked.level) for seen, asked in depths)
    if state.crossed_at is None:
        state.recent = (*state.recent, piece.evidence_id)[-policy.method.window() :]
        if _passes(state, policy):
            state.crossed_at, state.basis, state.recent = occurred_at, state.recent, ()
    elif policy.upkeep.on_contradiction is not None:
        state.run_below = state.run_below + 1 if value.value < policy.upkeep.on_contradiction.below else 0


def replay(standing: KeyState, pieces: Iterable[Piece], policy: Policy | None, pin: str) -> KeyState:
    """Return the state that the set of valid pieces gives under a policy, carrying over the standing."""
    state = KeyState(
        policy=pin, seq=standing.seq, told=standing.told, lost=standing.lost, lost_crossing=standing.lost_crossing
    )
    for piece in sorted(pieces, key=_order):
        add(state, piece, policy)
    return state


def transitions(before: Status, crossed_before: str | None, state: KeyState, after: Status) -> list[Transition]:
    """
    Return what happened to the standing, in the order to be told.

    Newer evidence never takes mastery off the record, it makes it due for a re-check; only a change of what lies under the
    crossing does. The same crossing back again is reinstated with its date; another one is shown anew. `moved` is a
    crossing whose date alone changed: not told by itself.
    """
    was, now = before in ON_RECORD, after in ON_RECORD
    if was and not now:
        return ["withdrawn"]
    if now and not was:
        again: Transition = "reinstated" if state.lost_crossing == state.crossed_at else "mastered"
        return [again, "reverify_due"] if after == "reverify_due" else [again]
    if before != after and now:
        return ["reverify_due" if after == "reverify_due" else "reverified"]
    return ["moved"] if now and crossed_before != state.crossed_at else []


def explain(state: KeyState, policy: Policy | None, status: Status) -> str:
    """Say in one sentence why the status is what it is."""
    if status == "no_evidence":
        return "No valid evidence is on record."
    if status == "insufficient_evidence":
        return f"Still needed: {', '.join(missing_of(state, policy))}."
    assert policy is not None
    if status == "not_yet":
        return f"{state.count} pieces of evidence; the rule of policy {policy.id} is not met yet."
    shown = f"Shown on {(state.crossed_at or '')[:10]} by the rule of policy {policy.id}"
    return f"{shown}; newer evidence asks for a re-check." if status == "reverify_due" else f"{shown}."


def _passes(state: KeyState, policy: Policy) -> bool:
    return is_sufficient(state, policy) and meets_rule(state, policy)


def _order(piece: Piece) -> Order:
    return piece.order
