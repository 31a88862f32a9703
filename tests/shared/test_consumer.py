import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Sequence

import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from shared import folding
from shared.consumer import ShardBatch, ShardConsumer, accept_generation
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.event_log import EventLog
from shared.events import Draft, encode_json, envelope
from shared.feed import FeedClient
from shared.observability import metrics
from shared.settings import Settings
from tests.support.disposable import Topics, cut_connections, eventually
from tests.support.producer import Producer, free_port, running_producer
from tests.support.recorder import LogInbox, Recorder, chain_holds, folded, running_consumer

AWAY = "http://127.0.0.1:9"


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


@pytest_asyncio.fixture
async def scene(database: Database, producer_url: str, settings: Settings, topics: Topics) -> AsyncIterator[Scene]:
    """A producer with an empty log and an empty topic; its relay runs where a test says so."""
    await topics.create(f"attain.test{settings.topic_suffix}")
    async with running_producer(producer_url, ["test"], settings, relayed=False) as producer:
        yield Scene(producer, database, topics)


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


def count(metric: str) -> float:
    """Return a metric of the consumer under test."""
    value: float = getattr(metrics, metric).labels(consumer="recorder")._value.get()
    return value


async def test_events_of_all_shards_are_folded_once_in_order(scene: Scene, recorder: Recorder) -> None:
    async with scene.relaying(), scene.consuming(recorder):
        for size in range(1, 30):
            await scene.append(size % 4, size)
        await scene.check()


async def test_any_of_several_brokers_lets_a_consumer_in(scene: Scene, recorder: Recorder) -> None:
    kafka = f"127.0.0.1:{free_port()},{scene.settings.kafka}"
    await scene.append(0, 5)
    await scene.send(0, 1, 2, 3, 4, 5)
    async with scene.consuming(recorder, feed=AWAY, kafka=kafka):
        await scene.check()


async def test_repeated_and_reordered_runs_are_skipped(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 12)
    await scene.send(0, 1, 2, 3, 2, 3, 1, 4, 5, 6, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 12, 11)
    holes = count("holes")
    async with scene.consuming(recorder, feed=AWAY):
        await scene.check()
    assert holes == count("holes")


async def test_a_hole_is_filled_from_the_feed(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 30)
    await scene.send(0, 1, 2, 3, *range(20, 31))
    holes = count("holes")
    async with scene.consuming(recorder):
        await scene.check()
    assert holes + 1 == count("holes")


async def test_a_hole_larger_than_a_batch_is_filled_in_batches(scene: Scene, recorder: Recorder) -> None:
    """What was never sent may be a whole log: memory and transactions stay bounded."""
    scene.settings = scene.settings.model_copy(update={"batch_records": 100})
    await scene.append(0, 1000)
    await scene.append(1, 700)
    await scene.send(0, 1000)
    largest = 0

    def folding_at_most(batches: Sequence[ShardBatch]) -> None:
        nonlocal largest
        largest = max(largest, sum(len(batch.events) for batch in batches))

    recorder.folding = folding_at_most
    async with scene.consuming(recorder):
        await scene.check()
    assert largest <= 100


async def test_while_the_feed_is_away_only_the_shard_with_the_hole_waits(scene: Scene, recorder: Recorder) -> None:
    for shard in (0, 1):
        await scene.append(shard, 10)
    await scene.send(0, 1, 2, 9, 10)
    async with scene.consuming(recorder, feed=AWAY):
        await scene.reached(0, 2)
        await scene.send(1, *range(1, 11))
        await scene.reached(1, 10)
        await asyncio.sleep(0.3)
        assert (await scene.stored())[0] == 2
    async with scene.consuming(Recorder(scene.database)):
        await scene.check()


async def test_a_feed_that_hangs_holds_up_no_other_shard(scene: Scene, recorder: Recorder) -> None:
    """It accepts connections and never answers: the worst way to be away."""
    hanging = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    for shard in (0, 1):
        await scene.append(shard, 10)
    await scene.send(0, 1, 10)
    async with scene.consuming(recorder, feed=f"http://127.0.0.1:{port}"):
        await scene.reached(0, 1)
        await asyncio.sleep(0.5)
        started = time.monotonic()
        await scene.send(1, *range(1, 11))
        await scene.reached(1, 10)
        assert time.monotonic() - started < 5
    hanging.close()


