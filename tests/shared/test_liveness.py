"""Alive is who goes round: a loop that is stuck is restarted, one that waits for work or for a dependency is not."""

import asyncio
from collections.abc import Sequence

import pytest

from shared import relay, service
from shared.consumer import Settle, ShardBatch, Write
from shared.database import Database
from shared.service import Tasks
from shared.settings import Settings
from shared.tasks import Pulse
from tests.support.disposable import Topics, eventually
from tests.support.producer import running_producer
from tests.support.recorder import Recorder, running_consumer

STUCK_S = 0.6


class StuckRecorder(Recorder):
    """Does not end the fold of a batch until it may."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.may_end = asyncio.Event()

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        await self.may_end.wait()
        return await super().fold(batches, settle)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LIVE_S", STUCK_S)


def test_a_loop_that_rests_is_not_stuck() -> None:
    pulse = Pulse()
    assert not pulse.is_stuck(0)
    pulse.beat()
    assert pulse.is_stuck(0)
    assert not pulse.is_stuck(60)
    pulse.rest()
    assert not pulse.is_stuck(0)


async def test_a_consumer_that_is_idle_lives_and_one_whose_fold_never_ends_does_not(
    database: Database, producer_url: str, settings: Settings, topics: Topics
) -> None:
    await topics.create(f"attain.test{settings.topic_suffix}")
    recorder = StuckRecorder(database)
    async with (
        running_producer(producer_url, ["test"], settings) as producer,
        running_consumer(database, recorder, producer.url, settings) as consumer,
    ):
        await asyncio.sleep(2 * STUCK_S)
        idle = Tasks().progress([*consumer.pulses, *producer.relay.pulses])
        await producer.append("test", "t", [("attain.test.v1", "s", {"n": 1})])

        async def dead() -> bool:
            return not Tasks().progress(consumer.pulses)

        await eventually(dead)
        relay_goes_on = Tasks().progress(producer.relay.pulses)
        recorder.may_end.set()
    assert idle
    assert relay_goes_on


async def test_a_relay_waits_for_kafka_and_lives_but_not_where_a_round_never_ends(
    producer_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object) -> int:
        await asyncio.Event().wait()
        return 0

    away = settings.model_copy(update={"kafka": "127.0.0.1:9"})
    monkeypatch.setattr(relay, "RETRY_S", 0.1)
    async with running_producer(producer_url, ["test"], away) as producer:
        await asyncio.sleep(2 * STUCK_S)
        assert Tasks().progress(producer.relay.pulses)
    monkeypatch.setattr(relay.Relay, "_round", stuck)
    async with running_producer(producer_url, ["test"], settings) as producer:

        async def dead() -> bool:
            return not Tasks().progress(producer.relay.pulses)

        await eventually(dead)
