"""What breaks a running stack: each fault is a context within which something is broken, and healed at its end."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from deploy.local.services import SERVICES
from shared.topics import ADVANCEMENT, EVIDENCE, PROGRESSION
from tests.faults import kafka_faults, postgres_faults
from tests.faults.cluster import LINKS
from tests.faults.proxy import Mode
from tests.faults.run import Run

SESSION_S = 6.0
SLOW_S = 0.1
TOMORROW = {"FAKETIME": "+1d"}
LIBFAKETIME = ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")
STORM_S = 2.0
TAKEN_OVER_S_MAX = 30.0
TAKEN_OVER = """
    select bool_and(owned = all_of) from (
        select count(*) filter (where owner = $1) as owned, count(*) as all_of from consumer_shard group by consumer
    ) counts where owned > 0
"""


class Nemesis(NamedTuple):
    """A fault and how long, in seconds, it is held at least and at most."""

    fault: Callable[[Run], AbstractAsyncContextManager[None]]
    hold_s: tuple[float, float] = (1.0, 3.0)


@contextlib.asynccontextmanager
async def killed(run: Run, name: str, number: signal.Signals = signal.SIGKILL) -> AsyncIterator[None]:
    """kill -9, or what another signal does; it is started again at once."""
    pid = run.cluster.pids[name]
    run.cluster.send(name, number)
    yield
    while run.cluster.pids[name] == pid:
        await asyncio.sleep(0.02)
    await run.cluster.ready(name)


@contextlib.asynccontextmanager
async def away(run: Run, name: str) -> AsyncIterator[None]:
    """kill -9, and nobody starts it for a while."""
    async with run.cluster.down(name):
        yield
    await run.cluster.ready(name)


@contextlib.asynccontextmanager
async def paused(run: Run, name: str) -> AsyncIterator[None]:
    """SIGSTOP, then SIGCONT: it never learns that time has passed."""
    run.cluster.send(name, signal.SIGSTOP)
    try:
        yield
    finally:
        run.cluster.resume(name)


@contextlib.asynccontextmanager
async def zombie(run: Run, service: str, clock: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    """A replica takes over from a stopped process, which then goes on as if it still owned its shards."""
    async with run.cluster.replica(service, clock) as replica:
        async with paused(run, service):
            await asyncio.sleep(SESSION_S)
            await _taken_over(run, service, replica)
            yield
        # Both live for a moment, so that the first can try to write what it had in hand.
        await asyncio.sleep(1)


async def _taken_over(run: Run, service: str, slot: str) -> None:
    """Wait until a process owns all shards of whatever it has begun to own."""
    async with run.cluster.admin(service) as admin, asyncio.timeout(TAKEN_OVER_S_MAX):
        while not await admin.fetchval(TAKEN_OVER, slot):
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def clock_jumps_back(run: Run, service: str) -> AsyncIterator[None]:
    """The clock of a replica is right while it takes over from a stopped process, and then jumps back by an hour."""
    clock = run.cluster.home.folder / f"clock-{service}"
    _set(clock, "+0")
    faked = faked_clock({"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"})
    async with run.cluster.replica(service, faked) as replica:
        async with paused(run, service):
            await asyncio.sleep(SESSION_S)
            await _taken_over(run, service, replica)
            _set(clock, "-1h")
            yield
        await asyncio.sleep(1)


def _set(clock: Path, offset: str) -> None:
    """Set a clock that is read from a file, which is never there half."""
    new = clock.with_suffix(".new")
    new.write_text(f"{offset}\n")
    new.rename(clock)


def can_fake_clocks() -> bool:
    """Tell whether libfaketime is installed."""
    return _libfaketime() is not None


def faked_clock(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose clock is set by libfaketime; time spans stay true."""
    return {"LD_PRELOAD": str(_libfaketime()), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **settings}


def _libfaketime() -> Path | None:
    return next((file for pattern in LIBFAKETIME for file in Path("/usr/lib").glob(pattern)), None)


@contextlib.asynccontextmanager
async def link(run: Run, name: str, mode: Mode) -> AsyncIterator[None]:
    """A link from a service to what it calls is cut, half-open or slow."""
    proxy = run.cluster.links[name]
    proxy.switch(mode, SLOW_S)
    try:
        yield
    finally:
        proxy.switch("pass")


