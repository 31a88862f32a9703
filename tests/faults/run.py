"""One run: a load, faults while it is sent, healing, a drain, the last reads, and the verdict."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from deploy.local.services import SERVICES
from tests.faults import history as histories
from tests.faults import reading
from tests.faults.checker import check
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.load import Load
from tests.faults.target import Target
from tests.faults.verdict import Verdict

DRAIN_S_MAX = 120.0
QUIET_LOOKS = 3
YOUNG_S = 2.0
NEMESIS = "nemesis"


class Run:
    """A run on a stack, as a tenant of its own unless one is named; `fault` breaks something while the load runs."""

    def __init__(
        self, target: Target, folder: Path, name: str, *, tenant: str = "", seed: int | str = 1, rate: int = 400,
        ways: Sequence[str] = ("http", "http", "kafka"), learners: int = 150,
        say: Callable[[str], None] = print,
    ) -> None:  # fmt: skip
        self.target = target
        self.tenant = tenant or f"{name}-{secrets.token_hex(3)}"
        self.history = History(folder / f"{self.tenant}.jsonl")
        self.load = Load(target, self.tenant, self.history, seed=seed, rate=rate, ways=ways, learners=learners)
        self.say = say
        self._healed_at = time.monotonic()

    @property
    def cluster(self) -> Cluster:
        """The target, where this process runs it and may break it."""
        assert isinstance(self.target, Cluster)
        return self.target

    @contextlib.asynccontextmanager
    async def fault(self, name: str, fault: "contextlib.AbstractAsyncContextManager[object]") -> AsyncIterator[None]:
        """Break something for the length of the block; both ends are in the history."""
        self.say(f"{name} ...")
        self.history.add(NEMESIS, "info", "start", name)
        async with fault:
            yield
            # Replicas end with the fault, and what a process has counted with the process.
            await reading.read_fences(self.target, self.history)
        self.history.add(NEMESIS, "info", "stop", name)
        self.healed()

    async def goes_on(self) -> None:
        """Wait until more is acknowledged, and nothing that any stage has before it is old."""
        before = self.load.acknowledged

        async def waits_for(client: httpx.AsyncClient) -> str:
            behind = await self._behind(client, "behind_seconds", YOUNG_S)
            return "nothing more is acknowledged" if self.load.acknowledged == before else behind

        await self._until_nothing(waits_for, looks=1, every_s=0.1)

    def healed(self) -> None:
        """From now on the product has to catch up."""
        self._healed_at = time.monotonic()

    async def finish(self, *, topics: bool = True) -> Verdict:
        """Stop the load, wait until nothing is left to do, read everything, let `attain verify` look too, and judge."""
        await self.load.stop()
        await self._read(topics=topics)
        await asyncio.to_thread(reading.verify, self.target, self.tenant, self.history)
        return await self._judge()

    async def judge(self) -> Verdict:
        """The same in the middle of a run, with the audit of `attain verify` in this process."""
        await self._read(topics=True)
        await asyncio.to_thread(reading.audit_here, self.target, self.tenant, self.history)
        return await self._judge()

    async def _read(self, *, topics: bool) -> None:
        await self.caught_up()
        await reading.read_fences(self.target, self.history)
        self.history.add(reading.READER, "invoke", "read")
        await asyncio.to_thread(reading.read_services, self.target, self.tenant, self.history)
        if topics:
            await reading.read_topics(self.target, self.history)

    async def _judge(self) -> Verdict:
        self.history.flush()
        return await asyncio.to_thread(lambda: check(histories.read(self.history.path)))

    async def close(self) -> None:
        """End what a failed test has left running, and the history."""
        await self.load.cancel()
        self.history.close()

    async def caught_up(self) -> float:
        """Wait until nothing is left to do; return, and note, the seconds from the end of the last fault."""
        await self.drained()
        seconds = round(time.monotonic() - self._healed_at, 3)
        self.history.add(NEMESIS, "info", "drained", seconds)
        return seconds

    async def drained(self) -> None:
        """Wait until no stage of any service has anything left to do, several looks in a row."""
        await self._until_nothing(lambda client: self._behind(client, "behind_events", 0), QUIET_LOOKS, every_s=0.05)

    async def _until_nothing(
        self, waits_for: Callable[[httpx.AsyncClient], Awaitable[str]], looks: int, every_s: float
    ) -> None:
        """Wait until there is nothing to wait for, several looks in a row; raises `TimeoutError`, which says what there was."""
        quiet, what = 0, ""
        try:
            async with asyncio.timeout(DRAIN_S_MAX), self.target.client(self.tenant, 10) as client:
                while quiet < looks:
                    what = await waits_for(client)
                    quiet = 0 if what else quiet + 1
                    await asyncio.sleep(every_s)
        except TimeoutError as error:
            raise TimeoutError(f"waited {DRAIN_S_MAX:.0f} s: {what}") from error

    async def _behind(self, client: httpx.AsyncClient, measure: str, at_most: float) -> str:
        """Return what a service has before it, of the first that has more than so much; empty where none has."""
        for service in SERVICES:
            try:
                answer = await client.get(f"{self.target.urls[service]}/v1/lag")
            except httpx.HTTPError as error:
                return f"{service}: {type(error).__name__}"
            if answer.status_code != 200:
                return f"{service}: {answer.status_code}"
            lags = {stage["name"]: stage[measure] for stage in answer.json()["stages"]}
            # Where a service cannot tell yet, it says null.
            if late := {name: lag for name, lag in lags.items() if lag is None or lag > at_most}:
                return f"{service}: {measure} {late}"
        return ""