async def test_a_shard_goes_on_once_the_feed_is_back(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 10)
    await scene.send(0, 1, 2, 9, 10)
    async with scene.consuming(recorder) as running:
        there = running._feed
        running._feed = FeedClient(AWAY, scene.settings)
        await scene.reached(0, 2)
        await asyncio.sleep(0.3)
        running._feed = there
        await scene.check()


async def test_a_lost_tail_shows_to_a_consumer_that_hears_nothing(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 10)
    await scene.append(2, 5)
    await scene.send(0, 1, 2, 3)
    async with scene.consuming(recorder):
        await scene.check()


async def test_records_that_cannot_be_read_are_holes(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 6)
    await scene.send(0, 1, 2)
    await scene.topics.send(scene.topic, 0, [b"", b"{", b'{"position":3}', b'{"generation":1,"shard":0,"position":4}'])
    await scene.send(0, 5, 6)
    undecodable = count("undecodable")
    async with scene.consuming(recorder):
        await scene.check()
    assert undecodable + 4 <= count("undecodable")


async def test_a_higher_generation_stops_the_shard_until_it_is_accepted(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 5)
    await scene.append(1, 5)
    await scene.send(0, 1, 2, 3)
    async with scene.consuming(recorder, feed=AWAY) as running:
        await scene.reached(0, 3)
        async with scene.producer.database.connection() as connection:
            await connection.execute("update log_head set generation = 2 where shard = 0")
        await scene.send(0, 4, 5)
        await scene.send(1, 1, 2, 3, 4, 5)
        await scene.reached(1, 5)
        await asyncio.sleep(0.3)
        assert (await scene.stored())[0] == 3

        async with scene.database.connection() as connection:
            await accept_generation(connection, "recorder", 2)
        await scene.reached(0, 5)
        assert running.owned()[0] == 5
    assert await folded(scene.database) == {0: [1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5]}


async def test_what_an_earlier_generation_left_in_the_topic_is_passed_over(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 6)
    await scene.send(0, 1, 2, 3, 4)
    async with scene.producer.database.connection() as connection:
        await connection.execute("update log_head set generation = 2")
    await scene.send(0, 1, 2, 3, 4, 5, 6)
    async with scene.consuming(recorder, feed=AWAY):
        async with scene.database.connection() as connection:
            await accept_generation(connection, "recorder", 2)
        await scene.check()


async def test_all_of_kafka_lost_recovers_from_the_logs(scene: Scene, recorder: Recorder) -> None:
    """Topics and offsets are gone, then come back empty; the stored offsets point beyond the new ends."""
    for shard in range(4):
        await scene.append(shard, 200)
    async with scene.relaying(), scene.consuming(recorder):
        await scene.check()
        await scene.append(1, 300)
        await scene.topics.delete(scene.topic)
        await scene.append(0, 50)
        await scene.topics.create(scene.topic)
        await scene.append(2, 50)
        await scene.check(40)
        await scene.append(0, 10)
        await scene.check()


async def test_offsets_that_lead_astray_are_only_hints(scene: Scene, recorder: Recorder) -> None:
    """Too far, beyond the end or back at the start: the positions decide."""
    for shard in range(3):
        await scene.append(shard, 40)
    async with scene.relaying():
        async with scene.consuming(recorder):
            await scene.check()
        async with scene.database.connection() as connection:
            for shard, offset in enumerate((55, 1_000_000, 0)):
                await connection.execute("update consumer_shard set next_offset = $2 where shard = $1", shard, offset)
        for shard in range(3):
            await scene.append(shard, 40)
        async with scene.consuming(Recorder(scene.database)):
            await scene.check()


async def test_the_inbox_is_drained_while_kafka_is_silent(scene: Scene, recorder: Recorder) -> None:
    inbox = EventLog("inbox", 4)
    async with scene.database.connection() as connection:
        await inbox.prepare(connection)
    async with scene.consuming(recorder, inbox=LogInbox(inbox)) as running:
        await eventually(lambda: _owns(running, {0, 1, 2, 3}))
        async with scene.database.transaction() as connection:
            await inbox.append(connection, drafts(1, range(7)) + drafts(3, range(2)))

        async def drained() -> bool:
            return await folded(scene.database, "inbox") == {1: [1, 2, 3, 4, 5, 6, 7], 3: [1, 2]}

        await eventually(drained, 5)


