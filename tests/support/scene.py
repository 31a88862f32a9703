"""A log with its topic and relay, and consumers of it, as tests of the consumer set them up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence

from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Unavailable
from shared.events import Draft, encode_json, envelope
from tests.support.disposable import Topics, eventually
from tests.support.producer import Producer
from tests.support.recorder import LogInbox, Recorder, chain_holds, folded, running_consumer

AWAY = "http://127.0.0.1:9"
"""Where nobody answers."""


def drafts(shard: int, numbers: Sequence[int]) -> list[Draft]:
    """Return events that carry numbers."""
    return [
        Draft(shard, "t", "s", envelope(
            id=str(n), source="test", type="attain.test.v1", tenant="t", subject="s",
            time="2026-01-01T00:00:00.000000Z", data=encode_json({"n": n}),
        ))
        for n in numbers
    ]  # fmt: skip


class Scene:
    """A producer, what it has sent, and the database of those who consume it."""

    def __init__(self, producer: Producer, database: Database, topics: Topics) -> None:
        self.producer = producer
        self.database = database
        self.topics = topics
        self.settings = producer.settings
        self.topic = f"attain.test{self.settings.topic_suffix}"
        self.log = producer.logs["test"]
        self.appended = 0

    async def append(self, shard: int, count: int) -> None:
        """Append events to the producer's log."""
        numbers = range(self.appended, self.appended + count)
        self.appended += count
        async with self.producer.database.transaction() as connection:
            await self.log.append(connection, drafts(shard, numbers))
        self.producer.relay.wake()

    async def send(self, shard: int, *positions: int) -> None:
        """Send records of the log to the topic, in the order given."""
        async with self.producer.database.connection() as connection:
            bodies = {e.pos: e.body for e in await self.log.read(connection, {shard: 0}, 10_000)}
        await self.topics.send(self.topic, shard, [bodies[pos] for pos in positions])

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Run the producer's relay."""
        task = asyncio.create_task(self.producer.relay.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def consuming(
        self, recorder: Recorder, *, slot: str = "", inbox: LogInbox | None = None, feed: str = "", kafka: str = ""
    ) -> contextlib.AbstractAsyncContextManager[ShardConsumer]:
        """Run a consumer; its slot makes it a static member."""
        settings = self.settings.model_copy(update={"slot": slot, "kafka": kafka or self.settings.kafka})
        return running_consumer(self.database, recorder, feed or self.producer.url, settings, inbox)

    async def stored(self) -> dict[int, int]:
        """Return the stored positions."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select shard, pos from consumer_shard where consumer = 'recorder'")
        return {row["shard"]: row["pos"] for row in rows}

    async def all_folded(self) -> bool:
        """Tell whether the stored positions are at the producer's heads; not while the server cuts connections."""
        try:
            async with self.producer.database.connection() as connection:
                heads = await self.log.heads(connection)
            return await self.stored() == {shard: head.pos for shard, head in heads.items()}
        except Unavailable:
            return False

    async def reached(self, shard: int, pos: int) -> None:
        """Wait until a shard is folded up to a position."""

        async def there() -> bool:
            return (await self.stored()).get(shard, 0) >= pos

        await eventually(there)

    async def check(self, within_s: float = 20.0) -> None:
        """Every event has had its effect exactly once, in order, and the caches agree with it."""
        await eventually(self.all_folded, within_s)
        async with self.producer.database.connection() as connection:
            heads = await self.log.heads(connection)
        expected = {shard: list(range(1, head.pos + 1)) for shard, head in heads.items() if head.pos}
        assert await folded(self.database) == expected
        assert await chain_holds(self.database)


async def owns(running: ShardConsumer, shards: Collection[int]) -> bool:
    """Tell whether a consumer owns just these shards."""
    return set(running.owned()) == set(shards)
