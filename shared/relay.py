"""
The relay: sends what the logs hold to the topics, in order, never skipping.

One relay a shard at a time holds its PostgreSQL advisory lock. It may repeat a run of records after a restart (same bytes,
id and position); readers drop `position <= last`. On start and every minute it lowers its cursor to the partition's tail,
never raises it, so a topic that was lost fills again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from itertools import groupby

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared.database import Connection, Database, columns
from shared.errors import Unavailable
from shared.event_log import Entry, EventLog
from shared.observability import metrics
from shared.settings import Settings

log = logging.getLogger(__name__)
BATCH_BYTES = 512 * 1024
RETRY_S = 1.0


class _Placed(msgspec.Struct):
    generation: int
    position: int


_decode_place = msgspec.json.Decoder(_Placed).decode


class Relay:
    """Sends the logs of one service. `wake` it after a local commit; it also polls for what other replicas append."""

    def __init__(self, database: Database, logs: Sequence[EventLog], settings: Settings) -> None:
        self._database = database
        self._logs = {event_log.name: event_log for event_log in logs}
        self._settings = settings
        self._awake = asyncio.Event()
        self._cursor: dict[str, dict[int, int]] = {}
        self._generation: dict[str, dict[int, int]] = {}

    def wake(self) -> None:
        """Tell the relay that this process has just committed rows."""
        self._awake.set()

    async def run(self) -> None:
        """Relay until cancelled; any failure drops the producer and the locks and starts over from the cursors."""
        while True:
            try:
                async with self._producer() as producer, self._lock_connection() as lock:
                    await self._relay(producer, lock)
            except (KafkaError, Unavailable, OSError, TimeoutError) as error:
                metrics.relay_restarts.inc()
                log.warning("relay starts over: %s: %s", type(error).__name__, error)
                await asyncio.sleep(RETRY_S)

    async def _relay(self, producer: AIOKafkaProducer, lock: Connection) -> None:
        loop = asyncio.get_running_loop()
        check_tail_at = 0.0
        while True:
            if loop.time() >= check_tail_at:
                await self._take_over(lock)
                await self._lower_to_tail()
                check_tail_at = loop.time() + self._settings.tail_check_s
            self._awake.clear()
            if not await self._round(producer):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), self._settings.relay_poll_ms / 1000)

    async def _take_over(self, lock: Connection) -> None:
        """Try for the locks not held yet; a shard's lock is held by one relay of the installation."""
        for name, event_log in self._logs.items():
            held = self._cursor.setdefault(name, {})
            wanted = [shard for shard in range(event_log.shards) if shard not in held]
            rows = await lock.fetch(
                "select c.shard, c.pos, h.generation from relay_cursor c join log_head h using (log, shard)"
                " where log = $1 and shard = any($2::int[]) and pg_try_advisory_lock(hashtext('relay.' || log), shard)",
                name,
                wanted,
            )
            held.update({row["shard"]: row["pos"] for row in rows})
            self._generation.setdefault(name, {}).update({row["shard"]: row["generation"] for row in rows})

    async def _lower_to_tail(self) -> None:
        """Lower cursors to what the partitions really end with: a recreated or truncated topic is filled again."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            for name, held in self._cursor.items():
                topic = f"attain.{name}{self._settings.topic_suffix}"
                partitions = [TopicPartition(topic, shard) for shard in held]
                if not partitions:
                    continue
                consumer.assign(partitions)
                begins = await consumer.beginning_offsets(partitions)
                for partition, end in (await consumer.end_offsets(partitions)).items():
                    tail = 0
                    if end > begins[partition]:
                        consumer.seek(partition, end - 1)
                        record = await asyncio.wait_for(consumer.getone(partition), 10)
                        tail = self._tail_position(name, partition.partition, record.value)
                    elif end > 0:
                        continue  # emptied by retention, not lost: the offsets go on
                    if tail < held[partition.partition]:
                        metrics.relay_lowered.inc()
                        log.warning("%s shard %s ends at %s, relay lowers its cursor", name, partition.partition, tail)
                        held[partition.partition] = tail
        finally:
            await consumer.stop()

    def _tail_position(self, name: str, shard: int, value: bytes | None) -> int:
        try:
            place = _decode_place(value or b"")
        except msgspec.DecodeError:
            return 0
        return place.position if place.generation == self._generation[name][shard] else 0

    async def _round(self, producer: AIOKafkaProducer) -> int:
        """Send one page of every log, wait for the acknowledgements, move the cursors. Return how many were sent."""
        sent = 0
        for name, event_log in self._logs.items():
            held = self._cursor[name]
            if not held:
                continue
            async with self._database.connection() as connection:
                entries = await event_log.read(connection, held, self._settings.relay_rows)
            if not entries:
                continue
            topic = f"attain.{name}{self._settings.topic_suffix}"
            acknowledged = []
            for shard, run in groupby(entries, key=lambda entry: entry.shard):
                acknowledged += await self._send(producer, topic, shard, list(run))
            await asyncio.gather(*acknowledged)
            moved = {entry.shard: entry.pos for entry in entries}
            async with self._database.connection() as connection:
                await connection.execute(
                    "update relay_cursor c set pos = k.pos from unnest($2::int[], $3::bigint[]) k (shard, pos)"
                    " where c.log = $1 and c.shard = k.shard",
                    name,
                    *columns(moved.items(), 2),
                )
            held.update(moved)
            metrics.relayed.labels(log=name).inc(len(entries))
            sent += len(entries)
        return sent

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, shard: int, entries: list[Entry]
    ) -> "list[asyncio.Future[object]]":
        futures = []
        batch = producer.create_batch()
        for entry in entries:
            key = entry.key.encode()
            if batch.append(key=key, value=entry.body, timestamp=None) is None:
                futures.append(await producer.send_batch(batch, topic, partition=shard))
                batch = producer.create_batch()
                batch.append(key=key, value=entry.body, timestamp=None)
        futures.append(await producer.send_batch(batch, topic, partition=shard))
        return futures

    @contextlib.asynccontextmanager
    async def _producer(self):  # type: ignore[no-untyped-def]
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=30_000,
        )
        await producer.start()
        try:
            yield producer
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), 10)

    @contextlib.asynccontextmanager
    async def _lock_connection(self):  # type: ignore[no-untyped-def]
        self._cursor.clear()
        async with self._database.connection() as connection:
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute("select pg_advisory_unlock_all()")
