"""A transition of one competency's standing, and the public event that tells it."""

from typing import Any, NamedTuple

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.policy import Policy, Rule
from services.progression.domain.standing import Standing, Transition, asked_by_use, due_at, opened_at, rule_of
from services.progression.domain.states import KeyState, latest
from services.progression.domain.telling import Told, Trigger, common, competency_scope, event_id
from services.progression.domain.wanting import check_of, missing_of
from shared.shards import stable_id

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
    "reinstated": "It is shown again with its original date: what had taken it off the record no longer does.",
}

ANOTHERS = "Evidence under this mastery belongs to another learner."
CLOCK_REASONS: dict[str, str] = {
    "mastered": "A hold on it has ended; the rule of the policy is met.",
    "reinstated": "A hold on it has ended.",
}


UNTOLD = ("ask", "plan")
"""Kinds of decisions on which nothing rests that is told."""


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
    removed: tuple[str, ...] = ()
    """The pieces that its input made invalid, where it is withdrawn."""

    @property
    def rule(self) -> Rule | None:
        """The compiled policy that decided it."""
        return rule_of(self.policy, self.state)

    @property
    def is_anothers(self) -> bool:
        """Whether it is withdrawn because pieces under it turned out to be another learner's."""
        return self.trigger.cause == "identity" and bool(self.removed)

    @property
    def policy_hash(self) -> str:
        """The hash of the pinned policy, empty where there is none."""
        return self.policy.hash if self.policy is not None else ""


def tell(change: Change, frameworks: dict[str, Framework]) -> Told:
    """Return the public event of a transition of a competency (any but `moved`)."""
    kind = f"attain.competency.{change.transition}.v1"
    state, trigger = change.state, change.trigger
    decision = change.decision
    reasons = {"policy": POLICY_REASONS, "clock": CLOCK_REASONS}.get(trigger.cause, {})
    text = ANOTHERS if change.is_anothers else reasons.get(change.transition, REASONS[change.transition])
    if decision is not None and decision.reason:
        text = decision.reason
    data = {
        **common(change.learner, competency_scope(change.competency, frameworks), change.trigger),
        "before": change.before.status,
        "after": change.after.status,
        "effective_at": change.after.effective_at or opened_at(state) or trigger.time,
        "basis": basis_of(change),
        "policy": policy_of(change),
        "reason": {"code": change.transition, "text": text},
        "replaces": change.replaces or None,
        **_particulars(change),
    }
    told_id = event_id(change.tenant, change.learner, kind, change.competency, change.policy_hash, trigger)
    return Told(told_id, kind, change.tenant, change.learner, trigger.time, data)


def _particulars(change: Change) -> dict[str, Any]:
    """Return the members of one type alone."""
    state, rule = change.state, change.rule
    match change.transition:
        case "provisional":
            return {"confirms_by": list(missing_of(state, rule))}
        case "mastered":
            return {"dok_shown": state.deepest or None}
        case "credited":
            decision = change.decision
            return {"strength": 1.0, "provenance": decision.provenance if decision is not None else ""}
        case "reverify_due":
            why = _why_due(change)
            by_use = rule is not None and rule.checked_by_use and asked_by_use(state) is not None
            return {"why": why, "by_use": by_use, "due_by": None, "smallest_check": check_of(state, rule, why)}
        case "reverified":
            decision = change.decision
            return {"by_use": decision is not None and decision.basis == "evidence" and decision.passes}
        case "withdrawn":
            hold = latest(state.decided, "override") if change.after.status == "overridden" else None
            ends = {"review_at": hold.until} if hold is not None else {}
            return {"removed": list(change.removed), "levels_affected": [], **ends}
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
    return change.policy.named if change.policy is not None else None


def basis_of(change: Change) -> dict[str, Any]:
    """Return on what a change rests, as events tell it."""
    state = change.state
    by, kind = None, "evidence"
    decided = next(
        (d for d in reversed(state.decided) if d.at == change.after.effective_at and d.kind not in UNTOLD), None
    )
    if change.is_anothers:
        kind = "identity"
    elif change.decision is not None:
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
