"""How a topic is asked for: patiently where nothing can be overlooked; and which of its partitions."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.protocol.fetch import FetchRequest

from shared.settings import Settings
from shared.tasks import Pulse
from shared.transport import FETCH_ALL_WAIT_MS, FETCH_WAIT_MS, POLL_BYTES, Pace, _Poll, make_broker, subscribe
from tests.support.disposable import Topics, eventually

TOPIC = "asked"
GAP_MS = 400


class Asked:
    """A consumer of a topic as services have it, and how long the broker was allowed to wait in each of its requests."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self.consumer = consumer
        self._settings = settings.model_copy(update={"batch_wait_ms": 20})
        self.poll = self.paced(0)
        self.waits: list[int] = []
        send = consumer._client.send

        async def noted(node: int, request: object, **rest: object) -> object:
            if isinstance(request, FetchRequest):
                self.waits.append(request._max_wait_ms)
            return await send(node, request, **rest)

        consumer._client.send = noted

    def paced(self, gap_ms: int) -> _Poll:
        """Return what polls with such a gap between small batches."""
        return _Poll(self._settings, Pace(gap_ms), Pulse())


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


async def test_between_small_batches_all_that_comes_is_gathered_for_the_next_one(
    asked: Asked, settings: Settings, topics: Topics
) -> None:
    topic = f"{TOPIC}{settings.topic_suffix}"
    poll = asked.paced(GAP_MS)
    await poll(asked.consumer)
    await eventually(lambda: _is_idle(asked))
    await topics.send(topic, 0, [b"first"])
    first = await poll(asked.consumer)
    taken_at = time.monotonic()
    for value in (b"second", b"third", b"fourth"):
        # Apart, so that the broker could answer with each alone.
        await asyncio.sleep(GAP_MS / 10_000)
        await topics.send(topic, 0, [value])
    gathered = await poll(asked.consumer)

    assert [record.value for record in first] == [b"first"]
    assert [record.value for record in gathered] == [b"second", b"third", b"fourth"]
    assert time.monotonic() - taken_at >= GAP_MS / 1000


async def test_what_comes_after_a_while_without_anything_is_there_at_once(
    asked: Asked, settings: Settings, topics: Topics
) -> None:
    poll = asked.paced(GAP_MS)
    await poll(asked.consumer)
    await eventually(lambda: _is_idle(asked))
    started = time.monotonic()
    await topics.send(f"{TOPIC}{settings.topic_suffix}", 0, [b"alone"])
    while not await poll(asked.consumer):
        pass

    assert time.monotonic() - started < GAP_MS / 2000


async def test_who_share_a_pace_begin_together() -> None:
    pace = Pace(GAP_MS)
    first = pace.next_at()
    assert pace.next_at() == first
    await asyncio.sleep(GAP_MS * 0.75 / 1000)

    # Too soon after it for another batch: they meet at the one after that.
    assert pace.next_at() == pytest.approx(first + GAP_MS * 0.75 / 1000, abs=GAP_MS / 4000)
    assert pace.next_at() == pace.next_at()


async def test_who_starts_again_finds_the_partitions_that_came_meanwhile(settings: Settings, topics: Topics) -> None:
    topic = f"grows{settings.topic_suffix}"
    await Topics(settings.kafka, 1).create(topic)
    await topics.send(topic, 0, [b"before"])
    async with _subscribed(topic, settings) as polls:
        await eventually(lambda: _has(polls, b"before"))
    async with contextlib.AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await admin.start()
        stack.push_async_callback(admin.close)
        await admin.create_partitions({topic: NewPartitions(2)})
    # Within the session, so that the group still has it as a member with what it was assigned.
    async with _subscribed(topic, settings) as polls:
        await topics.send(topic, 1, [b"after"])
        await eventually(lambda: _has(polls, b"after"))
    await Topics(settings.kafka, 1).delete(topic)


