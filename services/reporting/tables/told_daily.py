"""SQL on the answers that a tenant is told once a day: the first that is kept of a day stays that day's."""

import datetime

from shared.database import Connection


async def told_on(connection: Connection, tenant: str, day: datetime.date, question: str) -> bytes | None:
    """Return what is told of a question on a day; None where nobody has asked yet."""
    found: bytes | None = await connection.fetchval(
        "select answer from told_daily where tenant = $1 and day = $2 and question = $3", tenant, day, question
    )
    return found


async def tell(connection: Connection, tenant: str, day: datetime.date, question: str, answer: bytes) -> None:
    """Keep an answer for the rest of a day unless there is one, and forget those of days before yesterday."""
    await connection.execute(
        "delete from told_daily where tenant = $1 and day < $2", tenant, day - datetime.timedelta(days=1)
    )
    await connection.execute(
        "insert into told_daily (tenant, day, question, answer) values ($1, $2, $3, $4) on conflict do nothing",
        tenant, day, question, answer,
    )  # fmt: skip


async def forget(connection: Connection, tenant: str, day: datetime.date, question: str) -> None:
    """Forget what is told of a question on a day."""
    await connection.execute(
        "delete from told_daily where tenant = $1 and day = $2 and question = $3", tenant, day, question
    )
