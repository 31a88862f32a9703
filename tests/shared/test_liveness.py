"""Alive is who goes round: a loop that is stuck is restarted, one that waits for work or for a dependency is not."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from shared import partition_tails, relay, service
from shared.database import Database
from shared.event_log import append_all
from shared.events import Draft, envelope, now
from shared.handling import Settle, ShardBatch, Write
from shared.observability import metrics
from shared.reconciliation import Comparison, Reconciler
from shared.service import Tasks, has_stuck
from shared.settings import Settings
from shared.tasks import Pulse
from tests.support.disposable import Topics, eventually
from tests.support.producer import running_producer
from tests.support.recorder import Recorder, running_consumer
from tests.support.scene import Scene

STUCK_S = 0.6
LOGS = ("a", "b", "c", "d")


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


def test_a_loop_that_may_be_slower_is_stuck_so_many_times_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse, at = Pulse(slower=10), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: at)
    pulse.beat()
    at += 599
    assert not pulse.is_stuck(60)
    at += 2
    assert pulse.is_stuck(60)


async def test_what_is_stuck_is_named_and_what_is_over_is_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_end_process_unless_cancelled", lambda _: None)
    goes, hangs = Pulse(), Pulse()
    tasks = Tasks()
    tasks.start("goes", asyncio.sleep(60), goes)
    tasks.start("hangs", asyncio.sleep(60), goes, hangs)
    tasks.start("over", asyncio.sleep(0), goes)
    hangs.beat()
    await asyncio.sleep(2 * STUCK_S)
    goes.beat()
    named = tasks.stuck()
    await tasks.stop()

    assert named == ["hangs", "over"]


async def test_a_process_ends_once_a_loop_stays_stuck_even_where_that_is_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(service, "LOOK_S", 0.1)
    pulse, tasks = Pulse(), Tasks()
    tasks.start("work", asyncio.sleep(60), pulse)
    for pause_s in (0.1, 0.1, STUCK_S + 0.2, 0.1, 0.1):
        pulse.beat()
        await asyncio.sleep(pause_s)
    before = list(sent)
    time.sleep(STUCK_S + 2 * service.LOOKS * service.LOOK_S)  # noqa: ASYNC251 - the loop is to stand still
    await tasks.stop()

    assert before == [], "it came round again"
    assert sent == [(os.getpid(), signal.SIGTERM)]


async def test_a_comparison_that_never_ends_is_stuck_and_one_that_is_not_due_is_not() -> None:
    async def never() -> list[Comparison]:
        await asyncio.Event().wait()
        return []

    idle, hanging = Reconciler({"x": never}, 60), Reconciler({"x": never}, 0)
    idle.pulse = hanging.pulse = Pulse()
    tasks = [asyncio.create_task(idle.run())]
    await asyncio.sleep(STUCK_S)
    assert not has_stuck([idle.pulse])
    tasks.append(asyncio.create_task(hanging.run()))

    async def dead() -> bool:
        return has_stuck([hanging.pulse])

    await eventually(dead)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_consumer_that_is_idle_lives_and_one_whose_fold_never_ends_does_not(
    database: Database, producer_url: str, settings: Settings, topics: Topics
) -> None:
    await topics.create(f"attain.test{settings.topic_suffix}")
    recorder = StuckRecorder(database)
    async with (
        running_producer(producer_url, ["test"], settings) as producer,
        running_consumer(database, recorder, producer.url, settings) as consumer,
    ):
        # A turn may take longer than that on a busy machine; who stands still never comes round again.
        async def idle() -> bool:
            return not has_stuck([consumer.polling, *consumer.pulses, *producer.relay.pulses])

        async def dead() -> bool:
            return has_stuck(consumer.pulses) and has_stuck([consumer.polling])

        async def relay_goes_on() -> bool:
            return not has_stuck(producer.relay.pulses)

        await asyncio.sleep(2 * STUCK_S)
        await eventually(idle)
        await producer.append("test", "t", [("attain.test.v1", "s", {"n": 1})])
        await eventually(dead)
        await eventually(relay_goes_on)
        assert await dead()
        recorder.may_end.set()


async def test_a_consumer_that_catches_up_for_long_lives(
    scene: Scene, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LIVE_S", 2 * STUCK_S)
    scene.settings = scene.settings.model_copy(update={"batch_records": 5})
    recorder.writing = lambda _: asyncio.sleep(0.05)
    await scene.append(0, 300)
    await scene.send(0, 300)
    lived = []
    async with scene.consuming(recorder) as consumer:

        async def caught_up() -> bool:
            lived.append(not has_stuck(consumer.pulses))
            return await scene.all_folded()

        await eventually(caught_up)
    assert all(lived)


async def test_a_relay_waits_for_kafka_and_lives_but_not_where_a_round_never_ends(
    producer_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object) -> int:
        await asyncio.Event().wait()
        return 0

    away = settings.model_copy(update={"kafka": "127.0.0.1:9"})
    # As rests are in service, well below what is taken for stuck.
    monkeypatch.setattr(relay, "RETRY_S", 0.1)
    monkeypatch.setattr(relay, "RETRY_S_MAX", 0.2)
    async with running_producer(producer_url, ["test"], away) as producer:
        await asyncio.sleep(2 * STUCK_S)
        assert not has_stuck(producer.relay.pulses)
    monkeypatch.setattr(relay.Relay, "_round", stuck)
    async with running_producer(producer_url, ["test"], settings) as producer:

        async def dead() -> bool:
            return has_stuck(producer.relay.pulses)

        await eventually(dead)


class Hanging:
    """What a producer of Kafka is to the relay while the brokers take what is sent and say nothing."""

    def create_batch(self) -> "Hanging":
        return self

    def append(self, **_: object) -> bool:
        return True

    async def send_batch(self, *_: object, **__: object) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()


async def test_a_relay_lives_whose_kafka_takes_connections_and_answers_nothing(
    producer_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that stands still, or a network that drops packets, is a Kafka that is away: what takes evidence in goes on."""

    @contextlib.asynccontextmanager
    async def hanging(_: relay.Relay) -> AsyncIterator[Hanging]:
        yield Hanging()

    answers: Iterator[dict[int, int]] = iter([{}] * len(LOGS))

    async def asked(*_: object) -> dict[int, int]:
        # It answers once for each log, so that the relay begins.
        for answer in answers:
            return answer
        await asyncio.sleep(STUCK_S / 2)
        raise TimeoutError

    monkeypatch.setattr(relay.Relay, "_producer", hanging)
    monkeypatch.setattr(partition_tails, "lost", asked)
    monkeypatch.setattr(relay, "SEND_S_MAX", STUCK_S / 3)
    monkeypatch.setattr(relay, "TAKE_OVER_S", 0.1)
    monkeypatch.setattr(relay, "RETRY_S", 0.1)
    monkeypatch.setattr(relay, "RETRY_S_MAX", 0.2)
    body = envelope(id="id", source="test", type="attain.test.v1", tenant="t", subject="s", time=now(), data=b"{}")
    restarts = metrics.relay_restarts._value.get()
    async with running_producer(
        producer_url, LOGS, settings.model_copy(update={"tail_check_s": 0.1}), relayed=False
    ) as producer:
        async with producer.database.transaction() as connection:
            await append_all(connection, [(log, [Draft(0, "t", "s", body)]) for log in producer.logs.values()])
            await connection.execute("update relay_cursor set pos = 1 where shard = 1")
        relaying = asyncio.create_task(producer.relay.run())
        lived = []
        for _ in range(30):
            await asyncio.sleep(STUCK_S / 10)
            lived.append(not has_stuck(producer.relay.pulses))
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)

    assert all(lived)
    assert metrics.relay_restarts._value.get() > restarts
