"""What people decided of a learner and why, as the journal has it: also what changed nothing, of which no event tells."""

from itertools import chain

import msgspec

from services.progression.domain.decisions import COMPETENCY_DECIDED, LEVEL_DECIDED, CompetencyDecided, LevelDecided
from services.progression.domain.inputs import decode
from services.progression.domain.journal import unpack_entries
from services.progression.domain.plans import Plan
from services.progression.tables import journals
from shared.contracts.public_members import By
from shared.database import Database
from shared.shards import shard_of


class DecidedOf(msgspec.Struct, frozen=True, kw_only=True):
    """
    A decision of a person on a competency, a level or a goal (`scope`); `undoes` is the id of the one that it lifts.

    `until` is when an override ends, `review_at` the day on which a refusal is looked at again. `plan` is what an individual
    plan says, also one that has ended since; a decision of the kind `plan` without it ends the one that it lifts.
    """

    id: str
    decided_at: str
    scope: str
    kind: str
    by: By
    reason: str
    basis: str | None = None
    status: str | None = None
    until: str | None = None
    undoes: str | None = None
    provenance: str | None = None
    evidence: tuple[str, ...] = ()
    review_at: str | None = None
    appeal_to: str | None = None
    plan: Plan | None = None


async def decisions_of(database: Database, shards: int, tenant: str, learner: str) -> list[DecidedOf]:
    """Return what people decided of a learner, in the order folded; what is about support is apart."""
    async with database.connection() as connection:
        bodies = await journals.load_journal_of(connection, shard_of(tenant, learner, shards), tenant, learner)
    found = {}
    for entry in chain.from_iterable(map(unpack_entries, bodies)):
        event = decode(entry.type, entry.data) if entry.type in (COMPETENCY_DECIDED, LEVEL_DECIDED) else None
        if isinstance(event, CompetencyDecided) and event.author:
            found[entry.pos] = _on_competency(entry.id, entry.time, event)
        elif isinstance(event, LevelDecided):
            found[entry.pos] = _on_level(entry.id, entry.time, event)
    return [found[pos] for pos in sorted(found)]


def _on_competency(id: str, time: str, event: CompetencyDecided) -> DecidedOf:
    planned = event.kind == "plan"
    return DecidedOf(
        id=id, decided_at=time, scope=event.competency, kind=event.kind, by=By(event.role, event.author), reason=event.reason,
        basis=None if planned else event.basis, status=event.status, until=None if planned else event.until,
        undoes=event.undoes or None, provenance=event.provenance or None, evidence=event.evidence, plan=event.plan,
    )  # fmt: skip


def _on_level(id: str, time: str, event: LevelDecided) -> DecidedOf:
    return DecidedOf(
        id=id, decided_at=time, scope=event.level, kind=event.kind, by=By(event.role, event.author), reason=event.reason,
        review_at=event.review_at, appeal_to=event.appeal_to or None,
    )  # fmt: skip
