import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise
from unittest.mock import patch

import msgspec
import pytest
import pytest_asyncio

from shared import relay as relay_module
from shared.database import Database
from shared.event_log import EventLog, append_all
from shared.events import Draft, envelope
from shared.observability import metrics
from shared.relay import Relay
from shared.settings import Settings
from tests.support.cloudevents import check_cloudevent
from tests.support.disposable import Topics, answers, cut_connections, eventually


class Outgoing:
    """A log, its topic, and the relays that send it."""

    def __init__(self, database: Database, settings: Settings, topics: Topics) -> None:
        self.database = database
        self.settings = settings
        self.topics = topics
        self.topic = f"attain.test{settings.topic_suffix}"
        self.log = EventLog("test", settings.shards)
        self.relays: list[Relay] = []

    async def append(
        self, shard: int, count: int, pad: int = 10, *, hand_over: bool = False, wake: bool = True
    ) -> None:
        """Append events in one transaction, and tell the relays in one way or the other."""
        body = envelope(id="id", source="test", type="attain.test.v1", tenant="t", subject="s",
                        time="2026-01-01T00:00:00.000000Z", data=b'{"pad":"%s"}' % (b"x" * pad))  # fmt: skip
        async with self.database.transaction() as connection:
            rows = await append_all(connection, [(self.log, [Draft(shard, "t", "s", body)] * count)])
        for relay in self.relays:
            if hand_over:
                relay.hand_over(rows)
            elif wake:
                relay.wake()

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Run a relay, and cancel it at the end as a service that stops does."""
        relay = Relay(self.database, [self.log], self.settings)
        self.relays.append(relay)
        task = asyncio.create_task(relay.run())
        try:
            yield
        finally:
            self.relays.remove(relay)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                async with asyncio.timeout(15):
                    await task

    async def done(self) -> bool:
        """Tell whether the cursors are at the heads."""
        async with self.database.connection() as connection:
            waiting = await connection.fetchval(
                "select count(*) from log_head h join relay_cursor c using (log, shard)"
                " where log = 'test' and c.pos <> h.pos"
            )
        return bool(waiting == 0)

    async def positions(self, shard: int) -> list[int]:
        """Return the positions that a partition holds, as sent."""
        records = await self.topics.records(self.topic, shard)
        return [msgspec.json.decode(record.value or b"")["position"] for record in records]

    async def holds(self, shard: int, count: int) -> bool:
        """Tell whether a partition has the positions 1 .. count, each first seen in its order."""
        return list(dict.fromkeys(await self.positions(shard))) == list(range(1, count + 1))

    async def set_cursor(self, shard: int, pos: int) -> None:
        """Put a cursor where a relay might have left it."""
        async with self.database.connection() as connection:
            await connection.execute("update relay_cursor set pos = $2 where log = 'test' and shard = $1", shard, pos)


@pytest_asyncio.fixture
async def outgoing(database: Database, settings: Settings, topics: Topics) -> Outgoing:
    """An empty log with an empty topic."""
    made = Outgoing(database, settings, topics)
    await topics.create(made.topic)
    async with database.connection() as connection:
        await made.log.prepare(connection)
    return made


async def test_what_is_handed_over_arrives_as_the_log_has_it_without_being_read(outgoing: Outgoing) -> None:
    outgoing.settings = outgoing.settings.model_copy(update={"relay_poll_ms": 60_000})
    async with outgoing.relaying():
        await outgoing.append(1, 3)
        await eventually(outgoing.done)
        with patch("shared.relay.read_all") as read:
            for number in range(1, 20):
                await outgoing.append(1, number, hand_over=True)
            await eventually(outgoing.done)
            read.assert_not_called()
    async with outgoing.database.connection() as connection:
        entries = await outgoing.log.read(connection, {1: 0}, 1000)
    records = await outgoing.topics.records(outgoing.topic, 1)

    assert [(entry.key.encode(), entry.body) for entry in entries] == [(r.key, r.value) for r in records]


async def test_what_was_not_handed_over_waits_for_no_end_of_what_was(outgoing: Outgoing) -> None:
    outgoing.settings = outgoing.settings.model_copy(update={"relay_poll_ms": 300})

    async def flow() -> None:
        while True:
            await outgoing.append(1, 1, hand_over=True)

    async with outgoing.relaying():
        await outgoing.append(1, 1)
        await eventually(outgoing.done)
        flowing = asyncio.create_task(flow())
        await asyncio.sleep(0.1)
        await outgoing.append(2, 3, wake=False)
        try:
            await eventually(lambda: outgoing.holds(2, 3), 10)
        finally:
            flowing.cancel()
            await asyncio.gather(flowing, return_exceptions=True)


async def test_rows_handed_over_out_of_line_are_read_from_the_log(outgoing: Outgoing) -> None:
    """Another process appends in between, and more is handed over than is kept: nothing is stepped over."""
    async with outgoing.relaying():
        with patch("shared.handed_over.ROWS_MAX", 50):
            for number in range(1, 30):
                await outgoing.append(2, 3, wake=False)
                await outgoing.append(2, number * 3, hand_over=True)
            await eventually(outgoing.done)

    assert await outgoing.positions(2) == list(range(1, 29 * 3 + 3 * 29 * 30 // 2 + 1))


async def test_each_shard_arrives_in_order_in_its_partition_as_the_log_has_it(outgoing: Outgoing) -> None:
    async with outgoing.relaying():
        for number in range(1, 11):
            for shard in range(4):
                await outgoing.append(shard, number)
        await eventually(outgoing.done)
    async with outgoing.database.connection() as connection:
        entries = await outgoing.log.read(connection, {2: 0}, 1000)
    records = await outgoing.topics.records(outgoing.topic, 2)

    assert [(entry.key.encode(), entry.body) for entry in entries] == [(r.key, r.value) for r in records]
    for shard in range(4):
        assert await outgoing.positions(shard) == list(range(1, 56))


async def test_a_run_larger_than_a_batch_is_sent_whole(outgoing: Outgoing) -> None:
    await outgoing.append(0, 900, pad=3000)
    async with outgoing.relaying():
        await eventually(outgoing.done)

    assert await outgoing.positions(0) == list(range(1, 901))


async def test_a_stop_at_any_moment_repeats_at_most_a_run_and_skips_nothing(outgoing: Outgoing) -> None:
    await outgoing.append(0, 3000)
    for stop in range(6):
        async with outgoing.relaying():
            await outgoing.append(0, 500)
            await asyncio.sleep(0.03 * stop)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    sent = await outgoing.positions(0)
    back = [before - after for before, after in pairwise(sent) if after != before + 1]

    assert await outgoing.holds(0, 6000)
    assert all(0 <= step < relay_module.RUN_ROWS_MIN + outgoing.settings.relay_rows for step in back)
    assert len(back) <= 7


async def test_records_sent_before_the_cursor_moved_come_again_with_the_same_bytes(outgoing: Outgoing) -> None:
    """The partition's tail is ahead of the cursor then, and does not raise it: it would not prove what lies before."""
    await outgoing.append(1, 30)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    await outgoing.set_cursor(1, 20)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    records = await outgoing.topics.records(outgoing.topic, 1)

    assert await outgoing.positions(1) == [*range(1, 31), *range(21, 31)]
    assert [r.value for r in records[20:30]] == [r.value for r in records[30:]]


