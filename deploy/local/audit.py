"""
The audit behind `attain verify`: everything computed again from the evidence log, and compared with what the services hold.

It reads the feeds and dumps as any reader could, takes pins and decisions from progression's journal, and folds in plain
memory with the pure domain alone. The final value of every key is also replayed from its set of evidence, so the
incremental fold is checked against the definition.
"""

import hashlib
from collections import Counter
from collections.abc import Callable

import msgspec

from deploy.local.audit_erasures import look_for_erased
from deploy.local.audit_findings import Findings
from deploy.local.audit_journal import EMPTIED, Documents, fold_journal
from deploy.local.audit_sources import Journalled, Sources, State
from deploy.local.audit_terms import audit_terms
from deploy.local.audit_views import audit_read_models
from services.progression.domain.describing import describe
from services.progression.domain.identities import told_of
from services.progression.domain.inputs import Key, valid_pieces
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.standing import rule_of
from shared.contracts import EVIDENCE_RECORDED, IDENTITY_ERASED, MasteryUpdated
from shared.events import Envelope
from shared.public_events import SNAPSHOT_AMENDED, SNAPSHOT_CLOSED

UNDECIDED = ("attain.recalculation.started.v1", "attain.recalculation.finished.v1", IDENTITY_ERASED)
"""What the fold does not decide: what brackets a recalculation, and that readers of a log are to forget somebody."""
SNAPSHOTS = (SNAPSHOT_CLOSED, SNAPSHOT_AMENDED)


class _Digest(msgspec.Struct):
    digest: str


def audit(sources: Sources, tenant: str | None, say: Callable[[str], None]) -> Findings:
    """Audit every shard, of one tenant or of all; the services should be drained and quiet."""
    findings = Findings()
    documents = Documents(sources)
    heads = sources.heads(sources.evidence, "evidence")
    told_heads = {log: sources.heads(sources.progression, log) for log in ("advancement", "support")}
    say("reading what progression and reporting hold")
    held = sources.states(sources.progression, tenant)
    shown = sources.states(sources.reporting, tenant)
    computed: dict[Key, State] = {}
    for shard, head in sorted(heads.items()):
        say(f"shard {shard + 1} of {len(heads)}: {head:,} events")
        _audit_shard(sources, shard, head, told_heads, tenant, documents, findings, computed)
    _compare(computed, held, "progression", findings)
    _compare(computed, shown, "reporting", findings)
    audit_read_models(sources, tenant, findings, say)
    audit_terms(sources, tenant, findings, say)
    look_for_erased(sources, tenant, [*held, *shown], findings)
    findings.state_digest = digest(computed, sources.identities(tenant))
    return findings


def _audit_shard(
    sources: Sources,
    shard: int,
    head: int,
    told_heads: dict[str, dict[int, int]],
    tenant: str | None,
    documents: Documents,
    findings: Findings,
    computed: dict[Key, State],
) -> None:
    events = {event.position: event for event in sources.events(sources.evidence, "evidence", shard, head)}
    findings.lost += head - len(events)
    journal = list(sources.journal(shard))
    _check_density(shard, head, journal, events, findings)
    fold, digests = fold_journal(journal, events, tenant, documents)
    expected = digests.keys() | _identities(journal, events, tenant)
    told = [
        event
        for log, head_of in told_heads.items()
        for event in sources.events(sources.progression, log, shard, head_of[shard])
        if (tenant is None or event.tenant == tenant)
        and event.type not in UNDECIDED
        and not event.type.endswith(EMPTIED)
    ]
    ids = {event.id for event in told}
    findings.missing_events += len(expected - ids)
    findings.extra_events += len(told) - len(ids & expected)
    for event in told:
        if (
            event.type in SNAPSHOTS
            and digests.get(event.id, "") != msgspec.json.decode(event.data, type=_Digest).digest
        ):
            findings.mismatched_states += 1
            findings.note(f"learner {event.subject}: {event.type} has another digest than {digests.get(event.id)}")
    findings.evidence += sum(
        event.type == EVIDENCE_RECORDED and (tenant is None or event.tenant == tenant) for event in events.values()
    )
    for learner, reason in fold.blocked.items():
        findings.note(f"learner {learner} cannot be folded: {reason}")
    computed |= _values(fold, documents, findings)


