"""Events and tokens for the tests."""

from collections.abc import Iterable
from typing import Any

from shared.auth import issue_token, signing_key
from shared.contracts.internal_events import (
    CHECKPOINT,
    FRAMEWORK_PUBLISHED,
    MASTERY_UPDATED,
    Association,
    Checkpoint,
    Competency,
    FrameworkPublished,
    MasteryUpdated,
    PolicyRef,
    Status,
)
from shared.contracts.public_events import MERGED, SNAPSHOT_CLOSED, UNMERGED
from shared.contracts.roster_events import (
    ROSTER_ASSIGNED_ANEW,
    ROSTER_ASSIGNMENT,
    ROSTER_CLASS,
    ROSTER_ENROLMENT,
    ROSTER_SCHOOL,
    ROSTER_STAFF,
    RosterAssignedAnew,
    RosterAssignment,
    RosterClass,
    RosterEnrolment,
    RosterSchool,
    RosterStaff,
)
from shared.contracts.snapshots import TERM_CLOSED, TermClosed
from shared.settings import Settings
from shared.shards import shard_of

Event = tuple[str, str, object]
SHOWN_AT = "2026-03-04T10:15:00.000000Z"


def state(learner: str, competency: str, status: Status = "mastered", **members: Any) -> MasteryUpdated:
    """Return a state as progression would tell it."""
    shown = status in ("mastered", "credited", "reverify_due")
    defaults: dict[str, Any] = {
        "score": 0.9 if shown else 0.4, "evidence_count": 3, "last_evidence_at": SHOWN_AT,
        "mastered_at": SHOWN_AT if shown else None, "policy": PolicyRef("classroom", "0123456789ab"),
        "missing": () if shown else ("1 more piece",), "seq": 1, "why": "The rule of the policy is met.",
    }  # fmt: skip
    return MasteryUpdated(
        learner=learner, competency=competency, framework=competency.partition(":")[0], status=status,
        **(defaults | members),
    )  # fmt: skip


def mastery(learner: str, competency: str, status: Status = "mastered", **members: Any) -> Event:
    """Return the event of a state."""
    return MASTERY_UPDATED, learner, state(learner, competency, status, **members)


def happened(learner: str, kind: str, scope: str, **members: Any) -> Event:
    """Return a public event as progression would tell it; a scope with # is a level."""
    of_level = "#" in scope
    data: dict[str, Any] = {
        "learner": {"id": learner, "refs": []},
        "scope": {
            "kind": "level" if of_level else "competency", "framework": scope.partition("#" if of_level else ":")[0],
            "id": scope, "title": f"Title of {scope}",
        },
        "seq": 64, "effective_at": SHOWN_AT, "decided_at": SHOWN_AT, "reason": {"code": kind, "text": "Because."},
        "mode": "live",
    }  # fmt: skip
    return f"attain.{kind}.v1", learner, data | members


def suggested(learner: str, scope: str, cause: str = "ungraded", **members: Any) -> Event:
    """Return the restricted event that support is suggested, since an adult lets wait unless the members say otherwise."""
    type, _, data = happened(learner, "support.suggested", scope)
    assert isinstance(data, dict)
    return type, learner, data | {
        "side": "school", "need": cause, "owner": "teacher", "respond_by": "2026-03-11", "waiting_since": SHOWN_AT,
        "weakest_prerequisite": None, "tried": ["essay"], "cause": {"kind": "clock", "id": "t"},
    } | members  # fmt: skip


def support_closed(learner: str, scope: str, replaces: str, outcome: str = "done", **members: Any) -> Event:
    """Return the restricted event that a suggestion is over."""
    type, _, data = happened(learner, "support.closed", scope)
    assert isinstance(data, dict)
    more = {"outcome": outcome, "days": 3, "replaces": replaces, "cause": {"kind": "evidence", "id": "e"}}
    return type, learner, data | more | members


def identified(learner: str, into: str, *, undone: bool = False) -> Event:
    """Return the public event that a learner is another one, or is not after all."""
    data = {
        "learner": {"id": learner, "refs": []}, "from": learner, "into": into, "decided_at": SHOWN_AT,
        "cause": {"kind": "identity", "id": "m"}, "reason": {"code": "merged", "text": "They are the same person."},
    }  # fmt: skip
    return UNMERGED if undone else MERGED, learner, data