async def test_a_topic_that_was_lost_between_two_runs_is_filled_again(outgoing: Outgoing) -> None:
    await outgoing.append(1, 30)
    await outgoing.append(3, 5)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    await outgoing.topics.delete(outgoing.topic)
    await outgoing.topics.create(outgoing.topic)
    async with outgoing.relaying():
        await eventually(lambda: outgoing.holds(1, 30))
        await eventually(lambda: outgoing.holds(3, 5))


async def test_a_topic_that_is_lost_under_traffic_is_filled_again(outgoing: Outgoing) -> None:
    """What is sent to the new topic first must not hide that what lies before it is gone."""
    await outgoing.append(0, 50)
    async with outgoing.relaying():
        await eventually(outgoing.done)
        await outgoing.topics.delete(outgoing.topic)
        await outgoing.topics.create(outgoing.topic)
        for _ in range(5):
            await outgoing.append(0, 1)

        async def filled() -> bool:
            return set(await outgoing.positions(0)) == set(range(1, 56)) and await outgoing.done()

        await eventually(filled, 40)


async def test_a_partition_that_lost_its_end_is_filled_again(outgoing: Outgoing) -> None:
    """As after an unclean election: the cursor stands beyond what is there."""
    await outgoing.append(2, 10)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    await outgoing.append(2, 5)
    await outgoing.set_cursor(2, 15)
    lowered = metrics.relay_lowered._value.get()
    async with outgoing.relaying():
        await eventually(lambda: outgoing.holds(2, 15))

    assert lowered + 1 == metrics.relay_lowered._value.get()