async def test_inbox_and_events_of_a_shard_at_once_are_both_folded_once(scene: Scene, recorder: Recorder) -> None:
    inbox = EventLog("inbox", 4)
    async with scene.database.connection() as connection:
        await inbox.prepare(connection)
    async with scene.relaying(), scene.consuming(recorder, inbox=LogInbox(inbox)):
        for n in range(40):
            await scene.append(0, 3)
            async with scene.database.transaction() as connection:
                await inbox.append(connection, drafts(0, [n]))
        await scene.check()

        async def drained() -> bool:
            return await folded(scene.database, "inbox") == {0: list(range(1, 41))}

        await eventually(drained, 5)


async def test_a_stop_finishes_the_batch_in_flight(scene: Scene, recorder: Recorder) -> None:
    started = asyncio.Event()

    async def slowly() -> None:
        started.set()
        await asyncio.sleep(0.5)

    recorder.writing = lambda connection: slowly()
    await scene.append(0, 10)
    await scene.send(0, *range(1, 11))
    async with scene.consuming(recorder):
        await started.wait()
    assert (await scene.stored())[0] == 10


async def test_the_end_of_the_tick_leaves_the_commit_in_flight_alone(scene: Scene, recorder: Recorder) -> None:
    """A service may cancel its tasks before it stops its consumers."""
    inbox = EventLog("inbox", 4)
    async with scene.database.connection() as connection:
        await inbox.prepare(connection)
        await inbox.append(connection, drafts(0, [1]))
    started = asyncio.Event()

    async def slowly() -> None:
        started.set()
        await asyncio.sleep(0.5)

    recorder.writing = lambda connection: slowly()
    feed = FeedClient(AWAY, scene.settings)
    running = ShardConsumer("recorder", "test", scene.database, recorder, feed, scene.settings, LogInbox(inbox))
    await running.prepare()
    running.on_partitions_assigned(partitions(running, 0))
    tick = asyncio.create_task(running.tick())
    await started.wait()
    tick.cancel()
    await asyncio.gather(tick, return_exceptions=True)
    await running.stop()
    await feed.close()

    assert await folded(scene.database, "inbox") == {0: [1]}


async def test_a_second_consumer_joins_and_leaves_while_events_flow(scene: Scene, recorder: Recorder) -> None:
    other = Recorder(scene.database)
    async with scene.relaying(), scene.consuming(recorder) as first:
        await scene.append(0, 50)
        await eventually(lambda: _owns(first, {0, 1, 2, 3}))
        async with scene.consuming(other) as second:

            async def shared() -> bool:
                for shard in range(4):
                    await scene.append(shard, 5)
                return len(first.owned()) == len(second.owned()) == 2

            await eventually(shared)
            await scene.check()
        for shard in range(4):
            await scene.append(shard, 20)
        await scene.check()
    assert other.commits


async def test_a_static_member_comes_back_to_its_shards_at_once(scene: Scene, recorder: Recorder) -> None:
    """No session has to end: the slot is the member."""
    async with scene.relaying():
        async with scene.consuming(recorder, slot="a"):
            await scene.append(0, 10)
            await scene.check()
        await scene.append(0, 10)
        async with scene.consuming(Recorder(scene.database), slot="a"):
            await scene.check(4)


async def test_a_rebalance_waits_for_the_commit_in_flight(scene: Scene, recorder: Recorder) -> None:
    """What is committing when the shards go is not lost, and not folded again by the next owner."""
    in_flight = asyncio.Event()

    async def slowly() -> None:
        in_flight.set()
        await asyncio.sleep(0.4)

    recorder.writing = lambda connection: slowly()
    other = Recorder(scene.database)
    await scene.append(0, 20)
    await scene.append(3, 20)
    async with scene.relaying(), scene.consuming(recorder) as first:
        await in_flight.wait()
        async with scene.consuming(other) as second:

            async def shared() -> bool:
                return len(first.owned()) == len(second.owned()) == 2

            await eventually(shared)
            await scene.append(0, 20)
            await scene.append(3, 20)
            await scene.check()


async def _owns(running: ShardConsumer, shards: Collection[int]) -> bool:
    return set(running.owned()) == set(shards)


def partitions(running: ShardConsumer, *shards: int) -> list[TopicPartition]:
    """Return the partitions of shards."""
    return [TopicPartition(running.topic, shard) for shard in shards]


