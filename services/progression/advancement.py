"""
Advancement: the second fold. A learner's satisfied competencies and the graph give `ready` and `level.advanced`.

Nobody is demoted here: what was told as ready or advanced stays so; a withdrawn competency only stops satisfying what is
not told yet. The level rule is that every competency of the level is on the record.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from services.progression.curriculum import Framework, framework_of, level_id
from services.progression.policy import Policy
from services.progression.standing import Transition, missing_of, opened_at
from services.progression.states import KeyState
from shared.contracts import Status
from shared.shards import stable_id

Cause = Literal["evidence", "retraction", "correction", "policy", "framework"]
SEQ_STEP = 64
"""Far more than the events that one input can cause for one scope."""


class LearnerState(msgspec.Struct, array_like=True):
    """What a learner has on the record and was told; mutable like `KeyState`."""

    satisfied: dict[str, str] = {}
    """Competencies on the record, with when each was shown."""
    ready: dict[str, str] = {}
    advanced: dict[str, str] = {}
    """Ids of the events that told it, by competency and by level id."""


class Trigger(NamedTuple):
    """The input that caused something: its id, where it lies in the journal, when it was recorded, and what it is."""

    id: str
    pos: int
    time: str
    cause: Cause


class Change(NamedTuple):
    """A transition of one competency's standing, ready to be told."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    """The activation whose rules it was decided by."""
    competency: str
    transition: Transition
    before: Status
    after: Status
    state: KeyState
    policy: Policy
    replaces: str


class Told(NamedTuple):
    """A public event: its id, type, learner, time and data; `seq` is put in by `numbered`."""

    id: str
    type: str
    tenant: str
    learner: str
    time: str
    data: dict[str, Any]


REASONS: dict[str, str] = {
    "provisional": "The provisional path of the policy is met; it opens what follows.",
    "mastered": "The rule of the policy is met.",
    "reinstated": "What had undone this mastery was itself undone.",
    "withdrawn": "Evidence under this mastery is no longer valid or has been preceded by other evidence.",
    "reverify_due": "Newer evidence contradicts it; it stays on the record.",
    "reverified": "Newer evidence confirms it again.",
    "ready": "All direct prerequisites are on the record.",
    "advanced": "Every competency of the level is on the record.",
}


def seq_of(trigger: Trigger, index: int = 0) -> int:
    """Return the sequence number of the index-th thing told of a scope at a journal position."""
    return trigger.pos * SEQ_STEP + index


def numbered(told: list[Told], trigger: Trigger) -> list[Told]:
    """Put the sequence numbers into what one input told of one learner: they rise per scope."""
    counts: dict[str, int] = {}
    for event in told:
        scope = event.data["scope"]["id"]
        event.data["seq"] = seq_of(trigger, counts.get(scope, 0))
        counts[scope] = counts.get(scope, 0) + 1
    return told


def event_id(tenant: str, learner: str, kind: str, scope: str, policy_hash: str, trigger: Trigger) -> str:
    """Return the id of an event: the same input under the same policy gives the same id on every run."""
    return stable_id(tenant, learner, kind, scope, policy_hash, trigger.id)


def tell(change: Change, frameworks: dict[str, Framework]) -> Told:
    """Return the public event of a transition of a competency (any but `moved`)."""
    kind = f"attain.competency.{change.transition}.v1"
    state, trigger = change.state, change.trigger
    data = {
        **_common(change.learner, _competency_scope(change.competency, frameworks), change.trigger),
        "before": change.before,
        "after": change.after,
        "effective_at": state.crossed_at or opened_at(state) or trigger.time,
        "basis": _basis(state),
        "policy": {"id": change.policy.id, "version": change.policy.version, "hash": change.policy.hash},
        "reason": {"code": change.transition, "text": REASONS[change.transition]},
        "replaces": change.replaces or None,
    }
    if change.transition == "provisional":
        data["confirms_by"] = list(missing_of(state, change.policy.rule))
    if change.transition == "reverify_due":
        data |= {"why": "contradiction", "due_by": None, "smallest_check": "one piece of evidence at or above the bar"}
    if change.transition == "withdrawn":
        data |= {
            "removed": [trigger.id] if trigger.cause in ("retraction", "correction") else [],
            "levels_affected": [],
        }
    if change.transition == "reinstated":
        data["original"] = change.replaces or None
    told_id = event_id(change.tenant, change.learner, kind, change.competency, change.policy.hash, trigger)
    return Told(told_id, kind, change.tenant, change.learner, trigger.time, data)


