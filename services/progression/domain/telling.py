"""What is told of a learner: public events with the members of events.md, and ids that a re-run gives again."""

from typing import Any, Literal, NamedTuple

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.policy import Policy, Rule
from services.progression.domain.standing import Standing, Transition, due_at, missing_of, opened_at, rule_of
from services.progression.domain.states import KeyState, latest
from shared.shards import stable_id

Cause = Literal["evidence", "retraction", "correction", "decision", "clock", "policy", "framework", "setting"]
SUPPORT = "attain.support."
"""How the types begin that are told on a restricted topic alone."""
SEQ_STEP = 64
"""Far more than the events that one input can cause for one scope."""


class Trigger(NamedTuple):
    """
    The input that caused something: its id, where it lies in the journal, when it was recorded, and what it is.

    `batch` names the recalculation that it is the cause of; empty for none.
    """

    id: str
    pos: int
    time: str
    cause: Cause
    batch: str = ""


class Change(NamedTuple):
    """A transition of one competency's standing, ready to be told."""

    tenant: str
    learner: str
    trigger: Trigger
    rules_no: int
    """The activation whose rules it was decided by."""
    competency: str
    transition: Transition
    before: Standing
    after: Standing
    state: KeyState
    policy: Policy | None
    replaces: str
    decision: CompetencyDecided | None
    scores: dict[str, float | None] = {}  # noqa: RUF012 - never changed where it is the default
    """Scores of its prerequisites at that input, None without evidence; where the work begins to ask for support."""

    @property
    def rule(self) -> Rule | None:
        """The compiled policy that decided it."""
        return rule_of(self.policy, self.state)

    @property
    def policy_hash(self) -> str:
        """The hash of the pinned policy, empty where there is none."""
        return self.policy.hash if self.policy is not None else ""


class Told(NamedTuple):
    """A public event: its id, type, learner, time and data; `seq` is put in by `numbered`."""

    id: str
    type: str
    tenant: str
    learner: str
    time: str
    data: dict[str, Any]


WHY: dict[str, str] = {
    "competency.ready": "All direct prerequisites are on the record, credited or presumed.",
    "level.ready": "The level before it is complete.",
    "level.sign_off_requested": "Everything that the rule computes is complete.",
    "level.advanced": "Everything that the level asks for is met.",
    "level.review_required": "A correction removed what the advancement stood on; nothing changes until a person decides.",
    "level.withheld": "It was asked for and refused.",
    "level.withdrawn": "A person took the advancement back.",
    "level.reinstated": "The decision that took it back was undone.",
    "level.placed_with_gaps": "The learner was placed beyond what is shown.",
    "level.gaps_cleared": "What was not shown at the placement is shown now.",
    "goal.chosen": "The learner chose it.",
    "support.closed": "What had asked for it is over.",
}
"""What an event says of itself where nobody gave a reason; those of transitions have their own."""
REASONS: dict[str, str] = {
    "provisional": "The provisional path of the policy is met; it opens what follows.",
    "mastered": "The rule of the policy is met.",
    "credited": "Shown elsewhere, and credited.",
    "reinstated": "What had undone this mastery was itself undone.",
    "withdrawn": "Evidence under this mastery is no longer valid or has been preceded by other evidence.",
    "reverify_due": "It asks for a re-check; it stays on the record.",
    "reverified": "Newer evidence confirms it again.",
    "override_contested": "Newer evidence disagrees with what was set by hand.",
}


