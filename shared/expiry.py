"""For how long tenants keep what is beside the record: statements that remove what is older, and the log of what they removed."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

import asyncpg

from shared.database import Connection, columns


class Days(NamedTuple):
    """For how many days tenants keep something; of those that are not named, `others`. 0 is without an end."""

    tenants: Sequence[str]
    days: Sequence[int]
    others: int


class Gone(NamedTuple):
    """How many rows of a tenant were removed, and the day (UTC) of the newest of them."""

    tenant: str
    rows: int
    until: datetime.date


Expire: TypeAlias = Callable[[Connection, Days, int], Awaitable[list[Gone]]]
"""Removes up to so many rows that are older, and returns how many there were of each tenant."""


class Kept(NamedTuple):
    """What rows are kept for their days: where they are, their key, how old they are, and which of them alone."""

    table: str
    """A name, or a query in brackets; it has a column `tenant`, the key and the instant."""
    key: str
    instant: str
    condition: str = "true"


async def remove_older(connection: Connection, change: str, kept: Kept, days: Days, rows: int) -> list[Gone]:
    """Delete, or change by a statement that lacks its `where`, up to so many rows that are older than their tenant keeps them."""
    found = await connection.fetch(
        f"with old as (select t.{kept.key} as key, t.tenant, t.{kept.instant} as at from {kept.table} t"
        "   left join unnest($1::text[], $2::int[]) k (tenant, days) using (tenant)"
        f"  where {kept.condition} and coalesce(k.days, $3) > 0"
        f"   and t.{kept.instant} < now() - make_interval(days => coalesce(k.days, $3)) limit $4),"
        f" gone as ({change} where {kept.key} in (select key from old) returning {kept.key} as key)"
        " select tenant, count(*) as rows, (max(at) at time zone 'UTC')::date as until from old join gone using (key)"
        " group by tenant order by tenant",
        *days, rows,
    )  # fmt: skip
    return [Gone(*row) for row in found]


async def note(connection: Connection, kind: str, setting: str, days: Days, gone: Sequence[Gone]) -> None:
    """Log what was removed, in the transaction that removes it; of a day one entry a tenant, kind and number of days."""
    own = dict(zip(days.tenants, days.days, strict=True))
    await connection.execute(
        "insert into expiry_log (tenant, day, kind, setting, days, rows, until)"
        " select g.tenant, (now() at time zone 'UTC')::date, $1, $2, g.days, g.rows, g.until"
        " from unnest($3::text[], $4::bigint[], $5::date[], $6::int[]) g (tenant, rows, until, days)"
        " on conflict (tenant, day, kind, setting, days) do update"
        " set rows = expiry_log.rows + excluded.rows, until = greatest(expiry_log.until, excluded.until)",
        kind, setting, *columns(gone, 3), [own.get(each.tenant, days.others) for each in gone],
    )  # fmt: skip


async def page(connection: Connection, tenant: str, after: int, limit: int) -> list[asyncpg.Record]:
    """Return what was removed of a tenant, behind an entry, in order."""
    return await connection.fetch(
        "select no, day, kind, rows, until, setting, days from expiry_log where tenant = $1 and no > $2 order by no limit $3",
        tenant, after, limit,
    )  # fmt: skip
