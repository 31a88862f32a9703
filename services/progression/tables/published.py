"""Statements over what is published, and how far it is folded."""

from typing import Any

from shared.database import Connection, columns

CONSUMER = "progression"
"""The consumer that folds evidence and decisions."""


async def public_events(
    connection: Connection, tenant: str, learner: str | None, after: dict[int, int], limit: int
) -> list[Any]:
    """Return (shard, pos, generation, subject, body) of a tenant's public events behind a vector of positions."""
    return await connection.fetch(
        "select e.shard, e.pos, h.generation, e.subject, e.body"
        " from unnest($3::int[], $4::bigint[]) c (shard, after)"
        " join log_head h on h.log = 'advancement' and h.shard = c.shard"
        " cross join lateral (select shard, pos, subject, body from event_log e where e.log = 'advancement'"
        "   and e.shard = c.shard and e.pos > c.after and e.tenant = $1 and ($2::text is null or e.subject = $2)"
        "   order by e.pos limit $5) e order by e.shard, e.pos",
        tenant, learner, *columns(after.items(), 2), limit,
    )  # fmt: skip


async def folded_positions(connection: Connection) -> dict[int, tuple[int, int, int]]:
    """Return (generation, pos, inbox_pos) of every shard."""
    rows = await connection.fetch(
        "select shard, generation, pos, inbox_pos from consumer_shard where consumer = $1", CONSUMER
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def decisions_wait(connection: Connection, shard: int) -> bool:
    """Tell whether a shard's inbox has decisions that are not folded."""
    waits: bool = await connection.fetchval(
        "select exists (select from log_head h join consumer_shard c on c.consumer = $1 and c.shard = h.shard"
        " where h.log = 'decisions' and h.shard = $2 and h.pos > c.inbox_pos)",
        CONSUMER, shard,
    )  # fmt: skip
    return waits