POLICY_REASONS: dict[str, str] = {
    "withdrawn": "The policy that was adopted for what is on the record too is not met.",
    "reinstated": "The policy that had undone this mastery was itself replaced.",
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
    decision = change.decision
    reasons = POLICY_REASONS if trigger.cause == "policy" else {}
    text = reasons.get(change.transition, REASONS[change.transition])
    if decision is not None and decision.reason:
        text = decision.reason
    data = {
        **common(change.learner, competency_scope(change.competency, frameworks), change.trigger),
        "before": change.before.status,
        "after": change.after.status,
        "effective_at": change.after.satisfied_at or opened_at(state) or trigger.time,
        "basis": basis_of(change),
        "policy": policy_of(change),
        "reason": {"code": change.transition, "text": text},
        "replaces": change.replaces or None,
        **_particulars(change),
    }
    told_id = event_id(change.tenant, change.learner, kind, change.competency, change.policy_hash, trigger)
    return Told(told_id, kind, change.tenant, change.learner, trigger.time, data)


def common(learner: str, scope: dict[str, Any], trigger: Trigger) -> dict[str, Any]:
    """Return the members that every event has."""
    return {
        "learner": {"id": learner, "refs": []},
        "scope": scope,
        "seq": 0,
        "decided_at": trigger.time,
        "cause": {"kind": trigger.cause, "id": trigger.id},
        "mode": "live",
        **({"batch": trigger.batch} if trigger.batch else {}),
    }


def _particulars(change: Change) -> dict[str, Any]:
    """Return the members of one type alone."""
    state, trigger, rule = change.state, change.trigger, change.rule
    match change.transition:
        case "provisional":
            return {"confirms_by": list(missing_of(state, rule))}
        case "credited":
            decision = change.decision
            return {"strength": 1.0, "provenance": decision.provenance if decision is not None else ""}
        case "reverify_due":
            return {
                "why": _why_due(change),
                "due_by": None,
                "smallest_check": "one piece of evidence at or above the bar",
            }
        case "reverified":
            return {"by_use": change.decision is not None and change.decision.basis == "evidence"}
        case "withdrawn":
            is_removal = trigger.cause in ("retraction", "correction")
            return {"removed": [trigger.id] if is_removal else [], "levels_affected": []}
        case "reinstated":
            return {"original": change.replaces or None}
        case "override_contested":
            override = latest(state.decided, "override")
            by_hand = (
                {"status": override.status, "by": {"role": override.by, "ref": override.author}} if override else None
            )
            return {"override": by_hand, "computed": "mastered" if state.crossed_at is not None else "not_yet"}
    return {}


def _why_due(change: Change) -> str:
    """Return why a re-check is due: contradiction, age, or the expiry of what was set by hand."""
    state, rule = change.state, change.rule
    if state.crossed_at is None:
        return "expiry"
    due = due_at(state, rule) if rule is not None else None
    return "age" if change.trigger.cause == "clock" and due is not None and state.clock >= due else "contradiction"


def policy_of(change: Change) -> dict[str, str] | None:
    """Return the policy version that decided a change, as events name it."""
    policy = change.policy
    return {"id": policy.id, "version": policy.version, "hash": policy.hash} if policy is not None else None


def basis_of(change: Change) -> dict[str, Any]:
    """Return on what a change rests, as events tell it."""
    state = change.state
    by, kind = None, "evidence"
    decided = next((d for d in reversed(state.decided) if d.at == change.after.satisfied_at), None)
    if change.decision is not None:
        kind = change.decision.basis
        by = {"role": change.decision.role, "ref": change.decision.author} if change.decision.author else None
    elif decided is not None:
        kind, by = decided.basis or decided.kind, {"role": decided.by, "ref": decided.author}
    return {
        "kind": kind,
        "by": by,
        "pieces": state.count,
        "occasions": state.occasions,
        "first_at": state.first_at or None,
        "last_at": state.last[0] if state.last is not None else None,
        "evidence_ids": list(state.basis),
        "digest": stable_id(*state.basis) if state.basis else None,
    }


def competency_scope(competency: str, frameworks: dict[str, Framework]) -> dict[str, Any]:
    """Return the scope of an event on a competency."""
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


def level_scope(level: str, framework: Framework) -> dict[str, Any]:
    """Return the scope of an event on a level."""
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


def is_level(scope: str) -> bool:
    """Tell whether a scope is a level (`<framework>#...`) and no competency (`<framework>:...`)."""
    return "#" in scope.partition(":")[0]


class Teller(NamedTuple):
    """Tells what follows for a learner from one input, besides the transitions of competencies."""

    tenant: str
    learner: str
    trigger: Trigger

    def tell(self, kind: str, framework: Framework, scope: str, reason: str = "", **members: Any) -> Told:
        """Return an event of a kind, such as `level.advanced`, on a competency or level of a framework."""
        described = (
            level_scope(scope, framework) if is_level(scope) else competency_scope(scope, {framework.id: framework})
        )
        type = f"attain.{kind}.v1"
        told_id = event_id(self.tenant, self.learner, type, scope, framework.version, self.trigger)
        data = {
            **common(self.learner, described, self.trigger),
            "effective_at": self.trigger.time,
            "reason": {"code": kind.partition(".")[2], "text": reason or WHY[kind]},
            **members,
        }
        return Told(told_id, type, self.tenant, self.learner, self.trigger.time, data)
