"""Statements over shadow mode."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.progression.domain.inputs import Key
from services.progression.domain.shadow import Difference
from shared.database import Connection, affected, columns


async def start(connection: Connection, tenant: str, policy: str, framework: str, author: str, shards: int) -> str:
    """
    Begin a shadow at the beginning of the log; one that runs goes on, and is not ended before the commit.

    Return the framework it runs for.
    """
    runs_for: str = await connection.fetchval(
        "insert into shadow_policy (tenant, policy, framework, started_by) values ($1, $2, $3, $4)"
        " on conflict (tenant, policy) do update set framework = shadow_policy.framework returning framework",
        tenant, policy, framework, author,
    )  # fmt: skip
    await connection.execute(
        "insert into shadow_cursor (tenant, policy, shard) select $1, $2, s from generate_series(0, $3 - 1) s"
        " on conflict do nothing",
        tenant, policy, shards,
    )  # fmt: skip
    return runs_for


async def stop(connection: Connection, tenant: str, policy: str) -> bool:
    """End a shadow with its log; return whether there was one."""
    done = await connection.execute("delete from shadow_policy where tenant = $1 and policy = $2", tenant, policy)
    return bool(done == "DELETE 1")


async def stop_before(connection: Connection, tenant: str, instant: datetime) -> int:
    """End the tenant's shadows of before an instant; return how many."""
    done = await connection.execute("delete from shadow_policy where tenant = $1 and started_at < $2", tenant, instant)
    return affected(done)


async def of_tenant(connection: Connection, tenant: str) -> list[Any]:
    """Return a tenant's shadows, `behind` in positions of the log."""
    return await connection.fetch(
        "select p.*, (select coalesce(sum(h.pos - c.pos), 0)::bigint from shadow_cursor c join log_head h"
        "   on h.log = 'progression' and h.shard = c.shard where c.tenant = p.tenant and c.policy = p.policy) as behind"
        " from shadow_policy p where p.tenant = $1 order by p.started_at, p.policy",
        tenant,
    )


async def count(connection: Connection, tenant: str, policy: str) -> list[Any]:
    """Return how many keys of how many learners differ, by the live and the shadow status."""
    return await connection.fetch(
        "select live, shadow, count(*) as pairs, count(distinct learner) as learners"
        " from shadow_difference where tenant = $1 and policy = $2"
        " group by live, shadow order by pairs desc, live, shadow",
        tenant, policy,
    )  # fmt: skip


async def differences(connection: Connection, tenant: str, policy: str, after: str, limit: int) -> list[Any]:
    """Return the differences of the next `limit` learners behind one, in order."""
    return await connection.fetch(
        "select learner, competency, live, shadow, live_shown_at, shadow_shown_at, since from shadow_difference"
        " where tenant = $1 and policy = $2 and learner in (select distinct learner from shadow_difference"
        "   where tenant = $1 and policy = $2 and learner > $3 order by learner limit $4)"
        " order by learner, competency",
        tenant, policy, after, limit,
    )  # fmt: skip


async def behind(connection: Connection) -> list[Any]:
    """Return (tenant, policy, framework, shard, pos, head) of what has not been followed to the head."""
    return await connection.fetch(
        "select p.tenant, p.policy, p.framework, c.shard, c.pos, h.pos as head from shadow_policy p"
        " join shadow_cursor c using (tenant, policy)"
        " join log_head h on h.log = 'progression' and h.shard = c.shard and h.pos > c.pos"
    )


async def states_told(connection: Connection, tenant: str, shard: int, after: int, until: int, limit: int) -> list[Any]:
    """Return (pos, body) of a tenant's state events in a range of positions."""
    return await connection.fetch(
        "select pos, body from event_log where log = 'progression' and shard = $2 and pos > $3 and pos <= $4"
        " and tenant = $1 order by pos limit $5",
        tenant, shard, after, until, limit,
    )  # fmt: skip


async def stands_at(connection: Connection, tenant: str, policy: str, framework: str, shard: int, pos: int) -> bool:
    """Tell whether a shadow still runs for a framework and stands there in a shard; if so it is not ended before the commit."""
    found = await connection.fetchval(
        "select true from shadow_policy p join shadow_cursor c using (tenant, policy)"
        " where p.tenant = $1 and p.policy = $2 and p.framework = $3 and c.shard = $4 and c.pos = $5 for key share of p",
        tenant, policy, framework, shard, pos,
    )  # fmt: skip
    return found is not None


async def save(
    connection: Connection, tenant: str, policy: str, keys: Sequence[Key], found: Sequence[Difference]
) -> None:
    """
    Store the differences of keys that were looked at; those that agree again are taken off.

    Nothing is stored of a learner of whom no state is left: erased while the keys were looked at. The lock lets the fold go on
    and keeps an erasure waiting, which then finds what is stored here.
    """
    await connection.execute(
        "delete from shadow_difference d using unnest($3::text[], $4::text[]) k (learner, competency)"
        " where d.tenant = $1 and d.policy = $2 and d.learner = k.learner and d.competency = k.competency"
        "   and not exists (select from unnest($5::text[], $6::text[]) f (learner, competency)"
        "     where f.learner = k.learner and f.competency = k.competency)",
        tenant, policy, [key[1] for key in keys], [key[2] for key in keys],
        [each.learner for each in found], [each.competency for each in found],
    )  # fmt: skip
    await connection.execute(
        "insert into shadow_difference (tenant, policy, learner, competency, live, shadow, live_shown_at, shadow_shown_at)"
        " select $1, $2, f.* from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])"
        "   f (learner, competency, live, shadow, live_shown_at, shadow_shown_at) where f.learner = any("
        "     select k.learner from (select learner from mastery where tenant = $1 and learner = any($3) for key share) k)"
        " on conflict (tenant, policy, learner, competency) do update set live = excluded.live,"
        " shadow = excluded.shadow, live_shown_at = excluded.live_shown_at, shadow_shown_at = excluded.shadow_shown_at,"
        " since = case when (shadow_difference.live, shadow_difference.shadow) = (excluded.live, excluded.shadow)"
        "   then shadow_difference.since else now() end",
        tenant, policy, *columns(found, 6),
    )  # fmt: skip


async def advance(connection: Connection, tenant: str, policy: str, shard: int, pos: int) -> None:
    """Note how far a shadow has followed a shard."""
    await connection.execute(
        "update shadow_cursor set pos = $4 where tenant = $1 and policy = $2 and shard = $3", tenant, policy, shard, pos
    )