async def test_a_higher_generation_is_sent_from_its_beginning(outgoing: Outgoing) -> None:
    await outgoing.append(0, 8)
    async with outgoing.relaying():
        await eventually(outgoing.done)
    async with outgoing.database.connection() as connection:
        await connection.execute("update log_head set generation = 2")

    async def sent_again() -> bool:
        values = [msgspec.json.decode(r.value or b"") for r in await outgoing.topics.records(outgoing.topic, 0)]
        return [v["position"] for v in values if v["generation"] == 2] == list(range(1, 9))

    async with outgoing.relaying():
        await eventually(sent_again)


async def test_one_of_two_relays_sends_and_the_other_takes_over(outgoing: Outgoing) -> None:
    async with outgoing.relaying():
        async with outgoing.relaying():
            for _ in range(20):
                await outgoing.append(0, 20)
                await outgoing.append(1, 20)
            await eventually(outgoing.done)
            assert await outgoing.positions(0) == list(range(1, 401))
        await outgoing.append(0, 20)
        await eventually(lambda: outgoing.holds(0, 420))
        assert await outgoing.positions(1) == list(range(1, 401))


async def test_relays_whose_locks_are_lost_skip_nothing(outgoing: Outgoing, postgres: str, url: str) -> None:
    async with outgoing.relaying(), outgoing.relaying():
        for round in range(6):
            if round % 2:
                await cut_connections(postgres, url)
            await eventually(lambda: answers(outgoing.database))
            await outgoing.append(0, 50)
            await asyncio.sleep(0.1)
        await eventually(lambda: outgoing.holds(0, 300))
        await eventually(outgoing.done)


async def test_a_producer_that_failed_is_replaced_and_goes_on_where_it_stood(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker refuses a record for good; once the record is another, a new producer sends it and what follows."""
    monkeypatch.setattr(relay_module, "RECORD_BYTES_MAX", 10 << 20)
    monkeypatch.setattr(relay_module, "RETRY_S", 0.1)
    await outgoing.append(0, 3)
    await outgoing.append(0, 1, pad=2 << 20)
    await outgoing.append(0, 3)
    restarts = metrics.relay_restarts._value.get()

    async def failed() -> bool:
        return bool(metrics.relay_restarts._value.get() > restarts)

    async with outgoing.relaying():
        await eventually(failed)
        async with outgoing.database.connection() as connection:
            await connection.execute("update event_log set body = '{\"id\":1}' where pos = 4")
        await eventually(lambda: outgoing.holds(0, 7))


async def test_a_record_too_large_for_kafka_is_sent_as_its_place_without_data(
    outgoing: Outgoing, caplog: pytest.LogCaptureFixture
) -> None:
    """So nothing behind it waits, and readers fetch it by the feed as they fetch any hole."""
    await outgoing.append(0, 1)
    await outgoing.append(0, 1, pad=2 << 20)
    await outgoing.append(0, 1)
    async with outgoing.relaying():
        await eventually(lambda: outgoing.holds(0, 3))
    records = await outgoing.topics.records(outgoing.topic, 0)

    (entry,) = [vars(entry) for entry in caplog.records if "too large" in entry.message]
    first, place = [check_cloudevent(record.value or b"") for record in records[:2]]
    assert (place["type"], place["shard"], place["position"], "data" in place) == (first["type"], 0, 2, False)
    assert (entry["tenant"], entry["shard"], entry["position"]) == ("t", 0, 2)


async def test_a_relay_stops_at_once_whatever_it_does(outgoing: Outgoing) -> None:
    """A cancellation is not lost, and the locks are free for the next one."""
    for moment in range(12):
        async with asyncio.timeout(10):
            async with outgoing.relaying():
                await outgoing.append(0, 10)
                await asyncio.sleep(0.01 * moment)
    async with outgoing.database.connection() as connection:
        await eventually(lambda: _no_locks(connection))


async def _no_locks(connection: object) -> bool:
    count = await connection.fetchval(  # type: ignore[attr-defined]
        "select count(*) from pg_locks where locktype = 'advisory'"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    return bool(count == 0)
