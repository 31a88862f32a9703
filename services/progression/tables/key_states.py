"""Statements over the states of keys and the standings of learners; state columns hold MessagePack of the domain's structs."""

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

from services.progression.domain.inputs import Key, Learner
from shared.database import Connection, columns, upsert_rows

StateRow: TypeAlias = tuple[str, str, str, int, int, bytes, str | None]
"""(tenant, learner, competency, shard, rules_no, state, deadline)."""


async def load_states(connection: Connection, keys: Collection[Key]) -> list[Any]:
    """Return (tenant, learner, competency, rules_no, state) of the keys that exist."""
    return await connection.fetch(
        # The limit keeps the planner from joining by reading the whole table.
        "select k.tenant, k.learner, k.competency, m.rules_no, m.state"
        " from unnest($1::text[], $2::text[], $3::text[]) k (tenant, learner, competency)"
        " cross join lateral (select rules_no, state from mastery m where m.tenant = k.tenant"
        "   and m.learner = k.learner and m.competency = k.competency limit 1) m",
        *columns(keys, 3),
    )


async def load_learner_states(connection: Connection, learners: Collection[Learner]) -> list[Any]:
    """Return all states of the learners, in the form of `load_states`."""
    return await connection.fetch(
        "select m.tenant, m.learner, m.competency, m.rules_no, m.state from mastery m"
        " join unnest($1::text[], $2::text[]) k (tenant, learner) using (tenant, learner)",
        *columns(learners, 2),
    )


async def save_states(connection: Connection, rows: Sequence[StateRow]) -> None:
    """Store states, each key once, in the order of the keys."""
    await upsert_rows(
        connection, "mastery", ("text", "text", "text", "int", "int", "bytea", "text"), rows,
        "on conflict (tenant, learner, competency) do update set state = excluded.state, rules_no = excluded.rules_no,"
        " deadline = excluded.deadline",
    )  # fmt: skip


async def load_standings(connection: Connection, learners: Collection[Learner]) -> list[Any]:
    """Return (tenant, learner, state) of the learners that have a standing."""
    return await connection.fetch(
        "select k.tenant, k.learner, s.state from unnest($1::text[], $2::text[]) k (tenant, learner)"
        " cross join lateral (select state from learner_standing s where s.tenant = k.tenant"
        "   and s.learner = k.learner limit 1) s",
        *columns(learners, 2),
    )


async def save_standings(connection: Connection, rows: Sequence[tuple[str, str, int, bytes, str | None]]) -> None:
    """Store (tenant, learner, shard, state, deadline)."""
    await upsert_rows(
        connection, "learner_standing", ("text", "text", "int", "bytea", "text"), rows,
        "on conflict (tenant, learner) do update set state = excluded.state, deadline = excluded.deadline",
    )  # fmt: skip


async def next_deadlines(connection: Connection, shards: Collection[int], after: str) -> dict[int, str]:
    """Return the first deadline behind an instant of each shard that has one."""
    rows = await connection.fetch(
        "select s, least((select min(deadline) from mastery where shard = s and deadline > $2),"
        "   (select min(deadline) from learner_standing where shard = s and deadline > $2))"
        " from unnest($1::int[]) s",
        list(shards), after,
    )  # fmt: skip
    return {row[0]: row[1] for row in rows if row[1] is not None}


async def load_due(connection: Connection, shard: int, now: str, limit: int) -> list[Any]:
    """
    Return (tenant, learner, competency) whose deadlines have passed, the competency null for levels; by deadline.

    Not of blocked learners: their ticks are not folded, so the same deadlines would be due for ever.
    """
    folded = "not exists (select from blocked_learner b where b.tenant = k.tenant and b.learner = k.learner)"
    return await connection.fetch(
        "select tenant, learner, competency from ("
        "   (select tenant, learner, competency, deadline from mastery k where shard = $1 and deadline <= $2"
        f"    and {folded} order by deadline limit $3)"
        "   union all (select tenant, learner, null, deadline from learner_standing k where shard = $1 and deadline <= $2"
        f"    and {folded} order by deadline limit $3)) due order by deadline, tenant, learner limit $3",
        shard, now, limit,
    )  # fmt: skip


