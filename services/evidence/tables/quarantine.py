"""Statements on what cannot be used, or not yet: quarantined and parked pieces, with their original bytes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from msgspec.structs import astuple

from services.evidence.domain.quarantine import Refusal
from shared.database import Connection, affected, columns
from shared.expiry import Days, Gone, Kept, remove_older

_LISTED = (
    "quarantine_id, seq, status, source, item_id, reason, pointer, detail, awaits, way, attempts, received_at,"
    " evidence_id, form, awaits_entry"
)


async def add(connection: Connection, refusals: Sequence[Refusal], way: str, received_at: datetime) -> set[str]:
    """Store refusals; return the ids of those that were not stored before (a redelivery is)."""
    rows = await connection.fetch(
        "insert into quarantine (quarantine_id, tenant, status, source, item_id, learner_source_id, reason, pointer,"
        "   detail, original, form, way, attempts, received_at)"
        " select k.quarantine_id, k.tenant, 'quarantined', k.source, k.item_id, k.learner, k.reason, k.pointer,"
        "   k.detail, k.original, k.form, $11, 1, $12"
        " from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"
        "   $9::bytea[], $10::text[])"
        "   k (quarantine_id, tenant, source, item_id, learner, reason, pointer, detail, original, form)"
        " on conflict do nothing returning quarantine_id",
        *columns(map(astuple, refusals), 10),
        way,
        received_at,
    )
    return {str(row["quarantine_id"]) for row in rows}


async def park(connection: Connection, rows: Sequence[Sequence[Any]], received_at: datetime) -> None:
    """
    Store parked pieces, or what an already parked one waits for now; they are known by their evidence id.

    Rows: evidence id, tenant, source, id, learner, reason, pointer, detail, awaits, way, original bytes,
    form, the entry of the alignment map that it waits for, the version of the map in which it was not there.
    """
    if rows:
        await connection.execute(
            "insert into quarantine as q (quarantine_id, evidence_id, tenant, status, source, item_id,"
            "   learner_source_id, reason, pointer, detail, awaits, way, original, form, awaits_entry, seen, attempts,"
            "   received_at)"
            " select k.evidence_id, k.evidence_id, k.tenant, 'parked', k.source, k.item_id, k.learner, k.reason,"
            "   k.pointer, k.detail, k.awaits, k.way, k.original, k.form, k.awaits_entry, k.seen, 1, $15"
            " from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
            "   $8::text[], $9::text[], $10::text[], $11::bytea[], $12::text[], $13::text[], $14::bigint[])"
            "   k (evidence_id, tenant, source, item_id, learner, reason, pointer, detail, awaits, way, original, form,"
            "      awaits_entry, seen)"
            " on conflict (quarantine_id) do update set status = 'parked', reason = excluded.reason,"
            "   pointer = excluded.pointer, detail = excluded.detail, awaits = excluded.awaits,"
            "   awaits_entry = excluded.awaits_entry, seen = excluded.seen,"
            "   attempts = q.attempts + 1",
            *columns(rows, 14),
            received_at,
        )


async def release(connection: Connection, evidence_ids: Sequence[str]) -> None:
    """Mark parked pieces as taken in; their bytes are not needed any more."""
    if evidence_ids:
        await connection.execute(
            "update quarantine set status = 'released', original = '', awaits = null,"
            "   awaits_entry = null where quarantine_id = any($1::uuid[]) and status = 'parked'",
            evidence_ids,
        )


async def flowing(connection: Connection, limit: int, after: int = 0) -> list[asyncpg.Record]:
    """
    Return parked pieces whose competency is known now, in order of receipt, behind a `seq`.

    Known as intake knows it: by its id; where none has that id, and the alignment map named it, by its identifier. The
    recursion steps from one awaited competency to the next in the index, and `known` is made before pieces are joined, so
    looking competencies up costs their number, not the number of pieces.
    """
    return await connection.fetch(
        "with recursive waiting as ("
        " (select tenant, awaits from quarantine where status = 'parked' and awaits is not null"
        "   order by tenant, awaits limit 1)"
        " union all select n.tenant, n.awaits from waiting w cross join lateral (select tenant, awaits from quarantine"
        "   where status = 'parked' and awaits is not null and (tenant, awaits) > (w.tenant, w.awaits)"
        "   order by tenant, awaits limit 1) n),"
        " known as materialized (select w.tenant, w.awaits, c.is_id from waiting w cross join lateral ("
        "   select c.competency = w.awaits as is_id, c.retired from competency c"
        "   where c.tenant = w.tenant and (c.competency = w.awaits or c.identifier = w.awaits)"
        "   order by is_id desc, c.retired limit 1) c where not c.retired)"
        " select q.quarantine_id, q.tenant, q.original, q.form, q.seq from known k"
        " join quarantine q on q.status = 'parked' and q.tenant = k.tenant and q.awaits = k.awaits"
        "   and (k.is_id or q.awaits_entry is not null)"
        " where q.seq > $2 order by q.seq limit $1",
        limit,
        after,
    )


async def expire(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete what was quarantined and is too old; parked pieces wait on, whatever their age, for they are evidence."""
    kept = Kept("quarantine", "quarantine_id", "received_at", "t.status in ('quarantined', 'redriven')")
    return await remove_older(connection, "delete from quarantine", kept, days, rows)


async def count_parked(connection: Connection, at_most: int) -> dict[str, int]:
    """Return how many pieces wait for a competency, and for an entry of the alignment map, each up to a limit."""
    row = await connection.fetchrow(
        "select (select count(*) from (select from quarantine where status = 'parked' and awaits is not null limit $1) c)"
        "   as competency,"
        " (select count(*) from (select from quarantine where status = 'parked' and awaits_entry is not null limit $1) e)"
        "   as entry",
        at_most,
    )
    assert row is not None
    return dict(row)


