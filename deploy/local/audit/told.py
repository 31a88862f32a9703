"""The part of the audit on what progression tells: its public and restricted logs, event by event, against the journal."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from deploy.local.audit.findings import Findings
from deploy.local.audit.journal import EMPTIED
from deploy.local.audit.sources import Journalled, Sources
from services.progression.domain.curriculum import is_level
from services.progression.domain.identities import told_of
from services.progression.domain.telling import Told
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.contracts.public_events import ADVANCEMENT_EVENTS
from shared.contracts.support_events import SUPPORT_EVENTS
from shared.events import Envelope, encode_json

LOGS = ("advancement", "support")
UNDECIDED = ("attain.recalculation.started.v1", "attain.recalculation.finished.v1", IDENTITY_ERASED)
"""What the fold does not decide: what brackets a recalculation, and that readers of a log are to forget somebody."""

CONTRACTS = ADVANCEMENT_EVENTS | SUPPORT_EVENTS
LATER = frozenset({"before", "after", "basis", "policy"})
"""Members that events on levels have now, and that lack together in what was told of levels before there were any."""


def identities_told(
    journal: Iterable[Journalled], events: Mapping[int, Envelope], tenant: str | None
) -> dict[str, Told]:
    """Return the public events on who learners are, by id."""
    found = (
        told_of(row.type, row.tenant, row.learner, row.id, row.time, events[row.input_pos].data)
        for row in journal
        if row.body is None and row.input_pos in events and (tenant is None or row.tenant == tenant)
    )
    return {told.id: told for told in found if told is not None}


def audit_told(
    events: Iterable[Envelope], expected: Mapping[str, Told], tenant: str | None, findings: Findings
) -> None:
    """Compare what a shard has told, of one tenant or of all, with what is to be told: each once, and in every member."""
    lacking = set(expected)
    for event in events:
        if (tenant is not None and event.tenant != tenant) or event.type in UNDECIDED or event.type.endswith(EMPTIED):
            continue
        if event.id not in lacking:
            findings.extra_events += 1
            text = f"learner {event.subject}: {event.type} {event.id} is told again, or without a cause"
            findings.note_told(f"{event.type} is told again, or without a cause", text, event.time)
            continue
        lacking.remove(event.id)
        differences = list(_differences(event, expected[event.id]))
        findings.mismatched_events += bool(differences)
        for member, told, computed in differences:
            text = f"learner {event.subject}: {event.type} tells {member} {told}, computed {computed}"
            findings.note_told(f"{event.type} tells another {member}", text, event.time)
    findings.missing_events += len(lacking)
    for told in [expected[id] for id in sorted(lacking)]:
        text = f"learner {told.learner}: {told.type} {told.id} is not told"
        findings.note_told(f"{told.type} is not told", text, told.time)


def told_by(sources: Sources, shard: int, heads: Mapping[str, Mapping[int, int]]) -> Iterator[Envelope]:
    """Yield what a shard has told up to the heads of its logs."""
    for log, head_of in heads.items():
        yield from sources.events(sources.progression, log, shard, head_of[shard])


def _differences(event: Envelope, told: Told) -> Iterator[tuple[str, Any, Any]]:
    """Yield the members that differ, each with what was told and what was computed; one that lacks has its default."""
    of_event = {"type": event.type, "tenant": event.tenant, "subject": event.subject, "time": event.time}
    of_told = {"type": told.type, "tenant": told.tenant, "subject": told.learner, "time": told.time}
    defaults = _defaults(told.type)
    held = of_event | msgspec.json.decode(event.data)
    computed = of_told | msgspec.json.decode(encode_json(told.data))
    if is_level(computed.get("scope", {}).get("id", "")) and not LATER & held.keys():
        computed = {member: value for member, value in computed.items() if member not in LATER}
    for member in sorted(held.keys() | computed.keys()):
        says, is_due = (each.get(member, defaults.get(member)) for each in (held, computed))
        if says != is_due:
            yield member, says, is_due


@functools.cache
def _defaults(type_: str) -> dict[str, Any]:
    """Return the members that an event of a type may lack, with what readers take them for then."""
    contract = CONTRACTS.get(type_)
    fields = msgspec.structs.fields(contract) if contract is not None else ()
    return {
        each.encode_name: msgspec.to_builtins(each.default) for each in fields if each.default is not msgspec.NODEFAULT
    }
