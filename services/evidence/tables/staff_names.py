"""Statements on what people of the staff are called, by the subject of their tokens: kept here alone, and in no event."""

from collections.abc import Sequence

import asyncpg

from shared.database import Connection, columns


async def put(connection: Connection, tenant: str, names: Sequence[tuple[str, str]]) -> None:
    """Store the names of (person, name) that changed; an empty name forgets one."""
    rows = columns(sorted(names), 2)
    await connection.execute(
        "insert into staff_name as s (tenant, person, name)"
        " select $1, k.* from unnest($2::text[], $3::text[]) k (person, name) where k.name <> ''"
        " on conflict (tenant, person) do update set name = excluded.name, told_at = now() where s.name <> excluded.name",
        tenant,
        *rows,
    )
    await connection.execute(
        "delete from staff_name s using unnest($2::text[], $3::text[]) k (person, name)"
        " where s.tenant = $1 and s.person = k.person and k.name = ''",
        tenant,
        *rows,
    )


async def of(connection: Connection, tenant: str, people: Sequence[str]) -> list[asyncpg.Record]:
    """Return (person, name) of those of the people who have one."""
    return await connection.fetch(
        "select person, name from staff_name where tenant = $1 and person = any($2::text[])", tenant, people
    )


async def page(connection: Connection, tenant: str, after: str, limit: int) -> list[asyncpg.Record]:
    """Return (person, name) behind a person, in order."""
    return await connection.fetch(
        "select person, name from staff_name where tenant = $1 and person > $2 order by person limit $3",
        tenant,
        after,
        limit,
    )


async def forget(connection: Connection, tenant: str, person: str, told_by: str | None = None) -> bool:
    """Delete the name of a person, or only if it was told by an instant; return whether there was one to delete."""
    gone = await connection.fetchval(
        "delete from staff_name where tenant = $1 and person = $2"
        " and ($3::text is null or told_at <= $3::text::timestamptz) returning true",
        tenant,
        person,
        told_by,
    )
    return bool(gone)
