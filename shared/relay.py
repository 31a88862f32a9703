"""
The relay: sends what the logs hold to the topics, in order, never skipping.

One relay a shard at a time holds its PostgreSQL advisory lock. It may repeat a run of records after a restart (same
bytes, id and position); readers drop `position <= last`. On start, on take-over and every minute it compares its
cursors with the partitions and lowers them where records are lost, never raises them, so a topic that was lost fills again.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import partition_tails, tracing
from shared.crash_points import reach
from shared.database import Connection, Database, columns
from shared.errors import Conflict, Unavailable
from shared.event_log import Entry, EventLog, LogRow, Place, read_all
from shared.events import placed, topic_of, without_data
from shared.handed_over import HandedOver
from shared.kafka_security import client_options
from shared.observability import metrics
from shared.settings import Settings
from shared.tasks import Easing, Pulse, raise_if_cancelled, run_together

log = logging.getLogger(__name__)
BATCH_BYTES = 512 * 1024
RECORD_BYTES_MAX = 900 * 1024
"""Below the 1 MiB that a broker takes unless told otherwise."""
RUN_ROWS_MIN = 250
RETRY_S, RETRY_S_MAX = 1.0, 5.0
"""How long the relay rests before it starts over: longer each time that Kafka or PostgreSQL is still away."""
SEND_S_MAX = 45.0
"""How long Kafka may take for what is sent at once: one that hangs gives no error for longer, and who stands still for a minute
is taken for stuck."""
TAKE_OVER_S = 1.0
STOP_S = 5.0
STORE_S = 0.05
"""How far the stored cursors may lag: what a relay that takes over sends again."""


class Relay:
    """
    Sends the logs of one service: what this process has committed as it is handed over, and what it finds in the logs.

    Handing over only spares the reading: rows that are not, or not in a row, are read from the log.
    """

    def __init__(self, database: Database, logs: Sequence[EventLog], settings: Settings) -> None:
        self._database = database
        self._logs = {event_log.name: event_log for event_log in logs}
        self._settings = settings
        self._awake = asyncio.Event()
        self._cursors: dict[Place, int] = {}
        """What is acknowledged of the places that this relay holds; stored a little later, which may repeat a run."""
        self._stored: dict[Place, int] = {}
        self._generations: dict[Place, int] = {}
        self._handed = HandedOver()
        self.pulses = self._sending, self._keeping = Pulse(), Pulse()
        """The loops that must go round; a dependency that is away does not stop them."""
        self._easing = Easing()
        self._look_at = 0.0
        """When the logs are read for rows that were not handed over, whatever else is sent meanwhile; 0 is at once."""

    def hand_over(self, rows: Sequence[LogRow]) -> None:
        """Take rows that this process has just committed, in the order of their positions a place."""
        if not self._handed.add(rows):
            self._look_at = 0.0
        self._awake.set()
        reach("relay.handed")

    def wake(self) -> None:
        """Tell the relay that rows were committed which it has to read."""
        self._look_at = 0.0
        self._awake.set()

    async def run(self) -> None:
        """Relay until cancelled; any failure drops the producer and the locks and starts over from the cursors."""
        wait_s = RETRY_S
        while True:
            raise_if_cancelled()
            self._sending.beat()
            self._keeping.beat()
            try:
                # The connection that holds the locks is the last to go: what is in flight is sent under them.
                async with self._database.session() as locks, self._producer() as producer:
                    wait_s = RETRY_S
                    self._cursors, self._stored, self._generations = {}, {}, {}
                    await run_together(self._keep(locks), self._send_all(producer))
            except (KafkaError, Conflict, Unavailable, OSError) as error:
                metrics.relay_restarts.inc()
                log.warning("relay starts over: %s: %s", type(error).__name__, error)
                await asyncio.sleep(wait_s * random.uniform(0.7, 1.0))
                wait_s = min(2 * wait_s, RETRY_S_MAX)

    async def _keep(self, locks: Connection) -> None:
        """Take over what no other relay sends, and look after the partitions of what is held, beside the sending."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + self._settings.tail_check_s
        while True:
            raise_if_cancelled()
            self._keeping.beat()
            if locks.is_closed():
                raise Unavailable("the connection that holds the locks is lost")
            due = loop.time() >= check_at
            if due:
                check_at = loop.time() + self._settings.tail_check_s
            for name in self._logs:
                # A Kafka that hangs takes its time for each of them.
                self._keeping.beat()
                try:
                    if due and await self._lower(name, self._held(name)):
                        raise Conflict(f"the topic of {name} has lost records")
                    taken = await self._take_over(locks, name)
                    self._begin(name, taken | await self._lower(name, taken))
                except (KafkaError, TimeoutError) as error:
                    log.warning("cannot see what the topic of %s holds: %s: %s", name, type(error).__name__, error)
            await asyncio.sleep(min(TAKE_OVER_S, self._settings.tail_check_s))

    def _held(self, name: str) -> dict[int, int]:
        """Return what is acknowledged of the shards of a log that this relay holds."""
        return {shard: pos for (log, shard), pos in self._cursors.items() if log == name}

    def _begin(self, name: str, cursors: dict[int, int]) -> None:
        for shard, pos in cursors.items():
            self._cursors[name, shard] = self._stored[name, shard] = pos
        if cursors:
            self.wake()

    async def _take_over(self, locks: Connection, name: str) -> dict[int, int]:
        """Try for the locks not held yet and return the cursors that came with them."""
        wanted = [shard for shard in range(self._logs[name].shards) if (name, shard) not in self._cursors]
        if not wanted:
            return {}
        rows = await locks.fetch(
            "select c.shard, c.pos, h.generation from relay_cursor c join log_head h using (log, shard)"
            " where log = $1 and shard = any($2::int[]) and pg_try_advisory_lock(hashtext('relay.' || log), shard)",
            name,
            wanted,
        )
        self._generations |= {(name, row["shard"]): row["generation"] for row in rows}
        return {row["shard"]: row["pos"] for row in rows}

    async def _lower(self, name: str, cursors: dict[int, int]) -> dict[int, int]:
        """Lower the cursors that are ahead of what the partitions hold; return those."""
        sent = {shard: pos for shard, pos in cursors.items() if pos}
        if not sent:
            return {}
        async with self._database.connection() as connection:
            heads = await self._logs[name].heads(connection)
        generations = {shard: head.generation for shard, head in heads.items()}
        lost = await partition_tails.lost(self._settings, self._topic(name), sent, generations)
        if lost:
            metrics.relay_lowered.inc(len(lost))
            log.warning(
                "partitions of %s end before their cursors, which are lowered: %s", name, lost, extra={"log": name}
            )
            async with self._database.connection() as connection:
                await connection.execute(
                    "update relay_cursor c set pos = k.pos from unnest($2::int[], $3::bigint[]) k (shard, pos)"
                    " where c.log = $1 and c.shard = k.shard and c.pos > k.pos",
                    name,
                    *columns(lost.items(), 2),
                )
            reach("relay.lowered")
        return lost

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        loop = asyncio.get_running_loop()
        store_at = 0.0
        while True:
            raise_if_cancelled()
            self._sending.beat()
            self._awake.clear()
            sent = await self._round(producer)
            if loop.time() >= store_at or not sent:
                await self._store()
                store_at = loop.time() + STORE_S
            if not sent:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._look_at):
                        await self._awake.wait()

    async def _round(self, producer: AIOKafkaProducer) -> int:
        """Send what is next of every place and wait for the acknowledgements. Return how many rows were sent."""
        limit = max(RUN_ROWS_MIN, self._settings.relay_rows // max(1, len(self._cursors)))
        runs = {place: run for place in self._handed.places() if (run := self._take_handed(place, limit))}
        if asyncio.get_running_loop().time() >= self._look_at:
            runs |= await self._read(limit, but=runs)
        if not runs:
            return 0
        async with asyncio.timeout(SEND_S_MAX):
            await asyncio.gather(*(self._send(producer, place, run) for place, run in runs.items()))
        reach("relay.sent")
        sent: Counter[str] = Counter()
        for place, run in runs.items():
            self._cursors[place] = run[-1].pos
            sent[place[0]] += len(run)
        for name, count in sent.items():
            metrics.relayed.labels(log=name).inc(count)
        return sum(sent.values())

    async def _read(self, limit: int, but: Collection[Place]) -> dict[Place, list[Entry]]:
        """Return what the logs hold behind the cursors of all but these places; where that is a full page, look on at once."""
        rest_s = self._easing.rest_s(self._settings.relay_poll_ms / 1000)
        self._look_at = asyncio.get_running_loop().time() + rest_s
        after = {place: pos for place, pos in self._cursors.items() if place not in but}
        if not after:
            return {}
        async with self._database.connection() as connection:
            pages = await read_all(connection, after, limit)
        if pages:
            self._easing.found()
        if any(len(page) == limit for page in pages.values()):
            self._look_at = 0.0
        return pages

    def _take_handed(self, place: Place, limit: int) -> list[Entry]:
        """Return the next entries of a place that were handed over; where they do not follow the cursor, let them be read."""
        cursor = self._cursors.get(place)
        rows, follow = self._handed.take(place, cursor, limit)
        if not follow and cursor is not None:
            self._look_at = 0.0
        generation = self._generations.get(place, 0)
        return [
            Entry(shard, pos, f"{tenant}|{subject}", placed(body, generation, shard, pos))
            for _, shard, pos, tenant, subject, body in rows
        ]

    async def _send(self, producer: AIOKafkaProducer, place: Place, run: list[Entry]) -> None:
        """Send a run of one place in as few batches as hold it, and wait until all are acknowledged."""
        topic, shard = self._topic(place[0]), place[1]
        futures = []
        sending = tracing.sending(place[0], run)
        batch = producer.create_batch()
        for entry in run:
            key, value = entry.key.encode(), entry.body
            if len(value) > RECORD_BYTES_MAX:
                log.error("%s: position %s is too large for a record, readers get it by the feed", topic, entry.pos,
                          extra={"tenant": entry.key.partition("|")[0], "log": place[0], "shard": shard,
                                 "position": entry.pos})  # fmt: skip
                value = without_data(value)
            headers = sending.headers.get(entry.pos, [])
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                futures.append(await producer.send_batch(batch, topic, partition=shard))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        futures.append(await producer.send_batch(batch, topic, partition=shard))
        await asyncio.gather(*futures)
        sending.done()

    async def _store(self) -> None:
        """
        Store the cursors that have moved over what is acknowledged.

        Raises:
            Conflict: another relay has moved one, or it was lowered.
        """
        moved = {place: pos for place, pos in self._cursors.items() if pos != self._stored[place]}
        if not moved:
            return
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                # Not worth a flush: a cursor that a crash takes back only repeats a run.
                "update relay_cursor c set pos = k.new"
                " from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) k (log, shard, old, new),"
                "   (select set_config('synchronous_commit', 'off', true)) unflushed"
                " where c.log = k.log and c.shard = k.shard and c.pos = k.old returning 1",
                *columns(((*place, self._stored[place], pos) for place, pos in moved.items()), 4),
            )
        if len(rows) != len(moved):
            raise Conflict("another relay has moved cursors")
        reach("relay.stored")
        self._stored |= moved

    def _topic(self, name: str) -> str:
        return topic_of(name, self._settings.topic_suffix)

    @contextlib.asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=30_000,
        )
        try:
            await producer.start()
            yield producer
        finally:
            # Bounded, because it waits for what is in flight; the cursors say what is to be sent again.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(STOP_S):
                    await producer.stop()
