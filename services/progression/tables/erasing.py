"""Statements that forget a learner: rows go, and what the journal holds keeps its place and loses its content."""

from collections.abc import Collection

from services.progression.domain.inputs import Learner
from services.progression.domain.journal import JournalEntry, origin_of, pack_entries, unpack_entries
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.database import Connection, columns
from shared.event_log import EventLog
from shared.events import EMPTY, redacted_type

OF_LEARNER = ("mastery", "learner_standing", "blocked_learner", "shadow_difference", "disclosure")
"""Tables whose rows are of one tenant's one learner, or where they name none of all."""


async def erase(connection: Connection, shard: int, tenant: str, learner: str, logs: list[EventLog]) -> None:
    """Forget a learner in the transaction of the shard's owner; `logs` are emptied of the learner."""
    for table in OF_LEARNER:
        await connection.execute(f"delete from {table} where tenant = $1 and learner = $2", tenant, learner)
    # Where it bounds what somebody was given, whoever comes before it does from now on: between the two there is nobody.
    await connection.execute(
        "update standing_disclosure d set behind = case when behind = $2 then k.before else behind end,"
        "   last = case when last = $2 then k.before else last end"
        " from (select coalesce(max(learner), '') as before from mastery where tenant = $1 and learner < $2) k"
        " where d.tenant = $1 and $2 in (d.behind, d.last)",
        tenant,
        learner,
    )
    await connection.execute(
        "delete from webhook_held h using webhook w where w.id = h.webhook and w.tenant = $1 and h.learner = $2",
        tenant,
        learner,
    )
    rows = await connection.fetch(
        "select batch, no, body from journal where learner = $1 and tenant = $2 and shard = $3", learner, tenant, shard
    )
    emptied = [(batch, no, pack_entries([_emptied(e) for e in unpack_entries(body)])) for batch, no, body in rows]
    await connection.execute(
        "update journal j set body = k.body, competency = '',"
        "   learner = case when position($5::bytea in k.body) > 0 then j.learner else '' end"
        " from unnest($2::bigint[], $3::int[], $4::bytea[]) k (batch, no, body)"
        " where j.shard = $1 and j.batch = k.batch and j.no = k.no",
        shard,
        *columns(emptied, 3),
        IDENTITY_ERASED.encode(),
    )
    for log in logs:
        await log.redact(connection, shard, tenant, learner)


async def is_erased(connection: Connection, shard: int, tenant: str, learner: str) -> bool:
    """Tell whether the journal says that a learner was erased."""
    return bool(await erased_of(connection, shard, [(tenant, learner)]))


async def erased_of(connection: Connection, shard: int, learners: Collection[Learner]) -> set[Learner]:
    """Return those of the learners of whom the journal says that they were erased."""
    # What else is journalled of a learner and no competency may hold these bytes too: in a reason, say.
    rows = await connection.fetch(
        "select j.tenant, j.learner, j.body from unnest($2::text[], $3::text[]) k (tenant, learner)"
        " join journal j on j.learner = k.learner and j.competency = '' and j.tenant = k.tenant and j.shard = $1"
        " where position($4::bytea in j.body) > 0",
        shard,
        *columns(learners, 2),
        IDENTITY_ERASED.encode(),
    )
    return {
        (tenant, learner)
        for tenant, learner, body in rows
        if any(entry.type == IDENTITY_ERASED for entry in unpack_entries(body))
    }


def _emptied(entry: JournalEntry) -> JournalEntry:
    """Return the entry without what it said; that the learner is erased stays said."""
    if entry.type == IDENTITY_ERASED:
        return entry
    return JournalEntry(entry.pos, redacted_type(origin_of(entry.type)), "", entry.input_pos, entry.time, EMPTY)
