"""
The part of the audit on read models: every table computed again from its log by a plain fold, and compared row by row.

States are compared by `audit`, with what the evidence gives, and what terms ended with by `audit_terms`. Of the services this
shares the contracts and the pure rule of what opens and closes an entry of a queue.
"""

from collections.abc import Callable, Iterable
from typing import Any

import httpx
import msgspec

from deploy.local.audit.findings import Findings
from deploy.local.audit.sources import Sources
from services.reporting.domain.told import Told, kind_of
from services.reporting.domain.waiting import waits
from shared.contracts.internal_events import FRAMEWORK_PUBLISHED, FrameworkPublished
from shared.contracts.public_events import (
    MERGED,
    SNAPSHOT_AMENDED,
    SNAPSHOT_CLOSED,
    UNMERGED,
    Identified,
    SnapshotAmended,
    SnapshotClosed,
)
from shared.contracts.roster_events import (
    ROSTER_ASSIGNED_ANEW,
    ROSTER_ASSIGNMENT,
    ROSTER_CLASS,
    ROSTER_ENROLMENT,
    ROSTER_SCHOOL,
    ROSTER_STAFF,
    RosterAssignment,
    RosterClass,
    RosterEnrolment,
    RosterSchool,
    RosterStaff,
)
from shared.contracts.support_events import SUPPORT_CLOSED, SUPPORT_SUGGESTED, SupportClosed, SupportSuggested
from shared.events import Envelope

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""The rows of a table by their keys."""
Tables = dict[str, Rows]
KEYS: dict[str, tuple[str, ...]] = {
    "school": ("tenant", "school"),
    "class": ("tenant", "class"),
    "class_change": ("tenant", "class", "at"),
    "staff": ("tenant", "class", "staff"),
    "enrolment": ("tenant", "class", "learner"),
    "enrolment_change": ("tenant", "class", "learner", "at"),
    "assignment": ("tenant", "person", "role", "kind", "target"),
    "framework": ("tenant", "framework"),
    "competency": ("tenant", "framework", "version", "code"),
    "association": ("tenant", "framework", "version", "origin", "destination", "type"),
    "advancement": ("tenant", "learner", "position"),
    "waiting": ("tenant", "learner", "scope", "queue"),
    "term_snapshot": ("tenant", "learner", "term"),
    "term_amendment": ("tenant", "learner", "term", "position"),
    "merged": ("tenant", "learner"),
    "suggestion": ("tenant", "learner", "id"),
}
_ROSTER: dict[str, tuple[str, type[msgspec.Struct]]] = {
    ROSTER_SCHOOL: ("school", RosterSchool),
    ROSTER_CLASS: ("class", RosterClass),
    ROSTER_STAFF: ("staff", RosterStaff),
    ROSTER_ENROLMENT: ("enrolment", RosterEnrolment),
    ROSTER_ASSIGNMENT: ("assignment", RosterAssignment),
}


def audit_read_models(sources: Sources, tenant: str | None, findings: Findings, say: Callable[[str], None]) -> None:
    """Compare every read-model table but those of states with its log, of one tenant or of all."""
    say("recomputing the read models from their logs")
    computed: Tables = {table: {} for table in KEYS}
    for client, log, fold in (
        (sources.evidence, "roster", fold_roster),
        (sources.progression, "curriculum", fold_curriculum),
        (sources.progression, "advancement", fold_advancement),
        (sources.progression, "support", fold_support),
    ):
        for event in _events(sources, client, log):
            if tenant is None or event.tenant == tenant:
                fold(event, computed)
    for table, keys in KEYS.items():
        held = {tuple(row[key] for key in keys): row for row in sources.rows(table, tenant)}
        findings.mismatched_read_models += findings.different(f"reporting {table}", computed[table], held)


def _events(sources: Sources, client: httpx.Client, log: str) -> Iterable[Envelope]:
    for shard, head in sorted(sources.heads(client, log).items()):
        yield from sources.events(client, log, shard, head)


def fold_roster(event: Envelope, tables: Tables) -> None:
    """Fold an event of the roster: the last word on a key rules; of members and schools of classes every word is kept."""
    if event.type == ROSTER_ASSIGNED_ANEW:
        before = (event.tenant, "learner", event.subject)
        kept = {key: row for key, row in tables["assignment"].items() if (key[0], *key[3:]) != before}
        tables["assignment"] = kept
    if event.type not in _ROSTER:
        return
    table, of = _ROSTER[event.type]
    members = msgspec.to_builtins(msgspec.json.decode(event.data, type=of))
    row = {"tenant": event.tenant} | {("class" if name == "class_id" else name): v for name, v in members.items()}
    tables[table][tuple(row[key] for key in KEYS[table])] = row
    if table == "enrolment":
        change = row | {"at": event.time}
        tables["enrolment_change"][tuple(change[key] for key in KEYS["enrolment_change"])] = change
    if table == "class":
        moved = {"tenant": event.tenant, "class": row["class"], "at": event.time, "school": row["school"]}
        tables["class_change"][tuple(moved[key] for key in KEYS["class_change"])] = moved


def fold_curriculum(event: Envelope, tables: Tables) -> None:
    """Fold a part of a framework: its version is current once the last part has come."""
    if event.type != FRAMEWORK_PUBLISHED:
        return
    part = msgspec.json.decode(event.data, type=FrameworkPublished)
    place = {"tenant": event.tenant, "framework": part.framework, "version": part.version}
    for each in part.competencies:
        members = {
            name: getattr(each, name)
            for name in ("title", "ordinal", "level", "subject", "parent", "dok", "power", "identifier")
        }
        row = place | {"code": each.code} | members | {"position": event.position}
        tables["competency"][(*place.values(), each.code)] = row
    for edge in part.associations:
        ends = {"origin": edge.origin, "destination": edge.destination, "type": edge.type}
        tables["association"][(*place.values(), *ends.values())] = place | ends
    if part.part == part.parts:
        tables["framework"][event.tenant, part.framework] = {
            "tenant": event.tenant, "framework": part.framework, "title": part.title, "version": part.version
        }  # fmt: skip


def fold_advancement(event: Envelope, tables: Tables) -> None:
    """Fold a public event: a row of the log, and what it opens and closes; a part of a term; or who is merged into whom."""
    _fold_term(event, tables)
    if event.type in (MERGED, UNMERGED):
        into = msgspec.json.decode(event.data, type=Identified).into if event.type == MERGED else None
        tables["merged"][event.tenant, event.subject] = {"tenant": event.tenant, "learner": event.subject, "kept": into}
    kind = kind_of(event.type)
    if kind is None:
        return
    told = msgspec.json.decode(event.data, type=Told)
    learner, scope = told.learner.id, told.scope
    tables["advancement"][event.tenant, learner, event.position] = {
        "tenant": event.tenant, "learner": learner, "position": event.position, "id": event.id, "kind": kind,
        "scope_kind": scope.kind, "scope": scope.id, "framework": scope.framework, "seq": told.seq,
        "effective_at": told.effective_at or told.decided_at, "decided_at": told.decided_at,
    }  # fmt: skip
    waiting = tables["waiting"]
    for of, queue, entry in waits(kind, told):
        key = (event.tenant, learner, of, queue)
        if entry is not None:
            waiting[key] = dict(zip(KEYS["waiting"], key, strict=True)) | {
                "opened_at": entry.opened_at, "closed_at": None, "due_by": entry.due_by, "owner": entry.owner,
                "detail": "\n".join(entry.detail),
            }  # fmt: skip
        elif key in waiting and waiting[key]["closed_at"] is None:
            waiting[key]["closed_at"] = told.decided_at


def _fold_term(event: Envelope, tables: Tables) -> None:
    place: dict[str, Any]
    if event.type == SNAPSHOT_CLOSED:
        closed = msgspec.json.decode(event.data, type=SnapshotClosed)
        place = {"tenant": event.tenant, "learner": closed.learner.id, "term": closed.session}
        tables["term_snapshot"][tuple(place.values())] = place | {
            "position": event.position, "id": event.id, "digest": closed.digest, "standings": closed.standings
        }  # fmt: skip
    elif event.type == SNAPSHOT_AMENDED:
        told = msgspec.json.decode(event.data, type=SnapshotAmended)
        place = {"tenant": event.tenant, "learner": told.learner.id, "term": told.session, "position": event.position}
        tables["term_amendment"][tuple(place.values())] = place | {
            "id": event.id, "scope_kind": told.scope.kind, "scope": told.scope.id, "title": told.scope.title or None,
            "before": told.before, "after": told.after, "effective_at": told.effective_at, "decided_at": told.decided_at,
            "cause_kind": told.cause.kind, "cause": told.cause.id, "reason": told.reason.text, "digest": told.digest,
        }  # fmt: skip


def fold_support(event: Envelope, tables: Tables) -> None:
    """Fold an event of the restricted log: what is suggested, and what came of it."""
    if event.type == SUPPORT_SUGGESTED:
        told = msgspec.json.decode(event.data, type=SupportSuggested)
        key = (event.tenant, told.learner.id, event.id)
        tables["suggestion"][key] = dict(zip(KEYS["suggestion"], key, strict=True)) | {
            "opened_at": told.decided_at, "due_by": told.respond_by, "owner": told.owner, "closed_at": None,
            "outcome": None, "days": None, "scope": told.scope.id, "side": told.side, "cause": told.need,
            "waiting_since": told.waiting_since, "weakest": told.weakest_prerequisite, "detail": "\n".join(told.tried),
        }  # fmt: skip
    elif event.type == SUPPORT_CLOSED:
        closed = msgspec.json.decode(event.data, type=SupportClosed)
        row = tables["suggestion"].get((event.tenant, closed.learner.id, closed.replaces))
        if row is not None:
            asked = dict.fromkeys(("scope", "side", "cause", "waiting_since", "weakest", "detail"))
            row |= {"closed_at": closed.decided_at, "outcome": closed.outcome, "days": closed.days} | asked
