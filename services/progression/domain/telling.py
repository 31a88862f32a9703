"""
What is told of a learner: public events with the members that `shared.contracts.public_events` declares, and ids that a
re-run gives.
"""

from typing import Any, Literal, NamedTuple

from services.progression.domain.curriculum import Framework, is_level
from shared.contracts.internal_events import Competency
from shared.shards import stable_id

Cause = Literal[
    "evidence", "retraction", "correction", "identity", "decision", "clock", "policy", "framework", "setting"
]
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
    "level.sign_off_lapsed": "What was to be signed off is complete no more, or needs no signature.",
    "level.advanced": "Everything that the level asks for is met.",
    "level.review_required": "A correction removed what the advancement stood on; nothing changes until a person decides.",
    "level.withheld": "It was asked for and refused.",
    "level.withdrawn": "A person took the advancement back.",
    "level.reinstated": "The decision that took it back was undone.",
    "level.stands_again": "What the advancement stood on is there again.",
    "level.placed_with_gaps": "The learner was placed beyond what is shown.",
    "level.placed": "The learner was placed, and nothing before it is open.",
    "level.gaps_cleared": "What was not shown at the placement is shown now.",
    "goal.chosen": "The learner chose it.",
    "support.closed": "What had asked for it is over.",
}
"""What an event says of itself where nobody gave a reason; those of transitions have their own."""
EVIDENCE: dict[str, Any] = {"kind": "evidence", "by": None}
"""On what rests what nobody decided; the pieces are in the events of competencies."""
IDENTITY: dict[str, Any] = {"kind": "identity", "by": None}
"""On what rests what follows from who a learner is: what is not theirs is in the events of competencies."""


def seq_of(trigger: Trigger, index: int = 0) -> int:
    """Return the sequence number of the index-th thing told of a scope at a journal position."""
    return trigger.pos * SEQ_STEP + index


def numbered(told: list[Told], trigger: Trigger, losses: dict[str, int], seqs: dict[str, int]) -> list[Told]:
    """
    Put the sequence numbers into what one input told of one learner, which rise per scope, and the episodes.

    An episode of a scope ends with the event that takes it off the record; its reinstatement goes on with it, and one that closes
    a review of what stayed on the record begins and ends none. `losses` counts those that ended, and `seqs` keeps the last number
    of each level; both are brought up to date.
    """
    counts: dict[str, int] = {}
    for event in told:
        scope = event.data["scope"]["id"]
        event.data["seq"] = seq_of(trigger, counts.get(scope, 0))
        counts[scope] = counts.get(scope, 0) + 1
        if is_level(scope) and not event.type.startswith(SUPPORT):
            seqs[scope] = event.data["seq"]
        ended = losses.get(scope, 0)
        if ended and event.type in _REINSTATED and event.data["before"] != "review_required":
            ended = losses[scope] = ended - 1
            if not ended:
                del losses[scope]
        event.data["episode"] = ended + 1
        if event.type in _WITHDRAWN:
            losses[scope] = ended + 1
    return told


_WITHDRAWN = ("attain.competency.withdrawn.v1", "attain.level.withdrawn.v1")
_REINSTATED = ("attain.competency.reinstated.v1", "attain.level.reinstated.v1")


def event_id(tenant: str, learner: str, kind: str, scope: str, policy_hash: str, trigger: Trigger) -> str:
    """Return the id of an event: the same input under the same policy gives the same id on every run."""
    return stable_id(tenant, learner, kind, scope, policy_hash, trigger.id)


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
        "external": external_of(entry) if entry is not None else [],
    }


def external_of(entry: Competency) -> list[dict[str, str]]:
    """Return what others know a competency by: the identifier that its source gave it (CASE), where it gave one."""
    return [{"system": "case", "code": entry.identifier}] if entry.identifier else []


def level_scope(level: str, framework: Framework) -> dict[str, Any]:
    """Return the scope of an event on a level, also of one that the framework has no more."""
    members = framework.levels.get(level)
    first = framework.by_id[members[0]] if members else None
    named, _, code = level.partition("#")[2].rpartition("/")
    subject = first.subject if first is not None else named or None
    return {
        "kind": "level",
        "framework": framework.id,
        "framework_version": framework.version,
        "id": level,
        "code": code,
        "title": f"{subject or framework.title}, level {code}",
        "subject": subject,
        "ordinal": first.ordinal if first is not None else None,
        "power": False,
        "external": [],
    }


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
