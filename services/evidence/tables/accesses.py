"""Statements on the log of accesses."""

from collections.abc import Sequence

import asyncpg

from shared.database import Connection
from shared.expiry import Days, Gone, Kept, remove_older


async def add(connection: Connection, tenant: str, person: str, act: str, target: str) -> None:
    """Append an entry."""
    await connection.execute(
        "insert into access_log (tenant, person, act, target) values ($1, $2, $3, $4)", tenant, person, act, target
    )


async def page(connection: Connection, tenant: str, after: int, limit: int) -> list[asyncpg.Record]:
    """Return the entries of a tenant behind a number, in order."""
    return await connection.fetch(
        "select no, at, person, act, target from access_log where tenant = $1 and no > $2 order by no limit $3",
        tenant,
        after,
        limit,
    )


async def expire(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete entries that are too old, but for those that certify an erasure."""
    kept = Kept("access_log", "no", "at", "t.act <> 'erasure'")
    return await remove_older(connection, "delete from access_log", kept, days, rows)


async def forget(connection: Connection, tenant: str, learners: Sequence[str]) -> None:
    """Leave out of which learners exports were; that there was one stays."""
    await connection.execute(
        "update access_log set target = '' where tenant = $1 and act = 'export' and target = any($2::text[])",
        tenant,
        learners,
    )