def _identities(journal: list[Journalled], events: dict[int, Envelope], tenant: str | None) -> set[str]:
    """Return the ids of the public events on who learners are."""
    found = (
        told_of(row.type, row.tenant, row.learner, row.id, row.time, events[row.input_pos].data)
        for row in journal
        if row.body is None and row.input_pos in events and (tenant is None or row.tenant == tenant)
    )
    return {told.id for told in found if told is not None}


def _check_density(
    shard: int, head: int, journal: list[Journalled], events: dict[int, Envelope], findings: Findings
) -> None:
    """Hold the journal against the evidence log: every position once, with the same id."""
    of_evidence = [row for row in journal if row.body is None]
    folded = Counter(row.input_pos for row in of_evidence)
    lost = [pos for pos in range(1, head + 1) if pos not in folded]
    findings.lost += len(lost)
    findings.duplicated += sum(count - 1 for count in folded.values() if count > 1)
    findings.mismatched_states += sum(
        row.input_pos in events and not row.type.endswith(EMPTIED) and events[row.input_pos].id != row.id
        for row in of_evidence
    )
    ids = Counter(e.id for e in events.values() if e.type == EVIDENCE_RECORDED)
    findings.duplicated += sum(count - 1 for count in ids.values() if count > 1)
    positions = [row.pos for row in journal]
    if positions != list(range(1, len(positions) + 1)):
        findings.lost += 1
        findings.note(f"the journal of shard {shard} is not dense")
    if lost:
        findings.note(f"shard {shard}: positions {lost[:5]} of the evidence log are not in the journal")


def _values(fold: ShardFold, documents: Documents, findings: Findings) -> dict[Key, State]:
    """Return the value of every key, from its set of evidence; count where the incremental fold disagrees."""
    values: dict[Key, State] = {}
    for key, entry in fold.entries.items():
        pin = entry.state.policy
        policy = documents.policies.get(pin)
        rule = rule_of(policy, entry.state)
        state = entry.state
        held = KeyState(decided=state.decided, clock=state.clock, time_zone=state.time_zone, dok=state.dok,
                        breaks=state.breaks)  # fmt: skip
        plain = replay(held, valid_pieces(entry.evidence or {}), rule, pin)
        values[key] = _state(describe(key, plain, documents.policies))
        if values[key] != _state(describe(key, entry.state, documents.policies)):
            findings.mismatched_states += 1
            findings.note(f"{key}: the incremental fold differs from the replay")
    return values


def _state(described: MasteryUpdated) -> State:
    return (described.status, described.score, described.evidence_count, described.last_evidence_at,
            described.mastered_at)  # fmt: skip


def _compare(computed: dict[Key, State], held: dict[Key, State], where: str, findings: Findings) -> None:
    different = [key for key in computed.keys() | held.keys() if computed.get(key) != held.get(key)]
    for key in different[:5]:
        findings.note(f"{where} {key}: holds {held.get(key)}, computed {computed.get(key)}")
    if where == "progression":
        findings.mismatched_states += len(different)
    else:
        findings.mismatched_read_models += len(different)


def digest(states: dict[Key, State], identities: dict[tuple[str, str], tuple[str, str]]) -> str:
    """
    Return the SHA-256 over the sorted, tab-separated lines of all states, without opaque ids, positions or clocks.

    A line is tenant, source, source's learner id (the smallest pair), competency, status, score (12 significant digits),
    evidence count, mastered_at. A key of which nothing is left is as one of which there never was anything.
    """
    lines = []
    for (tenant, learner, competency), (status, score, count, _, mastered_at) in states.items():
        if status == "no_evidence":
            continue
        source, source_id = identities.get((tenant, learner), ("", ""))
        shown = "" if score is None else f"{score:.12g}"
        lines.append("\t".join((tenant, source, source_id, competency, status, shown, str(count), mastered_at or "")))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
