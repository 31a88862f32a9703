"""How far a stage is behind: the events that wait, and the age of the oldest of them, by shard."""

import datetime
import time

import pytest

from shared.consumer import ShardConsumer
from shared.database import Database
from shared.event_log import EventLog
from shared.events import UNTOLD, Draft, envelope, utc
from shared.feed import FeedClient
from shared.lag import SeenBehind, Stage, age_s, consumer_lag, log_lag, relay_lag
from shared.settings import Settings
from tests.support.producer import running_producer
from tests.support.recorder import Recorder


def aged(shard: int, seconds: float) -> Draft:
    """Return an event of so many seconds ago."""
    time = utc(datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds))
    body = envelope(id="1", source="test", type="attain.test.v1", tenant="t", subject="s", time=time, data=b'{"n":1}')
    return Draft(shard, "t", "s", body)


def in_minutes(stage: Stage) -> tuple[int | None, int, dict[int, tuple[int, int]]]:
    """Return a stage with its ages in whole minutes."""
    shards = {one.shard: (one.behind_events, round((one.behind_seconds or 0) / 60)) for one in stage.shards}
    return stage.behind_events, round((stage.behind_seconds or 0) / 60), shards


async def test_a_shard_is_as_late_as_the_first_event_behind_its_position(database: Database) -> None:
    log = EventLog("test", 3)
    async with database.transaction() as connection:
        await log.prepare(connection)
        await log.append(connection, [aged(0, 600), aged(0, 120), aged(0, 60), aged(1, 1800)])
    async with database.connection() as connection:
        found = await log_lag(connection, {("test", 0): 1, ("test", 1): 1, ("test", 2): 0})
        whole = Stage.of_shards("x", await log_lag(connection, {("test", 0): 0, ("test", 1): 0, ("test", 2): 0}))

    assert in_minutes(Stage.of_shards("x", found)) == (2, 2, {0: (2, 2)})
    assert in_minutes(whole) == (4, 30, {0: (3, 10), 1: (1, 30)})


@pytest.mark.parametrize("instant", ["", UNTOLD])
def test_what_stands_for_another_event_is_of_no_age(instant: str) -> None:
    assert age_s(instant, datetime.datetime.now(datetime.UTC)) == 0.0


async def test_a_consumer_and_a_relay_tell_the_age_of_what_waits_and_not_of_their_last_commit(
    database: Database, producer_url: str, local: Settings
) -> None:
    async with running_producer(producer_url, ["test"], local, relayed=False) as producer:
        feed = FeedClient(producer.url, local)
        consumer = ShardConsumer("recorder", "test", database, Recorder(database), feed, local)
        await consumer.prepare()
        async with producer.database.transaction() as connection:
            await producer.logs["test"].append(connection, [aged(0, 600), aged(0, 120), aged(3, 300)])
        async with database.connection() as connection:
            before = await consumer_lag(connection, consumer, feed)
            await connection.execute("update consumer_shard set pos = 1 where shard = 0")
            after = await consumer_lag(connection, consumer, feed)
            await connection.execute("update consumer_shard set pos = 2 where shard in (0, 3)")
            level = await consumer_lag(connection, consumer, feed)
        async with producer.database.connection() as connection:
            unsent = await relay_lag(connection, "relay", ["test"])
        await feed.close()

    assert in_minutes(before) == in_minutes(unsent) == (3, 10, {0: (2, 10), 3: (1, 5)})
    assert in_minutes(after) == (2, 5, {0: (1, 2), 3: (1, 5)})
    assert level == Stage("recorder", 0, 0.0)


def test_what_bears_no_time_is_at_most_as_late_as_it_was_last_seen_level(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    seen = SeenBehind()

    assert seen.seconds(5, clock - 30) == 30
    assert seen.seconds(0) == 0
    clock += 100
    assert seen.seconds(7, clock - 3600) == 100
    assert seen.seconds(7, clock - 40) == 40


def test_what_waited_already_when_the_process_began_grows_as_old_as_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    seen = SeenBehind()
    clock += 600

    assert seen.seconds(5) == 600
    assert seen.seconds(5, clock - 3600) == 3600, "what was handled last says more"
    assert seen.seconds(0) == 0
