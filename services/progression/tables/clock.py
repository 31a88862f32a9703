"""Statements over the database's clock, and when it was last believed."""

import datetime
from typing import NamedTuple

from shared.database import Connection


class Reading(NamedTuple):
    """What the database's clock shows, and the latest instant that was believed (None: never looked at)."""

    at: datetime.datetime
    seen: datetime.datetime | None


async def read(connection: Connection) -> Reading:
    """Return the reading."""
    row = await connection.fetchrow("select clock_timestamp() as at, (select at from clock_seen) as seen")
    assert row is not None
    return Reading(row["at"], row["seen"])


async def believe(connection: Connection, at: datetime.datetime) -> None:
    """Note an instant as believed; it never goes back."""
    await connection.execute(
        "insert into clock_seen (at) values ($1) on conflict (one) do update set at = excluded.at"
        " where excluded.at > clock_seen.at",
        at,
    )
