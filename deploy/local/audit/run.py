"""
The audit behind `attain verify`: everything computed again from the evidence log, and compared with what the services hold.

It reads the feeds and dumps as any reader could, takes pins and decisions from progression's journal, and folds in plain
memory with the pure domain alone. The final value of every key is also replayed from its set of evidence, so the
incremental fold is checked against the definition.
"""

import hashlib
from collections import Counter
from collections.abc import Callable

from deploy.local.audit.erasures import look_for_erased
from deploy.local.audit.findings import Findings
from deploy.local.audit.journal import EMPTIED, Documents, fold_journal
from deploy.local.audit.sources import Journalled, Sources, State
from deploy.local.audit.terms import audit_terms
from deploy.local.audit.told import LOGS, audit_told, identities_told, told_by
from deploy.local.audit.views import audit_read_models
from services.progression.domain.describing import describe
from services.progression.domain.inputs import Key, Learner, valid_pieces
from services.progression.domain.learner import LearnerState
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.standing import rule_of
from shared.contracts.internal_events import EVIDENCE_RECORDED, MasteryUpdated
from shared.events import Envelope


def audit(sources: Sources, tenant: str | None, say: Callable[[str], None]) -> Findings:
    """Audit every shard, of one tenant or of all; the services should be drained and quiet."""
    findings = Findings()
    documents = Documents(sources)
    heads = sources.heads(sources.evidence, "evidence")
    told_heads = {log: sources.heads(sources.progression, log) for log in LOGS}
    say("reading what progression and reporting hold")
    held = sources.states(sources.progression, tenant)
    recorded = sources.standings(tenant)
    shown = sources.states(sources.reporting, tenant)
    computed: dict[Key, State] = {}
    standings: dict[Learner, LearnerState] = {}
    for shard, head in sorted(heads.items()):
        say(f"shard {shard + 1} of {len(heads)}: {head:,} events")
        states, learners = _audit_shard(sources, shard, head, told_heads, tenant, documents, findings)
        computed |= states
        standings |= learners
    findings.mismatched_states += findings.different("progression", computed, held)
    compare_standings(standings, recorded, findings)
    findings.mismatched_read_models += findings.different("reporting", computed, shown)
    audit_read_models(sources, tenant, findings, say)
    audit_terms(sources, tenant, findings, say)
    look_for_erased(sources, tenant, [*held, *recorded, *shown], findings)
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
) -> tuple[dict[Key, State], dict[Learner, LearnerState]]:
    """Audit a shard's journal and what it has told; return the states and standings that the journal gives."""
    events = {event.position: event for event in sources.events(sources.evidence, "evidence", shard, head)}
    findings.lost += head - len(events)
    journal = list(sources.journal(shard))
    _check_density(shard, head, journal, events, findings)
    fold, learners, told = fold_journal(journal, events, tenant, documents)
    expected = told | identities_told(journal, events, tenant)
    audit_told(told_by(sources, shard, told_heads), expected, tenant, findings)
    findings.evidence += sum(
        event.type == EVIDENCE_RECORDED and (tenant is None or event.tenant == tenant) for event in events.values()
    )
    for learner, reason in fold.blocked.items():
        findings.note(f"learner {learner} cannot be folded: {reason}")
    return _values(fold, documents, findings), learners


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
                        breaks=state.breaks, extended=state.extended)  # fmt: skip
        plain = replay(held, valid_pieces(entry.evidence or {}), rule, pin)
        values[key] = _state(describe(key, plain, documents.policies))
        if values[key] != _state(describe(key, entry.state, documents.policies)):
            findings.mismatched_states += 1
            findings.note(f"{key}: the incremental fold differs from the replay")
    return values


def _state(described: MasteryUpdated) -> State:
    return (described.status, described.score, described.evidence_count, described.last_evidence_at,
            described.mastered_at)  # fmt: skip


def compare_standings(
    computed: dict[Learner, LearnerState], held: dict[Learner, LearnerState], findings: Findings
) -> None:
    """Hold what learners have on the record and were told against the journal; who has nothing may have no row."""
    nothing = LearnerState()
    for learner in computed.keys() | held.keys():
        ours, theirs = computed.get(learner, nothing), held.get(learner, nothing)
        if ours != theirs:
            findings.mismatched_standings += 1
            names = [name for name in LearnerState.__struct_fields__ if getattr(ours, name) != getattr(theirs, name)]
            other = f"holds other {', '.join(names)}"
            findings.note_told(f"a standing {other}", f"the standing of {learner} {other} than computed")


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