def closing(learner: str, term: str, shard: int, closed_at: str = SHOWN_AT) -> Event:
    """Return the event that a term is closed in the shard of a learner."""
    return TERM_CLOSED, learner, TermClosed(term, closed_at, "office", shard, 8)


def closings(
    learners: Iterable[str], term: str, shards: int, closed_at: str = SHOWN_AT, tenant: str = "demo"
) -> list[Event]:
    """Return the events that a term is closed in all the shards of learners."""
    over = {shard_of(tenant, learner, shards): learner for learner in learners}
    return [closing(learner, term, shard, closed_at) for shard, learner in over.items()]


def snapshot_closed(learner: str, term: str, digest: str = "0a", standings: int = 1) -> Event:
    """Return the public event of a learner's part in a closing."""
    data = {"learner": {"id": learner, "refs": []}, "session": term, "digest": digest, "standings": standings,
            "closed_by": "office", "seq": 64, "effective_at": SHOWN_AT, "decided_at": SHOWN_AT,
            "cause": {"kind": "decision", "id": "d"}, "reason": {"code": "closed", "text": "Over."}}  # fmt: skip
    return SNAPSHOT_CLOSED, learner, data


def snapshot_amended(learner: str, term: str, scope: str, after: str = "not_yet", **members: Any) -> Event:
    """Return the public event that a standing of a closed term is another."""
    type, _, data = happened(learner, "snapshot.amended", scope)
    assert isinstance(data, dict)
    return type, learner, data | {
        "session": term, "digest": "1b", "before": "mastered", "after": after, "cause": {"kind": "retraction", "id": "r"},
    } | members  # fmt: skip


def checkpoint(learner: str, evidence: int) -> Event:
    """Return a checkpoint in the shard of a learner."""
    return CHECKPOINT, learner, Checkpoint(evidence, 1, 0)


def competency(code: str, ordinal: int, level: str | None = None, subject: str | None = "Mathematics") -> Competency:
    """Return a competency with a title that tells its code."""
    return Competency(code, f"Title of {code}", ordinal, level, subject)


def framework(
    name: str, competencies: list[Competency], edges: list[tuple[str, str]], version: str = "v1", parts: int = 1
) -> list[Event]:
    """Return the parts that publish a framework version."""
    share = -(-len(competencies) // parts)
    return [
        (
            FRAMEWORK_PUBLISHED, name,
            FrameworkPublished(
                name, version, f"Framework {name}", part + 1, parts,
                tuple(competencies[part * share : (part + 1) * share]),
                tuple(Association(*edge) for edge in edges) if part == 0 else (),
            ),
        )
        for part in range(parts)
    ]  # fmt: skip


def school(name: str, district: str | None = None) -> Event:
    """Return a school."""
    return ROSTER_SCHOOL, "sis", RosterSchool(name, f"School {name}", district)


def class_(name: str, in_school: str | None = None) -> Event:
    """Return a class."""
    return ROSTER_CLASS, "sis", RosterClass(name, f"Class {name}", in_school, "Mathematics")


def class_of(*learners: str) -> list[Event]:
    """Return a class `k` with its learners, in a school `s` of a district `d`."""
    return [school("s", "d"), class_("k", "s"), *(enrolment("k", learner) for learner in learners)]


def staff(in_class: str, person: str, role: str = "teacher", **members: Any) -> Event:
    """Return a person's place as teacher of a class."""
    return ROSTER_STAFF, "sis", RosterStaff(in_class, person, role, **members)


def assignment(person: str, role: str, kind: Any, target: str, **members: Any) -> Event:
    """Return what a person is to a learner, school or district."""
    subject = target if kind == "learner" else "sis"
    return ROSTER_ASSIGNMENT, subject, RosterAssignment(person, role, kind, target, **members)


def assigned_anew(learner: str) -> Event:
    """Return that who is assigned to a learner is told anew."""
    return ROSTER_ASSIGNED_ANEW, learner, RosterAssignedAnew(learner)


def enrolment(in_class: str, learner: str, *, active: bool = True) -> Event:
    """Return a learner's place in a class."""
    return ROSTER_ENROLMENT, learner, RosterEnrolment(in_class, learner, active)


def authorization(
    config: Settings, scope: str, tenant: str = "demo", subject: str = "someone", learner: str | None = None,
    roles: list[str] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Return the header of a caller with a scope."""
    key = signing_key(config)
    token = issue_token(key, subject=subject, tenant=tenant, scope=scope, expires_s=600, learner=learner, roles=roles)
    return {"Authorization": f"Bearer {token}"}
