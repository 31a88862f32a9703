"""What lies around the consumers: the producer's log with its relays, the topic, the feed; all of it may fail."""

import copy
import dataclasses
from collections.abc import Sequence

from aiokafka import ConsumerRecord, TopicPartition

from shared.errors import Unavailable
from shared.event_log import Head
from shared.events import Envelope, decode_envelope, encode_json, envelope, placed
from shared.partition_tails import position_in

TOPIC = "attain.test"
SHARDS = 2


def body(n: int) -> bytes:
    """Return the n-th event ever appended, without its place."""
    return envelope(id=str(n), source="test", type="attain.test.v1", tenant="t", subject="s",
                    time="2026-01-01T00:00:00.000000Z", data=encode_json({"n": n}))  # fmt: skip


@dataclasses.dataclass
class Producer:
    """The shard log of one service: numbers of events by shard, positions from 1, and the relay's stored cursors."""

    log: list[list[int]] = dataclasses.field(default_factory=lambda: [[] for _ in range(SHARDS)])
    generation: int = 1
    cursor: list[int] = dataclasses.field(default_factory=lambda: [0] * SHARDS)
    positions: list[list[int]] = dataclasses.field(default_factory=lambda: [[] for _ in range(SHARDS)])
    heads: list[int] = dataclasses.field(default_factory=lambda: [0] * SHARDS)
    acknowledged: list[set[tuple[int, int]]] = dataclasses.field(default_factory=lambda: [set() for _ in range(SHARDS)])
    """(position, event) that Kafka has ever acknowledged."""
    branches: dict[int, list[list[int]]] = dataclasses.field(default_factory=dict)
    """What the log held when a restore ended a generation."""
    appended: int = 0

    def append(self, shard: int, count: int, *, rolled_back: bool) -> None:
        """Append events in one transaction, or roll it back."""
        if rolled_back:
            return
        for _ in range(count):
            self.appended += 1
            self.heads[shard] += 1
            self.positions[shard].append(self.heads[shard])
            self.log[shard].append(self.appended)

    def restore(self, shard: int, lost: int) -> None:
        """Go back to a backup that lacks the last events of a shard, under a raised generation; no event comes twice."""
        self.branches[self.generation] = copy.deepcopy(self.log)
        kept = max(0, len(self.log[shard]) - lost)
        del self.log[shard][kept:]
        del self.positions[shard][kept:]
        self.heads[shard] = kept
        self.cursor[shard] = min(self.cursor[shard], kept)
        self.generation += 1

    def agrees_to(self, generation: int, shard: int) -> int:
        """Return up to where the log still is what it was in a generation."""
        pairs = zip(self.reference(generation, shard), self.log[shard], strict=False)
        return next((pos for pos, (was, is_) in enumerate(pairs) if was != is_), min(
            len(self.reference(generation, shard)), len(self.log[shard])))  # fmt: skip

    def event(self, shard: int, pos: int) -> bytes:
        """Return the event at a position, ready to send."""
        return placed(body(self.log[shard][pos - 1]), self.generation, shard, pos)

    def reference(self, generation: int, shard: int) -> Sequence[int]:
        """Return what the log holds, or held when that generation ended."""
        return self.branches.get(generation, self.log)[shard]


class Topic:
    """The partitions of a topic: values from an offset on."""

    def __init__(self) -> None:
        self.values: list[list[bytes]] = [[] for _ in range(SHARDS)]
        self.begins = [0] * SHARDS

    def records(self, shard: int, start: int, count: int) -> list[ConsumerRecord[bytes, bytes]]:
        """Return what is there of a range of offsets."""
        start = max(start, self.begins[shard])
        return [
            ConsumerRecord(TOPIC, shard, start + n, 0, 0, b"t|s", value, None, 3, len(value), ())
            for n, value in enumerate(self.values[shard][start : start + count])
        ]

    def lose(self) -> None:
        """Begin anew, empty."""
        self.values = [[] for _ in range(SHARDS)]
        self.begins = [0] * SHARDS

    def tail(self, shard: int, generation: int) -> int | None:
        """Return the position of the last record, 0 for another generation's; None where retention left none."""
        values = self.values[shard]
        if not values:
            return 0
        return position_in(values[-1], generation) if len(values) > self.begins[shard] else None