@contextlib.asynccontextmanager
async def storm(run: Run, service: str) -> AsyncIterator[None]:
    """A replica joins and leaves, again and again."""
    stopping = asyncio.Event()

    async def blow() -> None:
        while not stopping.is_set():
            async with run.cluster.replica(service):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STORM_S):
                        await stopping.wait()

    task = asyncio.create_task(blow())
    try:
        yield
    finally:
        stopping.set()
        await task


KILLS: Mapping[str, Nemesis] = {
    f"kill {name}": Nemesis(partial(killed, name=name), (0.0, 0.5)) for name in (*SERVICES, "kafka", "postgres")
}
"""kill -9 of everything there is."""


def single_broker() -> Mapping[str, Nemesis]:
    """Return every fault of a stack with one broker, by name."""
    faults = dict(KILLS)
    faults["stop postgres at once"] = Nemesis(partial(killed, name="postgres", number=signal.SIGQUIT), (0.0, 0.5))
    for name in (*SERVICES, "kafka", "postgres"):
        faults[f"keep {name} away"] = Nemesis(partial(away, name=name))
        faults[f"pause {name}"] = Nemesis(partial(paused, name=name))
    for service in SERVICES:
        for server in LINKS[service]:
            for mode in ("cut", "half-open", "slow"):
                faults[f"{mode} {service}-{server}"] = Nemesis(partial(link, name=f"{service}-{server}", mode=mode))
        faults[f"zombie {service}"] = Nemesis(partial(zombie, service=service))
        if can_fake_clocks():
            tomorrow = faked_clock(TOMORROW)
            faults[f"skew the clock of {service}"] = Nemesis(partial(zombie, service=service, clock=tomorrow))
            faults[f"put back the clock of {service}"] = Nemesis(partial(clock_jumps_back, service=service))
        faults[f"storm {service}"] = Nemesis(partial(storm, service=service), (4.0, 8.0))
        for name, fault in postgres_faults.ALL.items():
            faults[f"{name} {service}"] = Nemesis(partial(fault, service=service))
    for topic in (EVIDENCE, PROGRESSION, ADVANCEMENT):
        faults[f"lose the topic {topic.log}"] = Nemesis(partial(kafka_faults.topic_lost, topic=topic), (0.0, 0.0))
        faults[f"cut the retention of {topic.log}"] = Nemesis(partial(kafka_faults.retention_cut, topic=topic))
        faults[f"refuse large records of {topic.log}"] = Nemesis(partial(kafka_faults.records_refused, topic=topic))
    faults["lose all topics"] = Nemesis(kafka_faults.all_topics_lost, (0.0, 0.0))
    faults["lose all of Kafka"] = Nemesis(kafka_faults.everything_lost, (0.0, 0.0))
    return faults


def three_brokers() -> Mapping[str, Nemesis]:
    """Return the faults of a cluster: brokers, and with them the leaders of a third of the partitions, die."""
    faults: dict[str, Nemesis] = {}
    for number in (1, 2, 3):
        faults[f"kill kafka-{number}"] = Nemesis(partial(killed, name=f"kafka-{number}"), (0.0, 0.5))
        faults[f"keep kafka-{number} away"] = Nemesis(partial(away, name=f"kafka-{number}"), (5.0, 12.0))
        faults[f"pause kafka-{number}"] = Nemesis(partial(paused, name=f"kafka-{number}"), (5.0, 12.0))
    faults["leave one broker of three"] = Nemesis(kafka_faults.minority_left, (3.0, 8.0))
    for service in SERVICES:
        faults[f"kill {service}"] = Nemesis(partial(killed, name=service), (0.0, 0.5))
    return faults


async def rage(run: Run, faults: Mapping[str, Nemesis], seconds: float, chance: random.Random) -> None:
    """Break something, heal it, wait a moment, and again, for about so long; every fault comes before any comes twice."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    left: list[str] = []
    while loop.time() < end:
        left = left or chance.sample(sorted(faults), len(faults))
        name = left.pop()
        async with run.fault(name, faults[name].fault(run)):
            await asyncio.sleep(chance.uniform(*faults[name].hold_s))
        await asyncio.sleep(chance.uniform(0.0, 2.0))
