"""Statements over the journal: the inputs of every key, in the order folded."""

from collections.abc import Collection, Sequence
from typing import Any

from services.progression.domain.inputs import Key
from services.progression.domain.journal import JournalRow
from services.progression.domain.terms import CLOSE_TERM
from shared.database import Connection, columns
from shared.row_security import rows_of


async def journal_heads(connection: Connection, shards: Collection[int]) -> dict[int, int]:
    """Return the last journal position of each shard."""
    rows = await connection.fetch(
        "select s, coalesce((select max(batch) from journal where shard = s), 0) from unnest($1::int[]) s", list(shards)
    )
    return {row[0]: row[1] for row in rows}


async def append_journal(connection: Connection, rows: Sequence[JournalRow]) -> None:
    """Append rows whose positions the shard's owner has given."""
    if rows:
        await connection.copy_records_to_table(rows_of("journal"), records=rows, columns=JournalRow._fields)


async def load_evidence(connection: Connection, keys: Collection[Key]) -> list[Any]:
    """Return (tenant, learner, competency, body) of every journal row of the keys, in journal order."""
    return await connection.fetch(
        "select j.tenant, j.learner, j.competency, j.body"
        " from unnest($1::text[], $2::text[], $3::text[]) k (tenant, learner, competency)"
        " join journal j on j.learner = k.learner and j.competency = k.competency and j.tenant = k.tenant"
        " order by j.shard, j.batch",
        *columns(keys, 3),
    )


async def learners_with(connection: Connection, tenant: str, texts: Sequence[bytes]) -> list[str]:
    """Return the learners of a tenant of whom a row has all of these texts in it, in order."""
    rows = await connection.fetch(
        "select distinct learner from journal where tenant = $1 and learner <> ''"
        "   and not exists (select from unnest($2::bytea[]) t (text) where position(t.text in body) = 0) order by learner",
        tenant, list(texts),
    )  # fmt: skip
    return [row[0] for row in rows]


async def load_journal_of(connection: Connection, shard: int, tenant: str, learner: str) -> list[bytes]:
    """Return the bodies of a learner's journal rows in order."""
    rows = await connection.fetch(
        "select body from journal where learner = $1 and tenant = $2 and shard = $3 order by batch, no",
        learner, tenant, shard,
    )  # fmt: skip
    return [row[0] for row in rows]


async def first_of(connection: Connection, shard: int, tenant: str, learner: str) -> bytes | None:
    """Return the body of a learner's first journal row, None where there is none."""
    body: bytes | None = await connection.fetchval(
        "select body from journal where learner = $1 and tenant = $2 and shard = $3 order by batch, no limit 1",
        learner, tenant, shard,
    )  # fmt: skip
    return body


async def load_closings(connection: Connection, shards: Collection[int]) -> list[Any]:
    """Return (shard, tenant, body) of the rows of the shards that hold the closing of a term, in order."""
    return await connection.fetch(
        "select shard, tenant, body from journal where learner = '' and competency = '' and shard = any($1::int[])"
        "   and position($2::bytea in body) > 0 order by shard, batch, no",
        list(shards), CLOSE_TERM.encode(),
    )  # fmt: skip


async def read_journal(connection: Connection, shard: int, after: int, limit: int) -> list[Any]:
    """Return the rows of the next whole batches behind a position, `limit` rows or a batch more, in order."""
    return await connection.fetch(
        "select * from journal where shard = $1 and batch > $2 and batch <= (select max(batch) from"
        "   (select batch from journal where shard = $1 and batch > $2 order by batch, no limit $3) page)"
        " order by batch, no",
        shard, after, limit,
    )  # fmt: skip


INPUT_ROWS = "select tenant, events as n from journal where shard = k.shard and batch > k.after and batch <= k.until"
"""The journalled events of the evidence log in a range of journal positions `k`, for a tally."""


async def learners_behind(connection: Connection, after: str, limit: int) -> list[str]:
    """Return learners with journalled inputs, in order behind `after`."""
    rows = await connection.fetch(
        "select distinct learner from journal where learner > $1 order by learner limit $2", after, limit
    )
    return [row[0] for row in rows]


async def journal_of(connection: Connection, learner: str) -> list[Any]:
    """Return (tenant, competency, body) of a learner's journal rows in all tenants, in order."""
    return await connection.fetch(
        "select tenant, competency, body from journal where learner = $1 order by shard, batch, no", learner
    )