async def test_many_large_records_come_in_polls_that_the_memory_holds(settings: Settings, topics: Topics) -> None:
    topic = f"large{settings.topic_suffix}"
    large = [bytes([number]) * (POLL_BYTES // 400) for number in range(20)]
    await Topics(settings.kafka, 1).create(topic)
    for value in large:
        await topics.send(topic, 0, [value])
    # As many shards as leave a partition room for two of them.
    async with _subscribed(topic, settings.model_copy(update={"shards": 200})) as polls:
        await eventually(lambda: _has(polls, large[-1]))
    await Topics(settings.kafka, 1).delete(topic)

    assert [value for poll in polls for value in poll] == large
    assert max(len(poll) for poll in polls) <= 2


@contextlib.asynccontextmanager
async def _subscribed(topic: str, settings: Settings) -> AsyncIterator[list[list[bytes | None]]]:
    """Yield the values of each poll that come to a process with a slot of its own."""
    polls: list[list[bytes | None]] = []

    async def on_records(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        polls.append([record.value for record in records])

    own = settings.model_copy(update={"slot": "grows-0"})
    broker = make_broker(own)
    subscribe(broker, topic, "grows", on_records, own, pulse=Pulse(), pace=Pace(own.batch_gap_ms))
    await broker.start()
    yield polls
    await broker.stop()


async def _has(polls: Sequence[Sequence[bytes | None]], value: bytes) -> bool:
    return any(value in poll for poll in polls)


async def _is_idle(asked: Asked) -> bool:
    await asked.poll(asked.consumer)
    return bool(asked.waits) and asked.waits[-1] == FETCH_ALL_WAIT_MS


async def _waits(asked: Asked, wait_ms: int) -> bool:
    return wait_ms in asked.waits


async def _polled(settings: Settings, topic: str) -> list[bytes | None]:
    """Return the values that a new process is handed, once there are three; it ends before it has stored any."""
    broker, found = make_broker(settings), list[bytes | None]()

    async def on_records(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        found.extend(record.value for record in records)

    async def three() -> bool:
        return len(found) >= 3

    subscribe(broker, topic, "ended", on_records, settings, pulse=Pulse(), pace=Pace(0))
    await broker.start()
    try:
        await eventually(three)
    finally:
        await broker.stop()
    return sorted(found, key=repr)


async def test_what_a_process_was_handed_and_has_not_stored_comes_to_the_next(
    settings: Settings, topics: Topics
) -> None:
    """FastStream's default commits what was handed over before it is handled."""
    topic = f"ended{settings.topic_suffix}"
    await topics.create(topic)
    await topics.send(topic, 0, [b"1", b"2", b"3"])

    assert await _polled(settings, topic) == await _polled(settings, topic) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("fails", [False, True], ids=["well", "with a failure"])
async def test_what_was_handled_is_acknowledged_by_nobody(settings: Settings, topics: Topics, fails: bool) -> None:
    """FastStream can acknowledge behind each poll, by `AckPolicy.ACK` also one whose handling raised."""
    topic, handled = f"acknowledged{settings.topic_suffix}", asyncio.Event()
    await topics.create(topic)
    await topics.send(topic, 0, [b"1"])

    async def on_records(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        handled.set()
        if fails:
            raise RuntimeError

    broker = make_broker(settings)
    subscribe(broker, topic, "acknowledged", on_records, settings, pulse=Pulse(), pace=Pace(0))
    await broker.start()
    async with asyncio.timeout(20):
        await handled.wait()
    await broker.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    offsets = await admin.list_consumer_group_offsets(f"acknowledged{settings.topic_suffix}")
    await admin.close()

    assert offsets == {}


async def test_a_topic_is_made_by_nobody_who_listens_to_it(settings: Settings, topics: Topics) -> None:
    """It would have one partition: whoever is started before `topics create` waits for that."""
    topic, polls = f"missing{settings.topic_suffix}", list[bytes | None]()

    async def on_records(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        polls.extend(record.value for record in records)

    async def told() -> bool:
        return b"told" in polls

    broker = make_broker(settings)
    subscribe(broker, topic, "missing", on_records, settings, pulse=Pulse(), pace=Pace(0))
    starting = asyncio.create_task(broker.start())
    await asyncio.sleep(1.5)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    there = topic in await admin.list_topics()
    await admin.close()
    if not there:
        await topics.create(topic)
    await topics.send(topic, 0, [b"told"])
    await eventually(told)
    await starting
    await broker.stop()

    assert not there