async def awaiting(
    connection: Connection, tenant: str, source: str, entry: str, version: int, limit: int
) -> list[asyncpg.Record]:
    """Return pieces that wait for an entry of the alignment map and were parked before a version of it."""
    return await connection.fetch(
        "select quarantine_id, tenant, original, form, seq from quarantine where status = 'parked' and tenant = $1"
        " and awaits_entry = $2 and ($3 = '' or source = $3) and seen < $4 order by seq limit $5",
        tenant,
        entry,
        source,
        version,
        limit,
    )


async def refuse(connection: Connection, quarantine_id: str, reason: str, pointer: str, detail: str) -> None:
    """Keep a parked piece as quarantined: now that it could flow, it turns out that it cannot be used."""
    await connection.execute(
        "update quarantine set status = 'quarantined', attempts = attempts + 1, awaits = null,"
        " awaits_entry = null, reason = $2, pointer = $3, detail = $4 where quarantine_id = $1 and status = 'parked'",
        quarantine_id,
        reason,
        pointer,
        detail,
    )


async def page(
    connection: Connection, tenant: str, *, status: str, reason: str | None, source: str | None, after: int, limit: int
) -> list[asyncpg.Record]:
    """Return what is kept for a tenant, without the bytes, in order of receipt."""
    return await connection.fetch(
        f"select {_LISTED} from quarantine where tenant = $1 and status = $2 and seq > $3"
        " and ($4::text is null or reason = $4) and ($5::text is null or source = $5) order by seq limit $6",
        tenant,
        status,
        after,
        reason,
        source,
        limit,
    )


async def find(connection: Connection, tenant: str, quarantine_id: str) -> asyncpg.Record | None:
    """Return one piece with its original bytes."""
    return await connection.fetchrow(
        f"select {_LISTED}, original from quarantine where tenant = $1 and quarantine_id = $2", tenant, quarantine_id
    )


async def retried(
    connection: Connection, quarantine_id: str, *, evidence_id: str | None, reason: str, pointer: str, detail: str
) -> None:
    """Note another attempt: `evidence_id` where it was taken in, whose bytes are not needed any more, or why not."""
    await connection.execute(
        "update quarantine set attempts = attempts + 1, evidence_id = $2,"
        " status = case when $2::uuid is null then status else 'redriven' end,"
        " original = case when $2::uuid is null then original else '' end,"
        " reason = $3, pointer = $4, detail = $5 where quarantine_id = $1",
        quarantine_id,
        evidence_id,
        reason,
        pointer,
        detail,
    )


async def discard(connection: Connection, tenant: str) -> int:
    """Delete what is quarantined of a tenant; parked pieces are evidence, and stay. Return how many there were."""
    return affected(
        await connection.execute("delete from quarantine where tenant = $1 and status = 'quarantined'", tenant)
    )


async def waiting_sources(connection: Connection, tenant: str) -> list[str]:
    """Return the sources of which pieces are parked."""
    rows = await connection.fetch(
        "select distinct source from quarantine where tenant = $1 and status = 'parked'", tenant
    )
    return [row["source"] for row in rows]


async def count_unreadable(connection: Connection, tenant: str) -> int:
    """Return how much is quarantined of a tenant of which it cannot be read whose it is."""
    found: int = await connection.fetchval(
        "select count(*) from quarantine where tenant = $1 and status = 'quarantined' and learner_source_id is null",
        tenant,
    )
    return found


async def discard_all(connection: Connection, tenant: str, before: datetime) -> int:
    """Delete all that is kept of a tenant from before an instant; return how many pieces were not taken in."""
    rows = await connection.fetch(
        "delete from quarantine where tenant = $1 and received_at < $2 returning status", tenant, before
    )
    return sum(row["status"] in ("quarantined", "parked") for row in rows)


async def ids_of(connection: Connection, tenant: str, people: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of what is kept of (source, source id)."""
    rows = await connection.fetch(
        "select q.quarantine_id::text from quarantine q join unnest($2::text[], $3::text[]) k (source, source_id)"
        " on q.source = k.source and q.learner_source_id = k.source_id where q.tenant = $1 order by q.seq",
        tenant,
        *columns(people, 2),
    )
    return [row[0] for row in rows]


async def erase_ids(connection: Connection, tenant: str, ids: Sequence[str], before: datetime) -> tuple[int, list[str]]:
    """Delete what is kept by its ids from before an instant; return how much it was, and the evidence ids among it."""
    rows = await connection.fetch(
        "delete from quarantine where tenant = $1 and quarantine_id = any($2::uuid[]) and received_at < $3"
        " returning evidence_id",
        tenant,
        ids,
        before,
    )
    return len(rows), _evidence_ids(rows)


async def erase(connection: Connection, tenant: str, learner: str, people: Sequence[tuple[str, str]]) -> list[str]:
    """Delete what is kept of (source, source id), and of pieces of the learner; return the evidence ids among it."""
    rows = await connection.fetch(
        "delete from quarantine q where q.tenant = $1 and ("
        "   (q.source, q.learner_source_id) in (select * from unnest($3::text[], $4::text[]))"
        "   or q.evidence_id in (select evidence_id from evidence where tenant = $1 and learner = $2))"
        " returning q.evidence_id",
        tenant,
        learner,
        *columns(people, 2),
    )
    return _evidence_ids(rows)


def _evidence_ids(rows: Sequence[asyncpg.Record]) -> list[str]:
    return [str(row["evidence_id"]) for row in rows if row["evidence_id"] is not None]
