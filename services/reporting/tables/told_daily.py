"""
SQL on the answers that a tenant is told once a day: the first that is kept of a day stays that day's, and the last day's is kept
until there is a newer one.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from shared.database import Connection

KEPT_DAYS = 7
"""An answer is given, and computed anew each day, for so many days after somebody asked for it last."""


class Told(NamedTuple):
    """The last answer to a question: of which day, and on which day somebody asked last."""

    day: datetime.date
    asked_on: datetime.date
    answer: bytes


async def last_told(connection: Connection, tenant: str, day: datetime.date, question: str) -> Told | None:
    """Return the last answer to a question as a day begins; None where nobody has asked lately."""
    row = await connection.fetchrow(
        "select day, asked_on, answer from told_daily where tenant = $1 and question = $2 and day >= $3"
        " order by day desc limit 1",
        tenant, question, day - datetime.timedelta(days=KEPT_DAYS),
    )  # fmt: skip
    return None if row is None else Told(*row)


async def note_asked(connection: Connection, tenant: str, day: datetime.date, question: str) -> None:
    """Note that somebody asked on a day."""
    await connection.execute(
        "update told_daily set asked_on = $2 where tenant = $1 and question = $3 and asked_on < $2",
        tenant, day, question,
    )  # fmt: skip


async def tell(connection: Connection, tenant: str, day: datetime.date, question: str, answer: bytes) -> None:
    """
    Keep an answer for the rest of a day unless there is one, in place of those of days before.

    It counts as asked when they were; who asks what was told too long ago, which is forgotten first, asks today.
    """
    await connection.execute(
        "delete from told_daily where tenant = $1 and day < $2", tenant, day - datetime.timedelta(days=KEPT_DAYS)
    )
    await connection.execute(
        "insert into told_daily (tenant, day, question, answer, asked_on)"
        " select $1, $2, $3, $4, coalesce(max(asked_on), $2) from told_daily where tenant = $1 and question = $3"
        " on conflict do nothing",
        tenant, day, question, answer,
    )  # fmt: skip
    await connection.execute(
        "delete from told_daily where tenant = $1 and question = $2 and day < $3", tenant, question, day
    )


async def forget(connection: Connection, tenant: str, question: str) -> None:
    """Forget what is told of a question."""
    await connection.execute("delete from told_daily where tenant = $1 and question = $2", tenant, question)


async def forget_unasked(connection: Connection) -> None:
    """Forget, of all tenants, what nobody has asked for lately: it is not given any more, wherever the tenant's day has begun."""
    await connection.execute(
        "delete from told_daily where greatest(day, asked_on) < current_date - $1::int", KEPT_DAYS + 1
    )


async def questions(connection: Connection) -> Sequence[asyncpg.Record]:
    """Return (tenant, question, the last day that is told, the last on which somebody asked), a tenant's together."""
    return await connection.fetch(
        "select tenant, question, max(day) as day, max(asked_on) as asked_on from told_daily group by 1, 2 order by 1, 2"
    )
