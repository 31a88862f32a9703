"""How a topic is asked for: patiently where nothing can be overlooked; and which of its partitions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest_asyncio
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.protocol.fetch import FetchRequest

from shared.settings import Settings
from shared.tasks import Pulse
from shared.transport import FETCH_ALL_WAIT_MS, FETCH_WAIT_MS, _Poll, make_broker, subscribe
from tests.support.disposable import Topics, eventually

TOPIC = "asked"


class Asked:
    """A consumer of a topic as services have it, and how long the broker was allowed to wait in each of its requests."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self.consumer = consumer
        self.poll = _Poll(settings.model_copy(update={"batch_wait_ms": 20}), 0, Pulse())
        self.waits: list[int] = []
        send = consumer._client.send

        async def noted(node: int, request: object, **rest: object) -> object:
            if isinstance(request, FetchRequest):
                self.waits.append(request._max_wait_ms)
            return await send(node, request, **rest)

        consumer._client.send = noted


@pytest_asyncio.fixture
async def asked(settings: Settings, topics: Topics) -> AsyncIterator[Asked]:
    await topics.create(f"{TOPIC}{settings.topic_suffix}")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )  # fmt: skip
    await consumer.start()
    consumer.assign([TopicPartition(f"{TOPIC}{settings.topic_suffix}", shard) for shard in range(settings.shards)])
    yield Asked(consumer, settings)
    await consumer.stop()


async def test_a_topic_on_which_nothing_comes_is_asked_for_twice_a_second(asked: Asked) -> None:
    await asked.poll(asked.consumer)
    await eventually(lambda: _is_idle(asked))
    asked.waits.clear()
    for _ in range(60):
        await asked.poll(asked.consumer)

    assert 1 <= len(asked.waits) <= 5
    assert set(asked.waits) == {FETCH_ALL_WAIT_MS}


async def test_while_records_wait_to_be_taken_the_other_partitions_are_asked_for_briefly(
    asked: Asked, settings: Settings, topics: Topics
) -> None:
    topic = f"{TOPIC}{settings.topic_suffix}"
    await asked.poll(asked.consumer)
    await eventually(lambda: _is_idle(asked))
    asked.waits.clear()
    await topics.send(topic, 0, [b"first"])
    await eventually(lambda: _waits(asked, FETCH_WAIT_MS))
    taken = [record.value for record in await asked.poll(asked.consumer)]
    await topics.send(topic, 0, [b"second"])
    async with asyncio.timeout(10):
        while len(taken) < 2:
            taken += [record.value for record in await asked.poll(asked.consumer)]

    assert taken == [b"first", b"second"]


async def test_who_starts_again_finds_the_partitions_that_came_meanwhile(settings: Settings, topics: Topics) -> None:
    topic = f"grows{settings.topic_suffix}"
    await Topics(settings.kafka, 1).create(topic)
    await topics.send(topic, 0, [b"before"])
    async with _subscribed(topic, settings) as found:
        await eventually(lambda: _has(found, b"before"))
    async with contextlib.AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await admin.start()
        stack.push_async_callback(admin.close)
        await admin.create_partitions({topic: NewPartitions(2)})
    # Within the session, so that the group still has it as a member with what it was assigned.
    async with _subscribed(topic, settings) as found:
        await topics.send(topic, 1, [b"after"])
        await eventually(lambda: _has(found, b"after"))
    await Topics(settings.kafka, 1).delete(topic)


@contextlib.asynccontextmanager
async def _subscribed(topic: str, settings: Settings) -> AsyncIterator[list[bytes | None]]:
    """Yield the values that come to a process with a slot of its own."""
    found: list[bytes | None] = []

    async def on_records(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        found.extend(record.value for record in records)

    own = settings.model_copy(update={"slot": "grows-0"})
    broker = make_broker(own)
    subscribe(broker, topic, "grows", on_records, own, pulse=Pulse())
    await broker.start()
    yield found
    await broker.stop()


async def _has(found: Sequence[bytes | None], value: bytes) -> bool:
    return value in found


async def _is_idle(asked: Asked) -> bool:
    await asked.poll(asked.consumer)
    return bool(asked.waits) and asked.waits[-1] == FETCH_ALL_WAIT_MS


async def _waits(asked: Asked, wait_ms: int) -> bool:
    return wait_ms in asked.waits
