"""A process of the consuming service: the product's own `ShardConsumer` with a handler that shows every fault."""

import asyncio
from collections.abc import Collection, Coroutine, Sequence, Sized
from typing import Any

import msgspec

from shared.consumer import ShardConsumer
from shared.events import Envelope
from shared.handling import InboxEntry, Settle, ShardBatch, Write
from shared.settings import Settings
from tests.model.outside import Feed, Reader, Topic
from tests.model.store import Database, Effect, Session, Store
from tests.support.recorder import Fact, chained

NAME = "recorder"
_decode = msgspec.json.Decoder(Fact).decode


def fact(event: Envelope) -> int:
    """Return the number that an event carries."""
    return _decode(event.data).n


# No installation could wait for nothing; the schedule of the model is its only clock.
SETTINGS = Settings().model_copy(update={"session_timeout_s": 0.0, "head_check_s": 0.0, "batch_records": 5, "slot": ""})


class Ledger:
    """Journals what it folds and keeps a chain over it, both from a cache, as real handlers keep states."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.cache: dict[int, tuple[int, int]] = {}
        """Length of the journal and value of the chain, by shard."""
        self.raises = False
        self.reads = False

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        if self.raises:
            self.raises = False
            raise RuntimeError("the code is wrong")
        if self.reads:
            self.reads = False
            await settle()
        effects: dict[int, list[Effect]] = {}
        for batch in batches:
            index, value = self.cache[batch.shard]
            made = effects.setdefault(batch.shard, [])
            inputs = [("inbox", entry.pos, int(entry.body), batch.generation) for entry in batch.decisions]
            inputs += [("log", event.position, fact(event), event.generation) for event in batch.events]
            for input, pos, n, generation in inputs:
                index, value = index + 1, chained(value, n)
                made.append(Effect(index, input, pos, n, generation))
            self.cache[batch.shard] = (index, value)
        values = {batch.shard: self.cache[batch.shard][1] for batch in batches}

        async def write(connection: Any) -> None:
            self.write(connection, effects, values)

        return write

    def write(self, connection: Session, effects: dict[int, list[Effect]], values: dict[int, int]) -> None:
        """Write effects and chains, in the transaction."""
        for shard, made in effects.items():
            row = connection.store.rows[NAME, shard]
            connection.change(lambda row=row, made=made: row.journal.extend(made))  # type: ignore[misc]
            connection.change(lambda row=row, value=values[shard]: setattr(row, "chain", value))  # type: ignore[misc]

    def forget(self, shards: Collection[int]) -> None:
        """Drop what is cached."""
        for shard in shards:
            self.cache.pop(shard, None)

    async def claimed(self, shards: Collection[int]) -> None:
        """Load what is stored."""
        for shard in shards:
            row = self._database.store.rows[NAME, shard]
            self.cache[shard] = (len(row.journal), row.chain)

    def committed(self) -> None:
        """Nothing is unpinned."""

    def pending(self, shards: Collection[int]) -> list[int]:
        """Nothing is left over."""
        return []


class StoredInbox:
    """Decisions waiting in the consumer's own database."""

    async def read(self, connection: Any, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the entries behind the positions."""
        found = []
        for shard, pos in sorted(after.items()):
            waiting = connection.store.rows[NAME, shard].inbox[pos : pos + limit]
            found += [InboxEntry(shard, pos + n, b"%d" % entry) for n, entry in enumerate(waiting, start=1)]
        return found


class Process:
    """One process. At most one step of it is under way; a step may be stuck behind a lock or an open commit."""

    def __init__(self, store: Store, topic: Topic, feed: Feed) -> None:
        self.database = Database(store)
        self.handler = Ledger(self.database)
        self.reader = Reader(topic)
        self.consumer = self.composed(feed)
        self.consumer.kafka = lambda: self.reader
        self.step: asyncio.Task[Any] | None = None

    def composed(self, feed: Feed) -> ShardConsumer:
        """Return the product's consumer over the model."""
        return ShardConsumer(
            NAME, "test", self.database, self.handler, feed, SETTINGS, StoredInbox()  # type: ignore[arg-type]
        )  # fmt: skip

    @property
    def stuck(self) -> bool:
        """Whether the last step has not ended."""
        return self.step is not None and not self.step.done()

    def attempt(self, loop: asyncio.AbstractEventLoop, step: Coroutine[Any, Any, Any]) -> None:
        """Take a step, unless the last one is stuck."""
        if self.stuck:
            step.close()
        else:
            loop.run_until_complete(self.do(step))

    async def do(self, step: Coroutine[Any, Any, Any]) -> None:
        """Begin a step and run everything until nothing goes on by itself."""
        self.step = asyncio.create_task(step)
        await idle()
        if self.step.done() and not self.step.cancelled():
            self.step.result()

    async def tick(self) -> None:
        """What the consumer does every few milliseconds."""
        async with self.consumer._busy:
            await self.consumer._guarded(self.consumer._tick_once())

    async def settle(self) -> None:
        """Let the commit in flight end; one that another owner fenced off is dropped, as at any step."""
        async with self.consumer._busy:
            await self.consumer._guarded(self.consumer._settle())

    async def watch(self) -> None:
        """What the consumer does every few seconds, with a page of the feed for what it misses."""
        try:
            await self.consumer._look_for_acceptance()
            await self.consumer._look_for_lost_tails()
        except Exception as error:
            if type(error).__name__ != "Unavailable":
                raise
        await self.consumer._catch_up()

    async def kill(self) -> None:
        """End it at once; an open transaction is rolled back by the server."""
        tasks = [task for task in (self.step, self.consumer._commit) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def idle() -> None:
    """Let everything run that can."""
    ready: Sized = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while len(ready):
        await asyncio.sleep(0)
