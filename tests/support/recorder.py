"""
A small handler whose effects show every fault: what was folded has a unique key, and a chain over it shows the order.

It caches the chain as real handlers cache states, so a cache that outlives its shard or a failed commit shows too.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence

import msgspec
import sqlalchemy as sa

from shared.consumer import ShardConsumer
from shared.database import Connection, Database, columns
from shared.event_log import EventLog
from shared.feed import FeedClient
from shared.handling import InboxEntry, Settle, ShardBatch, Write
from shared.schema import define_common, define_logs
from shared.settings import Settings
from shared.transport import Pace, make_broker, subscribe_consumer
from tests.support.producer import create_tables


class Fact(msgspec.Struct):
    """The data of the events that are recorded."""

    n: int


_decode = msgspec.json.Decoder(Fact).decode


async def create_recorder_tables(url: str) -> None:
    """Create what the recorder, its consumer and its inbox need."""
    metadata = sa.MetaData()
    define_logs(metadata)
    define_common(metadata)
    sa.Table(
        "folded",
        metadata,
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("input", sa.Text, primary_key=True),
        sa.Column("pos", sa.BigInteger, primary_key=True),
        sa.Column("n", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "chain",
        metadata,
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    await create_tables(url, metadata)


def chained(value: int, n: int) -> int:
    """Return the next link: another order of the same numbers gives another chain."""
    return (value * 31 + n) % 1_000_000_007


class Recorder:
    """Records what it is given to fold."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chain: dict[int, int] = {}
        self.folding: Callable[[Sequence[ShardBatch]], None] = lambda batches: None
        """Called before each fold; may raise."""
        self.loading: Callable[[Collection[int]], None] = lambda shards: None
        """Called before shards are loaded; may raise."""
        self.writing: Callable[[Connection], object] = lambda connection: None
        """Called inside each transaction; may raise or return an awaitable."""
        self.commits = 0

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Record the events and decisions of a batch."""
        self.folding(batches)
        rows: list[tuple[int, str, int, int]] = []
        links: list[tuple[int, int]] = []
        for batch in batches:
            value = self._chain[batch.shard]
            for decision in batch.decisions:
                n = int(msgspec.json.decode(decision.body)["data"]["n"])
                rows.append((batch.shard, "inbox", decision.pos, n))
            for event in batch.events:
                n = _decode(event.data).n
                rows.append((batch.shard, "log", event.position, n))
                value = chained(value, n)
            self._chain[batch.shard] = value
            links.append((batch.shard, value))

        async def write(connection: Connection) -> None:
            waiting = self.writing(connection)
            if waiting is not None:
                await waiting  # type: ignore[misc]
            await connection.execute(
                "insert into folded select * from unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[])",
                *columns(rows, 4),
            )
            await connection.execute(
                "insert into chain select * from unnest($1::int[], $2::bigint[])"
                " on conflict (shard) do update set value = excluded.value",
                *columns(links, 2),
            )

        return write

    def forget(self, shards: Collection[int]) -> None:
        """Drop the cached chains."""
        for shard in shards:
            self._chain.pop(shard, None)

    async def claimed(self, shards: Collection[int]) -> None:
        """Load the chains."""
        self.loading(shards)
        async with self._database.connection() as connection:
            rows = await connection.fetch("select shard, value from chain where shard = any($1::int[])", shards)
        stored = {row["shard"]: row["value"] for row in rows}
        for shard in shards:
            self._chain[shard] = stored.get(shard, 0)

    def committed(self) -> None:
        """Count the commits."""
        self.commits += 1

    def pending(self, shards: Collection[int]) -> list[int]:
        """Nothing is left over."""
        return []


class LogInbox:
    """An inbox over a log that no topic carries."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the entries behind the given positions."""
        return [InboxEntry(e.shard, e.pos, e.body) for e in await self._log.read(connection, after, limit)]


async def folded(database: Database, input: str = "log") -> dict[int, list[int]]:
    """Return the positions that were folded, by shard."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select shard, array_agg(pos order by pos) as positions from folded where input = $1 group by shard", input
        )
    return {row["shard"]: row["positions"] for row in rows}


async def chain_holds(database: Database) -> bool:
    """Tell whether the chain of every shard is the one of its events in the order of their positions."""
    async with database.connection() as connection:
        rows = await connection.fetch("select shard, pos, n from folded where input = 'log' order by shard, pos")
        links = await connection.fetch("select shard, value from chain")
    stored = {row["shard"]: row["value"] for row in links}
    chains: dict[int, int] = dict.fromkeys(stored, 0)
    for shard, _, n in rows:
        chains[shard] = chained(chains[shard], n)
    return chains == stored


@contextlib.asynccontextmanager
async def running_consumer(
    database: Database, recorder: Recorder, feed_url: str, settings: Settings, inbox: LogInbox | None = None
) -> AsyncIterator[ShardConsumer]:
    """Run a consumer of the log `test` as a service does, and stop it as one does."""
    feed = FeedClient(feed_url, settings)
    running = ShardConsumer("recorder", "test", database, recorder, feed, settings, inbox)
    await running.prepare()
    broker = make_broker(settings)
    subscribe_consumer(broker, running, settings, Pace(settings.batch_gap_ms))
    await broker.start()
    tick = asyncio.create_task(running.tick())
    try:
        yield running
    finally:
        await broker.stop()
        await running.stop()
        tick.cancel()
        await asyncio.gather(tick, return_exceptions=True)
        await feed.close()