class Relay:
    """One process's relay: its cursors in memory, which may be older than those stored."""

    def __init__(self, producer: Producer, topic: Topic) -> None:
        self.producer = producer
        self.topic = topic
        self.held = list(producer.cursor)
        self.start()

    def start(self) -> None:
        """Take over: read the stored cursors, and lower what is ahead of the partitions."""
        for shard in range(SHARDS):
            self.lower(shard)
        self.held = list(self.producer.cursor)

    def lower(self, shard: int) -> None:
        """Lower a cursor to what the partition holds, never raise it."""
        stored, tail = self.producer.cursor[shard], self.topic.tail(shard, self.producer.generation)
        if len(self.topic.values[shard]) < stored:
            tail = 0
        if tail is not None and tail < stored:
            self.producer.cursor[shard] = self.held[shard] = tail

    def send(self, shard: int, count: int, fate: str) -> None:
        """Send a run and move over it once it is acknowledged; `fate` says what becomes of the run and of this relay."""
        producer, start = self.producer, self.held[shard]
        end = min(start + count, len(producer.log[shard]))
        if start >= end:
            return
        run = [producer.event(shard, pos) for pos in range(start + 1, end + 1)]
        if fate == "never":
            self.start()
            return
        self.topic.values[shard] += run[len(run) // 2 :] if fate == "later part" else run
        if fate in ("later part", "unanswered"):
            # What is not acknowledged is sent anew from the cursor, by a new producer.
            self.start()
            return
        self.acknowledge(shard, start, end)
        if fate == "crash before the move":
            self.start()
            return
        self.move(shard, start, end)

    def acknowledge(self, shard: int, start: int, end: int) -> None:
        """Note what Kafka has acknowledged."""
        events = self.producer.log[shard]
        self.producer.acknowledged[shard] |= {(pos, events[pos - 1]) for pos in range(start + 1, end + 1)}

    def move(self, shard: int, start: int, end: int) -> None:
        """Move the stored cursor if it is where this relay thinks; start over where it is not."""
        if self.producer.cursor[shard] == start:
            self.producer.cursor[shard] = self.held[shard] = end
        else:
            self.start()


class Feed:
    """The producer's feed over HTTP."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self.away = False

    async def read(self, log: str, shard: int, after: int, limit: int) -> list[Envelope]:
        """Return a page behind a position."""
        self._answer()
        end = min(after + limit, len(self.producer.log[shard]))
        return [decode_envelope(self.producer.event(shard, pos)) for pos in range(after + 1, end + 1)]

    async def heads(self, log: str) -> dict[int, Head]:
        """Return the heads."""
        self._answer()
        return {shard: Head(self.producer.generation, len(self.producer.log[shard])) for shard in range(SHARDS)}

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the feed is away")


class Reader:
    """One process's Kafka consumer: what it is assigned and where it reads."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.offsets: dict[int, int] = {}
        self.paused: set[int] = set()

    def assign(self, shards: Sequence[int]) -> list[TopicPartition]:
        """Begin to read partitions from their beginning."""
        self.offsets = dict.fromkeys(shards, 0)
        self.paused = set()
        return sorted(self.assignment())

    def assignment(self) -> set[TopicPartition]:
        """Return the partitions."""
        return {TopicPartition(TOPIC, shard) for shard in self.offsets}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from an offset."""
        self.offsets[partition.partition] = offset

    def pause(self, partition: TopicPartition) -> None:
        """Read no further for now."""
        self.paused.add(partition.partition)

    def resume(self, partition: TopicPartition) -> None:
        """Read again."""
        self.paused.discard(partition.partition)

    def poll(self, count: int) -> list[ConsumerRecord[bytes, bytes]]:
        """Return the next records of every partition; an offset that is not there is set to the earliest."""
        polled = []
        for shard, offset in self.offsets.items():
            if shard in self.paused:
                continue
            begin, end = self.topic.begins[shard], len(self.topic.values[shard])
            start = offset if begin <= offset <= end else begin
            records = self.topic.records(shard, start, count)
            self.offsets[shard] = start + len(records)
            polled += records
        return polled
