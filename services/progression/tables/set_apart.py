"""Statements over the learners who are set apart because an input of theirs raised."""

from collections.abc import Collection, Sequence
from typing import Any

from services.progression.domain.inputs import Learner
from shared.database import Connection, columns


async def load_blocked(connection: Connection, shards: Collection[int]) -> list[Any]:
    """Return (shard, tenant, learner, pos) of the blocked learners; `pos` is the first input that is not folded."""
    return await connection.fetch(
        "select shard, tenant, learner, pos from blocked_learner where shard = any($1::int[])", list(shards)
    )


async def first_unfolded(connection: Connection, learners: Collection[Learner]) -> dict[Learner, int]:
    """Return of those of the learners who are blocked the position of the first input that is not folded."""
    rows = await connection.fetch(
        "select b.tenant, b.learner, b.pos from unnest($1::text[], $2::text[]) k (tenant, learner)"
        " join blocked_learner b using (tenant, learner)",
        *columns(learners, 2),
    )
    return {(tenant, learner): pos for tenant, learner, pos in rows}


async def save_blocked(connection: Connection, rows: Sequence[tuple[str, str, int, int, str]]) -> None:
    """Store (tenant, learner, shard, pos, reason); a learner blocked before, or twice here, keeps the first position."""
    await connection.execute(
        "insert into blocked_learner (tenant, learner, shard, pos, reason)"
        " select distinct on (b.tenant, b.learner) * from"
        "   unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[]) b (tenant, learner, shard, pos, reason)"
        " order by b.tenant, b.learner, b.pos"
        " on conflict (tenant, learner) do update set reason = excluded.reason",
        *columns(rows, 5),
    )


async def delete_blocked(connection: Connection, learners: Collection[Learner]) -> None:
    """Take learners off the list of blocked ones."""
    await connection.execute(
        "delete from blocked_learner b using unnest($1::text[], $2::text[]) k (tenant, learner)"
        " where b.tenant = k.tenant and b.learner = k.learner",
        *columns(learners, 2),
    )


async def count_blocked(connection: Connection, tenant: str) -> int:
    """Return how many learners of a tenant are blocked; without a name, of all."""
    count: int = await connection.fetchval(
        "select count(*) from blocked_learner where $1::text in ('', tenant)", tenant
    )
    return count


async def count_newly_blocked(connection: Connection) -> dict[str, int]:
    """Return how many learners of each tenant are blocked since less than an hour."""
    rows = await connection.fetch(
        "select tenant, count(*) from blocked_learner where since > now() - interval '1 hour' group by tenant"
    )
    return {row["tenant"]: row["count"] for row in rows}


async def blocked_of(connection: Connection, tenant: str) -> list[tuple[int, str]]:
    """Return (shard, learner) of the tenant's blocked learners."""
    rows = await connection.fetch("select shard, learner from blocked_learner where tenant = $1 order by 1, 2", tenant)
    return [(shard, learner) for shard, learner in rows]


async def some_tenants(connection: Connection) -> list[str]:
    """Return one or two of the tenants that have evidence: two where there are several."""
    rows = await connection.fetch("select min(tenant) tenant from mastery union select max(tenant) from mastery")
    return [row["tenant"] for row in rows if row["tenant"] is not None]


async def tenants_where_blocked(connection: Connection, learner: str) -> set[str]:
    """Return the tenants in which a learner is blocked."""
    rows = await connection.fetch("select tenant from blocked_learner where learner = $1", learner)
    return {row[0] for row in rows}