async def test_nothing_is_skipped_when_postgresql_cuts_its_connections(
    scene: Scene, recorder: Recorder, postgres: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    async with scene.relaying(), scene.consuming(recorder):
        for round in range(12):
            await scene.append(round % 4, 100)
            await asyncio.sleep(0.05)
            if round % 3 == 2:
                await cut_connections(postgres, url)
        await scene.check()


class LosesAnswers(Database):
    """Commits, and then loses the connection before the answer comes."""

    losses = 0

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection; as long as there are losses left, raise although the commit succeeded."""
        async with super().transaction() as connection:
            yield connection
        if self.losses:
            self.losses -= 1
            raise Unavailable("the connection broke after the commit")


async def test_a_commit_whose_answer_was_lost_has_no_second_effect(
    scene: Scene, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch is still ours and the position says so: it goes on from there."""
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    database = await LosesAnswers.connect(url)
    assert isinstance(database, LosesAnswers)
    scene.database = database
    async with scene.relaying(), scene.consuming(Recorder(database)):
        for _ in range(5):
            database.losses = 1
            await scene.append(0, 30)
            await scene.append(1, 30)
            await scene.check()
            assert database.losses == 0
    await database.close()


async def test_a_failed_commit_drops_the_batch_folded_after_it(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second batch was folded onto a cache that is ahead of the database; neither may show."""
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    scene.settings = scene.settings.model_copy(update={"batch_records": 10})
    writes = 0

    async def failing() -> None:
        nonlocal writes
        writes += 1
        await asyncio.sleep(0.05)
        if writes % 3 == 2:
            raise Unavailable("the third of three fails")

    recorder.writing = lambda connection: failing()
    await scene.append(0, 120)
    await scene.send(0, *range(1, 121))
    async with scene.consuming(recorder):
        await scene.check()


async def test_a_handler_that_raises_makes_its_shard_wait_and_no_other(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: nothing is skipped, the others go on, and it goes on itself once the bug is gone."""
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    broken = True

    def raising(batches: Sequence[ShardBatch]) -> None:
        if broken and any(batch.shard == 2 and batch.last > 5 for batch in batches):
            raise KeyError("a bug")

    recorder.folding = raising
    async with scene.relaying(), scene.consuming(recorder):
        await scene.append(2, 5)
        await scene.reached(2, 5)
        for _ in range(5):
            for shard in range(4):
                await scene.append(shard, 10)
        for shard in (0, 1, 3):
            await scene.reached(shard, 50)
        await asyncio.sleep(0.3)
        assert (await scene.stored())[2] == 5
        broken = False
        await scene.check()


async def test_a_write_that_raises_makes_its_shard_wait_and_no_other(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, but found out at the commit, while the next batch is already folded."""
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    broken = True

    async def violated(connection: Connection) -> None:
        if broken:
            moved = "select 1 from consumer_shard where shard = 2 and pos > 5"
            if await connection.fetchval(moved):
                await connection.execute("insert into chain values (null, 1)")

    recorder.writing = violated
    async with scene.relaying(), scene.consuming(recorder):
        for _ in range(5):
            for shard in range(4):
                await scene.append(shard, 10)
        for shard in (0, 1, 3):
            await scene.reached(shard, 50)
        assert (await scene.stored())[2] <= 5
        broken = False
        await scene.check()


async def test_a_shard_that_cannot_be_loaded_waits_and_no_other(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    broken = True

    def raising(shards: Collection[int]) -> None:
        if broken and 1 in shards:
            raise KeyError("a bug")

    recorder.loading = raising
    for shard in range(4):
        await scene.append(shard, 10)
    async with scene.relaying(), scene.consuming(recorder):
        for shard in (0, 2, 3):
            await scene.reached(shard, 10)
        assert (await scene.stored())[1] == 0
        broken = False
        await scene.check()


async def test_a_shard_that_waits_for_the_feed_is_not_forgotten_when_another_fails(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read again after any failure; a partition that was paused before must be read on."""
    monkeypatch.setattr(folding, "RETRY_S", 0.1)
    await scene.append(0, 10)
    await scene.append(1, 10)
    await scene.send(0, 1, 5)
    async with scene.consuming(recorder, feed=AWAY):
        await scene.reached(0, 1)
        failures = iter([True])
        recorder.writing = lambda connection: _fail() if next(failures, False) else None
        await scene.send(1, 1, 2)
        await scene.reached(1, 2)
        await scene.send(0, 2, 3, 4, 5, 6, 7, 8, 9, 10)
        await scene.send(1, 3, 4, 5, 6, 7, 8, 9, 10)
        await scene.reached(1, 10)
    async with scene.consuming(Recorder(scene.database)):
        await scene.check()


async def _fail() -> None:
    raise Unavailable("once")
