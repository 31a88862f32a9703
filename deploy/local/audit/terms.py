"""
The part of the audit on terms: all states are copied where the log closes a term, and compared with what reporting has of it.

reporting copies a state only before its first change behind a closing; here every closing copies everything. The digests that
were told of a term are computed from these copies and the public events, as a receiver would.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from deploy.local.audit.findings import Findings
from deploy.local.audit.sources import Sources
from services.progression.domain.inputs import Key
from services.reporting.domain.amended import LEVEL_EVENTS, LevelTold, levels_of
from services.reporting.domain.told import Told, kind_of
from shared.contracts.internal_events import IDENTITY_ERASED, MASTERY_UPDATED, MasteryUpdated
from shared.contracts.public_events import ERASED, SNAPSHOT_AMENDED, SNAPSHOT_CLOSED, SnapshotAmended, SnapshotClosed
from shared.contracts.snapshots import TERM_CLOSED, Ended, TermClosed, digest_after, digest_of
from shared.events import Envelope
from shared.shards import shard_of

MEMBERS = ("status", "score", "evidence_count", "last_evidence_at", "mastered_at", "seq")
Row = tuple[Any, ...]
Term = tuple[str, str, int]
"""Tenant, term and shard."""


def audit_terms(sources: Sources, tenant: str | None, findings: Findings, say: Callable[[str], None]) -> None:
    """
    Compare what every term ended with, of one tenant or of all, and where its closing is in the log.

    The log is read where a term is known; that those told are, `audit_read_models` finds out.
    """
    held = {
        (row["tenant"], row["term"], row["shard"]): (
            row["position"],
            row["of_shards"],
            row["closed_at"],
            row["closed_by"],
        )
        for row in sources.rows("term", tenant)
    }
    if not held and next(iter(sources.rows("term_snapshot", tenant)), None) is None:
        return
    say("recomputing what terms ended with")
    terms: dict[Term, Row] = {}
    frozen: dict[Term, dict[Key, Row]] = {}
    heads = sources.heads(sources.progression, "progression")
    for shard, head in sorted(heads.items()):
        states: dict[Key, Row] = {}
        for event in sources.events(sources.progression, "progression", shard, head):
            if tenant is None or event.tenant == tenant:
                _fold(event, states, terms, frozen)
        _check_digests(sources, tenant, shard, frozen, findings)
    findings.mismatched_read_models += findings.different("reporting term", terms, held)
    live = {_key(row): _members(row) for row in sources.rows("mastery", tenant)}
    kept: dict[Key, dict[str, Row]] = {}
    for row in sources.rows("term_record", tenant):
        kept.setdefault(_key(row), {})[row["term"]] = _members(row)
    shards = len(heads)
    for term, states in frozen.items():
        ended_with = _ended_with(term, shards, terms, live, kept)
        findings.mismatched_read_models += findings.different(f"reporting term {term}", states, ended_with)


def _fold(event: Envelope, states: dict[Key, Row], terms: dict[Term, Row], frozen: dict[Term, dict[Key, Row]]) -> None:
    if event.type == MASTERY_UPDATED:
        state = msgspec.json.decode(event.data, type=MasteryUpdated)
        states[event.tenant, state.learner, state.competency] = tuple(getattr(state, name) for name in MEMBERS)
    elif event.type == TERM_CLOSED:
        told = msgspec.json.decode(event.data, type=TermClosed)
        term = (event.tenant, told.term, event.shard)
        terms[term] = (event.position, told.of_shards, told.closed_at, told.closed_by)
        frozen[term] = {key: row for key, row in states.items() if key[0] == event.tenant}
    elif event.type == IDENTITY_ERASED:
        for known in (states, *frozen.values()):
            for key in [key for key in known if key[:2] == (event.tenant, event.subject)]:
                del known[key]


def _check_digests(
    sources: Sources, tenant: str | None, shard: int, frozen: dict[Term, dict[Key, Row]], findings: Findings
) -> None:
    """Hold the digests that a shard told against those of what it had told before: of states, levels and amendments."""
    competencies: dict[tuple[str, str, str], list[Ended]] = {}
    for (of, term, place), states in frozen.items():
        for (_, name, competency), row in states.items() if place == shard else ():
            competencies.setdefault((of, name, term), []).append(Ended("competency", competency, row[0], row[4] or ""))
    levels: dict[tuple[str, str], list[LevelTold]] = {}
    digests: dict[tuple[str, str, str], str] = {}
    head = sources.heads(sources.progression, "advancement").get(shard, 0)
    for event in sources.events(sources.progression, "advancement", shard, head):
        if tenant is not None and event.tenant != tenant:
            continue
        learner = (event.tenant, event.subject)
        if kind_of(event.type) in LEVEL_EVENTS:
            levels.setdefault(learner, []).append(_level(event))
        elif event.type == SNAPSHOT_CLOSED:
            closed = msgspec.json.decode(event.data, type=SnapshotClosed)
            standings = competencies.get((*learner, closed.session), [])
            of_levels = levels_of(levels.get(learner, ())).get(event.subject, ())
            standings += [Ended("level", level.level, level.status, level.event) for level in of_levels]
            digests[*learner, closed.session] = digest_of(standings)
            _compare_digest(event, digests[*learner, closed.session], closed.digest, findings)
        elif event.type == SNAPSHOT_AMENDED:
            told = msgspec.json.decode(event.data, type=SnapshotAmended)
            before = digests.get((*learner, told.session), digest_of(()))
            now = Ended(told.scope.kind, told.scope.id, told.after, told.mark)
            digests[*learner, told.session] = digest_after(before, now)
            _compare_digest(event, digests[*learner, told.session], told.digest, findings)
        elif event.type == ERASED:
            levels.pop(learner, None)


def _level(event: Envelope) -> LevelTold:
    told = msgspec.json.decode(event.data, type=Told)
    kind = kind_of(event.type) or ""
    effective_at = told.effective_at or told.decided_at
    return LevelTold(
        event.subject, event.id, kind, told.scope.id, told.scope.framework, effective_at, told.levels_affected
    )


def _compare_digest(event: Envelope, computed: str, told: str, findings: Findings) -> None:
    if computed != told:
        findings.mismatched_states += 1
        findings.note(f"{event.type} of learner {event.subject}: digest {told}, computed {computed}")


def _ended_with(
    term: Term, shards: int, terms: dict[Term, Row], live: dict[Key, Row], kept: dict[Key, dict[str, Row]]
) -> dict[Key, Row]:
    """Return what reporting has of a term: the first copy that was made at its closing or a later one, else the state."""
    tenant, _, shard = term
    later = sorted((terms[each][0], each[1]) for each in terms if (each[0], each[2]) == (tenant, shard))
    names = [name for position, name in later if position >= terms[term][0]]
    found = {}
    for key in live.keys() | kept.keys():
        if key[0] == tenant and shard_of(tenant, key[1], shards) == shard:
            copies = kept.get(key, {})
            row = next((copies[name] for name in names if name in copies), live.get(key))
            if row is not None and row[0] is not None:
                found[key] = row
    return found


def _key(row: dict[str, Any]) -> Key:
    """Return whose state a row is, of what."""
    return row["tenant"], row["learner"], row["competency"]


def _members(row: dict[str, Any]) -> Row:
    """Return what is compared of a row."""
    return tuple(row[name] for name in MEMBERS)