async def stale_learners(
    connection: Connection, shard: int, tenant: str, rules_no: int, after: str, limit: int
) -> list[str]:
    """Return learners of a shard with keys older than an activation, in order behind `after`."""
    rows = await connection.fetch(
        "select distinct learner from mastery where tenant = $1 and learner > $2 and shard = $3 and rules_no < $4"
        " order by learner limit $5",
        tenant, after, shard, rules_no, limit,
    )  # fmt: skip
    return [row[0] for row in rows]


async def older_keys(
    connection: Connection, tenant: str, learners: Collection[str], rules_no: int
) -> list[tuple[str, str, int]]:
    """Return (learner, competency, rules_no) of the keys of learners that are older than an activation."""
    rows = await connection.fetch(
        "select learner, competency, rules_no from mastery"
        " where tenant = $1 and learner = any($2::text[]) and rules_no < $3",
        tenant, list(learners), rules_no,
    )  # fmt: skip
    return [tuple(row) for row in rows]


async def learners_in(connection: Connection, shard: int, tenant: str) -> list[str]:
    """Return the learners of a tenant in a shard of whom there is anything."""
    rows = await connection.fetch(
        "select learner from mastery where tenant = $1 and shard = $2"
        " union select learner from learner_standing where tenant = $1 and shard = $2",
        tenant, shard,
    )  # fmt: skip
    return [row[0] for row in rows]


async def states_of(connection: Connection, tenant: str, learner: str) -> list[Any]:
    """Return (competency, state) of a learner, in order."""
    return await connection.fetch(
        "select competency, state from mastery where tenant = $1 and learner = $2 order by competency", tenant, learner
    )


async def states_behind(connection: Connection, tenant: str, after: str, limit: int) -> list[Any]:
    """
    Return (learner, competency, state) of the next `limit` learners behind one, in order; the last two are null of who has no
    state, but a standing.
    """
    return await connection.fetch(
        "select l.learner, m.competency, m.state from ("
        "   (select distinct learner from mastery where tenant = $1 and learner > $2 order by learner limit $3)"
        "   union (select learner from learner_standing where tenant = $1 and learner > $2 order by learner limit $3)"
        "   order by learner limit $3) l"
        " left join mastery m on m.tenant = $1 and m.learner = l.learner order by l.learner, m.competency",
        tenant, after, limit,
    )  # fmt: skip


async def standing_of(connection: Connection, tenant: str, learner: str) -> bytes | None:
    """Return a learner's standing, None where nothing is on the record."""
    state: bytes | None = await connection.fetchval(
        "select state from learner_standing where tenant = $1 and learner = $2", tenant, learner
    )
    return state


async def standings_behind(
    connection: Connection, tenant: str, after: str, limit: int, learners: Collection[str] | None
) -> list[Any]:
    """Return (learner, state) of a tenant's learners behind one, in order; of these alone where they are named."""
    return await connection.fetch(
        "select learner, state from learner_standing where tenant = $1 and learner > $2"
        " and ($4::text[] is null or learner = any($4)) order by learner limit $3",
        tenant, after, limit, list(learners) if learners is not None else None,
    )  # fmt: skip


async def all_states(connection: Connection, tenant: str | None, after: Key, limit: int) -> list[Any]:
    """Return (tenant, learner, competency, state) behind a key, in order; of all tenants where `tenant` is None."""
    return await connection.fetch(
        "select tenant, learner, competency, state from mastery"
        " where (tenant, learner, competency) > ($1, $2, $3) and ($4::text is null or tenant = $4)"
        " order by tenant, learner, competency limit $5",
        *after, tenant, limit,
    )  # fmt: skip


async def all_standings(connection: Connection, tenant: str | None, after: Learner, limit: int) -> list[Any]:
    """Return (tenant, learner, state) of the learners with a standing behind one, likewise."""
    return await connection.fetch(
        "select tenant, learner, state from learner_standing"
        " where (tenant, learner) > ($1, $2) and ($3::text is null or tenant = $3) order by tenant, learner limit $4",
        *after, tenant, limit,
    )  # fmt: skip
