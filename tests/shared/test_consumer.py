"""What a consumer folds, whatever comes by Kafka and in which order: each event once, holes filled from the feed."""

import asyncio
import time
from collections.abc import Sequence

from shared.event_log import EventLog
from shared.feed import FeedClient
from shared.handling import ShardBatch
from shared.observability import metrics
from tests.support.disposable import eventually
from tests.support.producer import free_port
from tests.support.recorder import LogInbox, Recorder, folded
from tests.support.scene import AWAY, Scene, drafts, owns


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


async def test_a_lost_tail_shows_while_another_shard_catches_up(scene: Scene, recorder: Recorder) -> None:
    scene.settings = scene.settings.model_copy(update={"batch_records": 10})
    recorder.writing = lambda _: asyncio.sleep(0.05)
    await scene.append(1, 1000)
    await scene.send(1, 1000)
    async with scene.consuming(recorder):
        await scene.reached(1, 10)
        await scene.append(0, 5)
        await scene.reached(0, 5)
        assert (await scene.stored())[1] < 1000


async def test_records_that_cannot_be_read_are_holes(scene: Scene, recorder: Recorder) -> None:
    await scene.append(0, 6)
    await scene.send(0, 1, 2)
    unreadable = [
        b"", b"{", b'{"position":3}', b'{"generation":1,"shard":0,"position":4}', b'{"id":"\xff"}', b'{"more":' + b"[" * 100_000,
    ]  # fmt: skip
    await scene.topics.send(scene.topic, 0, unreadable)
    await scene.send(0, 5, 6)
    undecodable = count("undecodable")
    async with scene.consuming(recorder):
        await scene.check()
    assert undecodable + len(unreadable) <= count("undecodable")


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
            await connection.execute("update consumer_shard set generation = 2, epoch = epoch + 1")
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
            await connection.execute("update consumer_shard set generation = 2, epoch = epoch + 1")
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
        await eventually(lambda: owns(running, {0, 1, 2, 3}))
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
