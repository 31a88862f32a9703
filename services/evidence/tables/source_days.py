"""Statements on what each source sent a day, counted in the transaction that stores it."""

import datetime
from collections.abc import Mapping, Sequence

import asyncpg

from services.evidence.tables.handed_in import UNALIGNED
from shared.database import Connection, columns

COUNTED = ("accepted", "duplicate", "parked", "rejected")
Arrivals = Mapping[tuple[str, str, str], int]
"""Items by tenant, source and the name in `COUNTED` of what became of them."""

_SUMS = ", ".join(f"sum(d.{name})::bigint as {name}" for name in COUNTED)


async def add(connection: Connection, slot: int, days: Mapping[str, datetime.date], arrivals: Arrivals) -> None:
    """Add what came, on the day that it is in each tenant. A slot is one writer's, so that writers do not wait for each other."""
    sources = sorted({(tenant, source) for tenant, source, _ in arrivals})
    if not sources:
        return
    await connection.execute(
        f"insert into source_day as d (tenant, source, day, slot, {', '.join(COUNTED)})"
        f" select tenant, source, day, $1, {', '.join(COUNTED)} from unnest($2::text[], $3::text[], $4::date[], $5::bigint[],"
        f"   $6::bigint[], $7::bigint[], $8::bigint[]) k (tenant, source, day, {', '.join(COUNTED)}) order by tenant, source"
        " on conflict (tenant, source, day, slot) do update set"
        f"   {', '.join(f'{name} = d.{name} + excluded.{name}' for name in COUNTED)}",
        slot,
        *columns(
            [(*key, days[key[0]], *(arrivals.get((*key, name), 0) for name in COUNTED)) for key in sources],
            3 + len(COUNTED),
        ),
    )


async def sources(connection: Connection, tenant: str, after: str | None, limit: int) -> list[asyncpg.Record]:
    """Return the sources that were heard of, in order, with their first and last day and what is kept of them now."""
    return await connection.fetch(
        "select source, min(first) as first, max(last) as last, sum(parked)::bigint as parked,"
        "   sum(quarantined)::bigint as quarantined, sum(unaligned)::bigint as unaligned"
        " from (select source, min(day) as first, max(day) as last, 0 as parked, 0 as quarantined, 0 as unaligned"
        "     from source_day where tenant = $1 group by source"
        "   union all select coalesce(source, ''), null, null, count(*) filter (where status = 'parked'),"
        "     count(*) filter (where status = 'quarantined'), 0 from quarantine"
        "     where tenant = $1 and status in ('parked', 'quarantined') group by 1"
        "   union all select source, null, null, 0, 0, count(*) from handed_in h"
        f"     where tenant = $1 and {UNALIGNED} group by 1) k"
        " where $2::text is null or source > $2 group by source order by source limit $3",
        tenant,
        after,
        limit,
    )


async def days(connection: Connection, tenant: str, since: Mapping[str, datetime.date]) -> Sequence[asyncpg.Record]:
    """Return (source, day, counts) of sources, each from a day on, in order."""
    return await connection.fetch(
        f"select d.source, d.day, {_SUMS} from source_day d"
        " join unnest($2::text[], $3::date[]) k (source, since) on d.source = k.source and d.day >= k.since"
        " where d.tenant = $1 group by d.source, d.day order by d.source, d.day",
        tenant,
        *columns(since.items(), 2),
    )
