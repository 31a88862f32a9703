"""Statements on learners: the only place where their names and source ids are kept."""

import datetime
from collections.abc import Sequence

import asyncpg

from shared.database import Connection, columns

Key = tuple[str, str, str]
"""Tenant, source, source id."""
LEARNERS_LOCK = 0x6174_6572
"""Held together by whoever rests on the learners of a tenant, alone by whoever erases or moves one."""


async def identify(connection: Connection, proposals: Sequence[tuple[str, str, str, str]]) -> dict[Key, str]:
    """
    Return the learners of (tenant, source, source id, learner to use where there is none yet).

    Keys that another replica is adding at this moment are missing: ask again. In key order, so that replicas cannot
    deadlock.
    """
    rows = await connection.fetch(
        "with wanted as (select * from unnest($1::text[], $2::text[], $3::text[], $4::uuid[])"
        "   k (tenant, source, source_id, learner)),"
        " added as (insert into learner_identity (tenant, source, source_id, learner)"
        "   select w.* from wanted w where not exists (select from learner_identity i where i.tenant = w.tenant"
        "     and i.source = w.source and i.source_id = w.source_id)"
        '   order by w.tenant collate "C", w.source collate "C", w.source_id collate "C"'
        "   on conflict do nothing returning tenant, source, source_id, learner)"
        " select tenant, source, source_id, learner from added union all"
        " select i.tenant, i.source, i.source_id, i.learner from wanted w"
        "   join learner_identity i using (tenant, source, source_id)",
        *columns(sorted(proposals), 4),
    )
    return {(tenant, source, source_id): str(learner) for tenant, source, source_id, learner in rows}


async def set_names(connection: Connection, names: Sequence[tuple[str, str, str, str | None]]) -> None:
    """Store the display names of (tenant, source, source id, name) that changed; None takes a name back."""
    await connection.execute(
        "update learner_identity i set name = k.name from unnest($1::text[], $2::text[], $3::text[], $4::text[])"
        "   k (tenant, source, source_id, name) where i.tenant = k.tenant and i.source = k.source"
        "   and i.source_id = k.source_id and i.name is distinct from k.name",
        *columns(sorted(names), 4),
    )


async def find(connection: Connection, tenant: str, source: str, source_id: str) -> str | None:
    """Return the learner of a source id."""
    learner = await connection.fetchval(
        "select learner from learner_identity where tenant = $1 and source = $2 and source_id = $3",
        tenant,
        source,
        source_id,
    )
    return learner and str(learner)


async def identities(connection: Connection, tenant: str, learner: str) -> list[asyncpg.Record]:
    """Return the source ids and names of a learner."""
    return await connection.fetch(
        "select source, source_id, name from learner_identity where tenant = $1 and learner = $2 order by 1, 2",
        tenant,
        learner,
    )


async def names(connection: Connection, tenant: str, learners: Sequence[str]) -> list[asyncpg.Record]:
    """Return the display names of learners, of those that have one."""
    return await connection.fetch(
        "select learner::text as learner, min(name) as name from learner_identity"
        " where tenant = $1 and learner = any($2::uuid[]) and name is not null group by 1",
        tenant,
        learners,
    )


async def search(connection: Connection, tenant: str, text: str, limit: int) -> list[asyncpg.Record]:
    """Return learners whose display name, or source id, starts with the text."""
    prefix = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return await connection.fetch(
        "select learner, name, source, source_id from learner_identity"
        ' where tenant = $1 and (name is not null and lower(name) collate "C" like lower($2) or source_id like $2)'
        " order by name nulls last, source_id, source limit $3",
        tenant,
        prefix,
        limit,
    )


async def page(connection: Connection, after: Key, limit: int) -> list[asyncpg.Record]:
    """Return identities of all tenants behind a key, in key order."""
    return await connection.fetch(
        "select tenant, source, source_id, learner from learner_identity"
        " where (tenant, source, source_id) > ($1, $2, $3) order by tenant, source, source_id limit $4",
        *after,
        limit,
    )


async def lock(connection: Connection, tenant: str) -> None:
    """Wait for the batches that know the tenant's learners, and let no other begin until this transaction ends."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", LEARNERS_LOCK, tenant)


async def erase(connection: Connection, tenant: str, learner: str) -> list[asyncpg.Record]:
    """Forget who a learner is, once batches that know it are done; return the source ids."""
    await lock(connection, tenant)
    await connection.execute(
        "insert into erased_learner (tenant, learner, erased_at) values ($1, $2, now()) on conflict do nothing",
        tenant,
        learner,
    )
    return await connection.fetch(
        "delete from learner_identity where tenant = $1 and learner = $2 returning source, source_id", tenant, learner
    )


async def forget_roster(connection: Connection, tenant: str, learners: Sequence[str]) -> None:
    """Delete what the roster tells of learners, and the groups that they are in."""
    await connection.execute(
        "delete from roster_group where tenant = $1 and learner = any($2::uuid[])", tenant, learners
    )
    await connection.execute(
        "delete from roster_fact where tenant = $1 and subject = any($2::text[])", tenant, learners
    )


async def know_by_id(connection: Connection, tenant: str, source: str, learners: Sequence[str]) -> list[str]:
    """Let a source name learners by their opaque ids; return those that the tenant has, with no erasure in between."""
    await connection.execute("select pg_advisory_xact_lock_shared($1, hashtext($2))", LEARNERS_LOCK, tenant)
    rows = await connection.fetch(
        "with known as (select distinct learner from learner_identity where tenant = $1::text and learner = any($3::uuid[])),"
        " added as (insert into learner_identity (tenant, source, source_id, learner)"
        "   select $1::text, $2::text, k.learner::text, k.learner from known k order by k.learner on conflict do nothing)"
        " select learner::text as learner from known",
        tenant,
        source,
        learners,
    )
    return [row["learner"] for row in rows]


async def erased(connection: Connection) -> list[asyncpg.Record]:
    """Return all learners of all tenants that are erased."""
    return await connection.fetch("select tenant, learner, erased_at from erased_learner order by erased_at, learner")


async def erased_at(connection: Connection, tenant: str, learner: str) -> datetime.datetime | None:
    """Return when a learner was erased, if ever."""
    found: datetime.datetime | None = await connection.fetchval(
        "select erased_at from erased_learner where tenant = $1 and learner = $2", tenant, learner
    )
    return found


async def moved(connection: Connection, tenant: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return by (source, source id) the learners of identities that a merge in force moved: (whose it was, whose it is)."""
    rows = await connection.fetch(
        "select i.source, i.source_id, m.merged::text as home, m.kept::text as learner from learner_merge m"
        " join learner_identity i on i.tenant = m.tenant and i.learner = m.kept and i.home = m.merged"
        " where m.tenant = $1 and m.undone_at is null",
        tenant,
    )
    return {(row["source"], row["source_id"]): (row["home"], row["learner"]) for row in rows}


async def references(
    connection: Connection, tenant: str, source: str, learners: Sequence[str]
) -> list[tuple[str, str]]:
    """Return (learner, the source's own id) of learners that a source knows, in order, those that came by a merge last."""
    rows = await connection.fetch(
        "select learner, source_id from learner_identity"
        " where tenant = $1 and source = $2 and learner = any($3::uuid[])"
        " order by learner, home is not null, source_id",
        tenant,
        source,
        list(learners),
    )
    return [(str(row["learner"]), row["source_id"]) for row in rows]
