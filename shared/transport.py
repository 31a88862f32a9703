"""FastStream on aiokafka: batch subscribers of raw records, acknowledged by our own positions."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.consumer import ShardConsumer
from shared.group_coordinator import Coordinator
from shared.kafka_security import security
from shared.settings import Settings
from shared.tasks import Pulse

BATCH_STOP_S = 8
FETCH_WAIT_MS, FETCH_ALL_WAIT_MS = 25, 500
"""How long the broker may wait for records of some partitions, and of all: see `_PatientFetcher`."""
GATHERED_BYTES = 256 << 10
"""So much does not wait for the gap to end: some hundred records."""
POLL_BYTES, PARTITION_BYTES_MIN = 16 << 20, 64 << 10
"""About what a poll of all partitions holds at most, so that a backlog of large records does not fill the memory."""
GIVEN_WAY_S = 1.0
"""Between looks whether a slot that another process has is free again."""
LEISURELY_GAP_MS = 80
"""Between the small batches of what nobody waits for by milliseconds."""
OnRecords = Callable[[Sequence[ConsumerRecord[bytes, bytes]]], Awaitable[None]]


class Pace:
    """
    When small batches begin: at least `gap_ms` apart, and those of all who share it together, so that they share a commit.

    Each costs ten statements and requests, whatever it holds: without a gap a few hundred events a second would keep two
    cores busy with batches of two or three.
    """

    def __init__(self, gap_ms: int) -> None:
        self._gap_s = gap_ms / 1000
        self._next_at = 0.0

    def next_at(self) -> float:
        """Return when the batch after the one that begins now is to begin, by the monotonic clock."""
        now = time.monotonic()
        if self._next_at < now + self._gap_s / 2:
            self._next_at = now + self._gap_s
        return self._next_at


def make_broker(settings: Settings) -> KafkaBroker:
    """
    Return a broker that loses nothing: manual acknowledgement, topics only by the topics command.

    It publishes nothing; the relay sends with explicit partitions.
    """
    return KafkaBroker(
        settings.kafka.split(","),
        security=security(settings),
        ack_policy=AckPolicy.MANUAL,
        allow_auto_create_topics=False,
        consumer_only=True,
        # Members notice by their metadata alone that a topic which was lost is there again: the default is five minutes.
        metadata_max_age_ms=int(settings.session_timeout_s * 1000),
        # A poll that is being handled when the service stops; one that waits for Kafka or PostgreSQL is polled again.
        graceful_timeout=BATCH_STOP_S,
        # Its injection of arguments would hand each poll to a thread and back.
        apply_types=False,
        logger=None,
    )


def subscribe(
    broker: KafkaBroker,
    topic: str,
    group: str,
    on_records: OnRecords,
    settings: Settings,
    *,
    pulse: Pulse,
    listener: ConsumerRebalanceListener | None = None,
    description: str = "",
    pace: Pace,
) -> BatchSubscriber:
    """
    Hand the raw records of every poll of a topic to `on_records`, which must not raise; small batches begin at the pace given.
    `pulse` beats at every poll.

    Offsets are never acknowledged here: who handles the records knows when they are durable.
    """
    subscriber: BatchSubscriber = broker.subscriber(
        Topic(topic, declare=False),
        group_id=f"{group}{settings.topic_suffix}",
        group_instance_id=settings.slot or None,
        batch=True,
        max_records=settings.batch_records,
        batch_timeout_ms=settings.batch_wait_ms,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=max(POLL_BYTES // settings.shards, PARTITION_BYTES_MIN),
        fetch_max_wait_ms=FETCH_WAIT_MS,
        session_timeout_ms=int(settings.session_timeout_s * 1000),
        heartbeat_interval_ms=int(settings.session_timeout_s * 1000 / 5),
        rebalance_timeout_ms=60_000,
        max_poll_interval_ms=120_000,
        parser=_parse_nothing,
        decoder=_decode_nothing,
        no_reply=True,
        listener=listener,
        description=description,
    )

    # FastStream's own poll sleeps once more after an empty one: up to twice the wait on every hop.
    subscriber.get_msg = _Poll(settings, pace, pulse)  # type: ignore[method-assign]

    @subscriber
    async def handle(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        await on_records(records)

    return subscriber


def subscribe_consumer(broker: KafkaBroker, consumer: ShardConsumer, settings: Settings, pace: Pace) -> None:
    """Feed a shard consumer from its topic, in a group of its own name."""
    subscriber = subscribe(
        broker, consumer.topic, consumer.name, consumer.on_records, settings, pulse=consumer.polling,
        listener=consumer, description=f"{consumer.name} folds the log {consumer.log_name}", pace=pace,
    )  # fmt: skip
    consumer.kafka = lambda: subscriber.consumer


class _PatientFetcher(Fetcher):  # type: ignore[misc]  # it has no types
    """
    Asks with a long wait for what comes to all partitions, and with a short one where it leaves some out.

    A partition with records that nobody has taken yet is left out, and asked for again only once that request is over: what
    arrives there is overlooked meanwhile. A request for all overlooks nothing, and the broker answers it when anything comes;
    asked for forty times a second, an idle topic costs a consumer 2 % of a core and the broker as much.

    Until the next small batch is to begin, the broker gathers for it. Else it would answer with the first record, and nothing
    more would be asked for before that is taken: what comes behind it would wait a whole gap longer.
    """

    gathers_until = 0.0
    """By the monotonic clock; `_Poll` sets it."""

    @property
    def _gather_ms(self) -> int:
        """For how long the broker is to gather now; 0 where it is to answer at once."""
        return 0 if self._records else max(0, math.ceil((self.gathers_until - time.monotonic()) * 1000))

    @property
    def _fetch_max_wait_ms(self) -> int:
        wait_ms: int = self.__dict__["_fetch_max_wait_ms"]
        return wait_ms if self._records else self._gather_ms or FETCH_ALL_WAIT_MS

    @property
    def _fetch_min_bytes(self) -> int:
        return GATHERED_BYTES if self._gather_ms else 1


class _Poll:
    """
    Returns what has come as soon as anything has; nothing after `batch_wait_ms`.

    A member with a slot joins its group twice. At first the broker gives it what its predecessor was assigned, and nobody looks
    for partitions that came meanwhile where that one led the group; by the second time it leads, and assigns them.
    Source: KIP-814, motivation.
    """

    def __init__(self, settings: Settings, pace: Pace, pulse: Pulse) -> None:
        self._pulse = pulse
        self._joins_again = bool(settings.slot)
        self._wait_ms = settings.batch_wait_ms
        self._records_max = settings.batch_records
        self._pace = pace
        self._next_at = 0.0

    async def __call__(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord[bytes, bytes], ...]:
        self._pulse.beat()
        # FastStream makes the consumer, and the consumer its parts: neither can be told of another class.
        consumer._fetcher.__class__ = _PatientFetcher
        if isinstance(consumer._coordinator, GroupCoordinator):
            consumer._coordinator.__class__ = Coordinator
            if consumer._coordinator.gives_way:
                await asyncio.sleep(GIVEN_WAY_S)
                return ()
        if self._joins_again and consumer._subscription.subscription.assignment is not None:
            self._joins_again = False
            consumer._coordinator.request_rejoin()
        early = self._next_at - time.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        polled = await consumer.getmany(timeout_ms=self._wait_ms, max_records=self._records_max)
        records = tuple(chain.from_iterable(polled.values()))
        if records and len(records) < self._records_max // 8:
            self._next_at = consumer._fetcher.gathers_until = self._pace.next_at()
        return records


async def _parse_nothing(records: Sequence[ConsumerRecord[bytes, bytes]]) -> KafkaMessage:
    """Wrap a poll as it is: parsing every record's headers costs more than folding it."""
    return KafkaMessage(body=b"", raw_message=tuple(records), consumer=None)  # type: ignore[arg-type]  # nobody acknowledges by it


async def _decode_nothing(message: KafkaMessage) -> Any:
    """Give the handler the poll as it is."""
    return message.raw_message
