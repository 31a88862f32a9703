"""Statements on what was received and what became of it, counted in the transaction that stores it."""

from collections.abc import Mapping

from shared.database import Connection, columns

COUNTED = ("received", "accepted", "duplicate", "corrected", "parked", "rejected", "events")
Counts = Mapping[str, int]
"""By name of `COUNTED`: items received, items by what became of them, and events appended for them."""


async def add(connection: Connection, slot: int, counts: Mapping[str, Counts]) -> None:
    """Add to the counts of tenants. A slot is one writer's, so that writers do not wait for each other."""
    await connection.execute(
        f"insert into intake_count as c (tenant, slot, {', '.join(COUNTED)})"
        f" select tenant, $1, {', '.join(COUNTED)} from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[],"
        f"   $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) k (tenant, {', '.join(COUNTED)}) order by tenant"
        f" on conflict (tenant, slot) do update set {', '.join(f'{n} = c.{n} + excluded.{n}' for n in COUNTED)}",
        slot,
        *columns([(tenant, *(counts[tenant].get(n, 0) for n in COUNTED)) for tenant in counts], 1 + len(COUNTED)),
    )


async def totals(connection: Connection) -> dict[str, Counts]:
    """Return the counts of every tenant."""
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in COUNTED)
    rows = await connection.fetch(f"select tenant, {sums} from intake_count group by tenant")
    return {row["tenant"]: {name: row[name] for name in COUNTED} for row in rows}
