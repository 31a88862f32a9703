"""What partitions hold: where they begin and end, and whether they have lost records of a log that were sent to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import NO_EVENT
from shared.kafka_security import client_options
from shared.settings import Settings

ANSWER_S_MAX = 20.0


class Placed(msgspec.Struct):
    """Where an event is in its log: all that a reader needs to fetch it."""

    generation: int
    shard: int
    position: int


decode_placed = msgspec.json.Decoder(Placed).decode


class PartitionEnds:
    """
    Where partitions begin and end, asked on a connection of its own: on that of a consumer the broker answers one request
    after the other, so the question would wait for as long as the consumer lets it wait for records.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()

    async def ask(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """Return the first offset and the one after the last of each; raises `KafkaError` where nobody could say."""
        async with self._asking:
            if self._consumer is None:
                consumer = AIOKafkaConsumer(**client_options(self._settings), enable_auto_commit=False)
                try:
                    await consumer.start()
                except BaseException:
                    await consumer.stop()
                    raise
                self._consumer = consumer
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        return {partition: (begins[partition], ends[partition]) for partition in partitions}

    async def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await self._consumer.stop()


async def lost(
    settings: Settings, topic: str, cursors: Mapping[int, int], generations: Mapping[int, int]
) -> dict[int, int]:
    """
    Return how far the partitions are filled, for those that do not hold what was sent to them up to the cursors.

    Raises:
        KafkaError, TimeoutError: nobody could say.
    """
    if not cursors:
        return {}
    partitions = [TopicPartition(topic, shard) for shard in cursors]
    async with asyncio.timeout(ANSWER_S_MAX), _consumer(settings) as consumer:
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        # Each position was sent at least once: a partition with fewer records ever is another one, refilled or not.
        found = {p.partition: 0 for p, end in ends.items() if end < cursors[p.partition]}
        # One that retention has emptied is not lost: its offsets go on.
        filled = {p: end - 1 for p, end in ends.items() if p.partition not in found and end > begins[p]}
        for shard, value in (await _values_at(consumer, filled)).items():
            tail = position_in(value, generations[shard])
            if tail < cursors[shard]:
                found[shard] = tail
    return found


@contextlib.asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _values_at(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> dict[int, bytes | None]:
    """Return the value at an offset of each partition, by shard; waits until all are there."""
    values: dict[int, bytes | None] = {}
    if not offsets:
        return values
    consumer.assign(list(offsets))
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)
    while len(values) < len(offsets):
        for partition, records in (await consumer.getmany(timeout_ms=500)).items():
            values.setdefault(partition.partition, records[0].value)
    return values


def position_in(value: bytes | None, generation: int) -> int:
    """Return the position in a record; 0 for one that is of no or another generation's log."""
    try:
        place = decode_placed(value or b"")
    except NO_EVENT:
        return 0
    return place.position if place.generation == generation else 0
