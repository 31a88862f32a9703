"""Statements on the alignment map: rows are only added, so each version of the map can be read again."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec

from services.evidence.domain.alignment import ANY_SOURCE, Dated, Entry, Target
from services.evidence.tables.handed_in import UNALIGNED
from shared.database import Connection, columns
from shared.events import encode_json

ALIGNMENT_LOCK = 0x6174_616C

decode_targets = msgspec.json.Decoder(tuple[Target, ...]).decode


async def heads(connection: Connection, tenants: Collection[str]) -> dict[str, int]:
    """Return the version of each tenant's map; tenants that have none are left out."""
    rows = await connection.fetch("select tenant, version from alignment_head where tenant = any($1)", list(tenants))
    return {row["tenant"]: row["version"] for row in rows}


async def publish(
    connection: Connection, tenant: str, entries: Sequence[Entry], origin: str, by: str, now: datetime
) -> tuple[int, int]:
    """Add the entries that say something new, as one version; return the map's version and how many they are."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", ALIGNMENT_LOCK, tenant)
    keys = [(entry.id, entry.source, entry.effective_from) for entry in entries]
    rows = await connection.fetch(
        "select distinct on (a.id, a.source, a.effective_from) a.id, a.source, a.effective_from, a.targets"
        " from unnest($2::text[], $3::text[], $4::text[]) k (id, source, effective_from)"
        " join alignment a on a.tenant = $1 and a.id = k.id and a.source = k.source"
        "   and a.effective_from = k.effective_from"
        " order by a.id, a.source, a.effective_from, a.version desc",
        tenant,
        *columns(keys, 3),
    )
    said = {(row["id"], row["source"], row["effective_from"]): row["targets"] for row in rows}
    told = {key: (entry, encode_json(entry.competencies)) for key, entry in zip(keys, entries, strict=True)}
    news = [(entry, targets) for key, (entry, targets) in told.items() if said.get(key) != targets]
    head = (await heads(connection, [tenant])).get(tenant, 0)
    if not news:
        return head, 0
    version = head + 1
    await connection.execute(
        "insert into alignment_head (tenant, version) values ($1, $2)"
        " on conflict (tenant) do update set version = excluded.version",
        tenant,
        version,
    )
    added = [(e.id, e.source, e.effective_from, e.kind, targets) for e, targets in news]
    await connection.execute(
        "insert into alignment select $1, k.id, k.source, k.effective_from, $2, k.kind, k.targets, $3, $4, $5, false"
        " from unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[])"
        "   k (id, source, effective_from, kind, targets)",
        tenant,
        version,
        origin,
        by,
        now,
        *columns(added, 5),
    )
    return version, len(news)


async def entries(
    connection: Connection, keys: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], list[Dated]]:
    """Return the entries that may apply to each (tenant, source, id), the source's own and those for any source."""
    rows = await connection.fetch(
        "select k.tenant, k.source, k.id, a.effective_from, a.version, a.source a_source, a.targets"
        " from unnest($1::text[], $2::text[], $3::text[]) k (tenant, source, id)"
        " join alignment a on a.tenant = k.tenant and a.id = k.id and a.source in (k.source, '')",
        *columns(keys, 3),
    )
    found: dict[tuple[str, str, str], list[Dated]] = {}
    for row in rows:
        entry = Dated(row["effective_from"], row["version"], row["a_source"], decode_targets(row["targets"]))
        found.setdefault((row["tenant"], row["source"], row["id"]), []).append(entry)
    return found


async def unapplied(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """Return entries whose evidence may still stand by an earlier version, the oldest first."""
    return await connection.fetch(
        "select tenant, id, source, effective_from, version, targets from alignment where not applied"
        " order by tenant, version, id, source, effective_from limit $1",
        limit,
    )


async def set_applied(connection: Connection, done: Sequence[tuple[str, str, str, str, int]]) -> None:
    """Note that no evidence stands by what was before these (tenant, id, source, effective_from, version)."""
    await connection.execute(
        "update alignment a set applied = true"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])"
        "   k (tenant, id, source, effective_from, version)"
        " where a.tenant = k.tenant and a.id = k.id and a.source = k.source"
        "   and a.effective_from = k.effective_from and a.version = k.version",
        *columns(done, 5),
    )


async def missing(connection: Connection, tenant: str, limit: int) -> list[asyncpg.Record]:
    """Return the activities that no entry names while something waits for one: (source, activity, parked, handed in)."""
    return await connection.fetch(
        "select source, activity, sum(parked)::bigint as parked, sum(handed_in)::bigint as handed_in"
        " from (select source, awaits_entry as activity, count(*) as parked, 0 as handed_in from quarantine"
        "     where tenant = $1 and status = 'parked' and awaits_entry is not null and reason = 'unaligned' group by 1, 2"
        f"   union all select source, activity, 0, count(*) from handed_in h where tenant = $1 and {UNALIGNED} group by 1, 2) k"
        " group by 1, 2 order by sum(parked) + sum(handed_in) desc, 1, 2 limit $2",
        tenant,
        limit,
    )


async def page(
    connection: Connection,
    tenant: str,
    *,
    source: str | None,
    id: str | None,
    after: tuple[str, str, str, int],
    limit: int,
) -> list[asyncpg.Record]:
    """Return all versions of entries in the order of (id, source, effective_from, version), behind such a key."""
    return await connection.fetch(
        "select id, source, kind, effective_from, version, targets, origin, published_by, published_at, applied"
        " from alignment where tenant = $1 and ($2::text is null or source in ($2, $3)) and ($4::text is null or id = $4)"
        "   and (id, source, effective_from, version) > ($5, $6, $7, $8)"
        " order by id, source, effective_from, version limit $9",
        tenant,
        source,
        ANY_SOURCE,
        id,
        *after,
        limit,
    )