def advance(learner: LearnerState, change: Change, frameworks: dict[str, Framework]) -> Iterator[Told]:
    """Fold one transition into the learner's state; yield what became ready and which level is complete."""
    competency = change.competency
    if change.transition == "withdrawn":
        learner.satisfied.pop(competency, None)
        return
    if change.state.crossed_at is None:
        return
    new = competency not in learner.satisfied
    learner.satisfied[competency] = change.state.crossed_at
    framework = frameworks.get(framework_of(competency))
    if new and framework is not None:
        candidates = framework.dependents.get(competency, ())
        entry = framework.by_id.get(competency)
        levels = [level_id(framework.id, entry)] if entry is not None and entry.level is not None else []
        yield from _standings(learner, framework, candidates, levels, change.tenant, change.learner, change.trigger)


def review(
    learner: LearnerState, framework: Framework, tenant: str, learner_id: str, trigger: Trigger
) -> Iterator[Told]:
    """Yield what a new framework version makes ready or complete for a learner with something on the record."""
    candidates = sorted(framework.prerequisites)
    yield from _standings(learner, framework, candidates, list(framework.levels), tenant, learner_id, trigger)


def _standings(
    learner: LearnerState,
    framework: Framework,
    candidates: Iterable[str],
    levels: Iterable[str],
    tenant: str,
    learner_id: str,
    trigger: Trigger,
) -> Iterator[Told]:
    for competency in candidates:
        needed = framework.prerequisites.get(competency, ())
        if competency in learner.ready or competency in learner.satisfied:
            continue
        if needed and all(code in learner.satisfied for code in needed):
            kind = "attain.competency.ready.v1"
            told_id = event_id(tenant, learner_id, kind, competency, framework.version, trigger)
            learner.ready[competency] = told_id
            data = {
                **_common(learner_id, _competency_scope(competency, {framework.id: framework}), trigger),
                "effective_at": max(learner.satisfied[code] for code in needed),
                "reason": {"code": "ready", "text": REASONS["ready"]},
                "because": list(needed),
                "unlocks_count": len(framework.dependents.get(competency, ())),
            }
            yield Told(told_id, kind, tenant, learner_id, trigger.time, data)
    for level in levels:
        members = framework.levels[level]
        if level not in learner.advanced and all(member in learner.satisfied for member in members):
            kind = "attain.level.advanced.v1"
            told_id = event_id(tenant, learner_id, kind, level, framework.version, trigger)
            learner.advanced[level] = told_id
            data = {
                **_common(learner_id, _level_scope(level, framework), trigger),
                "effective_at": max(learner.satisfied[member] for member in members),
                "reason": {"code": "advanced", "text": REASONS["advanced"]},
                "gaps": [],
                "credit": None,
                "next": _next_levels(level, framework),
            }
            yield Told(told_id, kind, tenant, learner_id, trigger.time, data)


def _common(learner: str, scope: dict[str, Any], trigger: Trigger) -> dict[str, Any]:
    return {
        "learner": {"id": learner, "refs": []},
        "scope": scope,
        "seq": 0,
        "decided_at": trigger.time,
        "cause": {"kind": trigger.cause, "id": trigger.id},
        "mode": "live",
    }


def _basis(state: KeyState) -> dict[str, Any]:
    return {
        "kind": "evidence",
        "pieces": state.count,
        "occasions": state.occasions,
        "first_at": state.first_at or None,
        "last_at": state.last[0] if state.last is not None else None,
        "evidence_ids": list(state.basis),
        "digest": stable_id(*state.basis) if state.basis else None,
    }


def _competency_scope(competency: str, frameworks: dict[str, Framework]) -> dict[str, Any]:
    framework_id, _, code = competency.partition(":")
    framework = frameworks.get(framework_id)
    entry = framework.by_id.get(competency) if framework is not None else None
    return {
        "kind": "competency",
        "framework": framework_id,
        "framework_version": framework.version if framework is not None else None,
        "id": competency,
        "code": code,
        "title": entry.title if entry is not None else code,
        "subject": entry.subject if entry is not None else None,
        "ordinal": entry.ordinal if entry is not None else None,
        "power": entry.power if entry is not None else False,
        "external": [],
    }


def _level_scope(level: str, framework: Framework) -> dict[str, Any]:
    first = framework.by_id[framework.levels[level][0]]
    return {
        "kind": "level",
        "framework": framework.id,
        "framework_version": framework.version,
        "id": level,
        "code": first.level,
        "title": f"{first.subject or framework.title}, level {first.level}",
        "subject": first.subject,
        "ordinal": first.ordinal,
        "power": False,
        "external": [],
    }


def _next_levels(level: str, framework: Framework) -> list[str]:
    """Return the level that follows in the same subject, in the order of the file."""
    subject = framework.by_id[framework.levels[level][0]].subject
    line = [other for other, members in framework.levels.items() if framework.by_id[members[0]].subject == subject]
    place = line.index(level) + 1
    return line[place : place + 1]
