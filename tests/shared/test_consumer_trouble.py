"""A consumer that is stopped, joined by another, cut from its database, or whose handler fails skips and repeats nothing."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Collection, Sequence

import pytest
from aiokafka import TopicPartition

from shared import folding, group_coordinator
from shared.consumer import ShardConsumer
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.event_log import EventLog
from shared.feed import FeedClient
from shared.handling import ShardBatch
from tests.support.disposable import cut_connections, eventually
from tests.support.recorder import LogInbox, Recorder, folded
from tests.support.scene import AWAY, Scene, drafts, owns
from tests.support.servers import Servers

ALL = range(4)
"""The shards of a scene."""


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
        await eventually(lambda: owns(first, {0, 1, 2, 3}))
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


async def test_a_kafka_that_hangs_keeps_no_consumer_from_ending(
    scene: Scene, recorder: Recorder, server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not answer who leaves its group."""
    pids = {} if server_addresses.stack is None else server_addresses.stack.pids
    if "kafka" not in pids:
        pytest.skip("Kafka is not this session's own")
    monkeypatch.setattr(group_coordinator, "CLOSE_S", 0.3)
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(scene.consuming(recorder))
        await eventually(lambda: owns(running, ALL))
        os.kill(pids["kafka"], signal.SIGSTOP)
        began = time.monotonic()
        try:
            await stack.aclose()
        finally:
            os.kill(pids["kafka"], signal.SIGCONT)

    assert time.monotonic() - began < 5


async def test_of_two_with_one_slot_the_later_one_folds_and_the_other_goes_on_after_it(
    scene: Scene, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The first joins its group for the second time while the other takes the slot, so its member id is refused."""
    async with scene.relaying(), scene.consuming(recorder, slot="a") as first:
        async with scene.consuming(Recorder(scene.database), slot="a") as second:
            await eventually(lambda: owns(second, ALL))
            await scene.append(0, 10)
            await scene.check()
            await eventually(lambda: owns(first, []))
        await scene.append(0, 10)
        await scene.check(2 * scene.settings.session_timeout_s)
        assert await owns(first, ALL)

    said = [record.getMessage() for record in caplog.records if record.name == "shared.group_coordinator"]
    assert [line.partition(": ")[2].split(",")[0] for line in said] == [
        "another process was given the slot a later",
        "the other process is gone",
    ]


@pytest.mark.long
async def test_who_hears_later_that_its_slot_is_another_s_does_not_take_it_back(
    scene: Scene, recorder: Recorder
) -> None:
    async with scene.relaying(), scene.consuming(recorder, slot="a") as first:
        await scene.append(0, 10)
        await scene.check()
        # Longer than a member with a slot takes for its second join.
        await asyncio.sleep(scene.settings.session_timeout_s / 3)
        async with scene.consuming(Recorder(scene.database), slot="a") as second:
            await eventually(lambda: owns(second, ALL))
            for _ in range(10):
                await asyncio.sleep(scene.settings.session_timeout_s / 10)
                await scene.append(0, 1)
                assert await owns(second, ALL)
            assert await owns(first, [])
            await scene.check()


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
