"""Processes that send a seeded load by HTTP and by Kafka, each batch until it is acknowledged, and write down what was."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.topics import SUBMITTED
from tests.faults.history import History
from tests.faults.items import FRAMEWORK, POLICY, SOURCE, Item, generate
from tests.faults.target import Target, answered

RETRY_S = 0.2
ANSWER_S_MAX = 10.0
BATCHES_A_S = 5
ENROLMENTS_A_S = 4
ENROLLED = 24
CLASSES = 3
PROBLEM = "application/problem+json"


class Refused(Exception):
    """An answer by HTTP that is not one to the batch; `asks_again` if it is the one that is promised for such a time."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.status_code}: {answer.text}")
        kind, after = answer.headers.get("Content-Type"), answer.headers.get("Retry-After", "")
        self.asks_again = answer.status_code == 503 and kind == PROBLEM and after.isdigit()


UNKNOWN = (Refused, httpx.HTTPError, KafkaError, OSError, TimeoutError)
"""What says nothing about whether the batch was taken in."""


class Sender(Protocol):
    """One way in."""

    async def send(self, batch: Sequence[Item]) -> list[Any] | None:
        """Return once all is acknowledged, with (status, position) of each where the way tells; raises `UNKNOWN`."""

    async def close(self) -> None:
        """Close the connections."""


class HttpSender:
    """NDJSON to the evidence service."""

    def __init__(self, target: Target, tenant: str) -> None:
        self._url = f"{target.urls['evidence']}/v1/evidence"
        self._client = target.client(tenant, ANSWER_S_MAX)

    async def send(self, batch: Sequence[Item]) -> list[Any]:
        body = b"\n".join(item.native() for item in batch)
        answer = await self._client.post(self._url, content=body, headers={"Content-Type": "application/x-ndjson"})
        if not answer.is_success:
            raise Refused(answer)
        return [[item["status"], item["position"]] for item in answer.json()["items"]]

    async def close(self) -> None:
        await self._client.aclose()


class KafkaSender:
    """The topic of submitted evidence, keyed by learner."""

    def __init__(self, target: Target, tenant: str) -> None:
        self._servers = target.kafka
        self._headers = [("tenant", tenant.encode())]
        self._producer: AIOKafkaProducer | None = None

    async def send(self, batch: Sequence[Item]) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", request_timeout_ms=10_000)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        try:
            topic = SUBMITTED.name()
            futures = [
                await self._producer.send(topic, item.native(), f"l{item.learner}".encode(), headers=self._headers)
                for item in batch
            ]
            await asyncio.gather(*futures)
        except UNKNOWN:
            await self.close()
            raise

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(5):
                    await producer.stop()


class Load:
    """
    `ways` are the processes, such as ("http", "http", "kafka"); each has learners of its own, so that what it sends of
    one is in order. `rate` is items a second of all processes together, offered as far as the answers allow.
    """

    def __init__(
        self, target: Target, tenant: str, history: History, *, seed: int | str, rate: int,
        ways: Sequence[str] = ("http", "http", "kafka"), learners: int = 150, competencies: int = 6,
    ) -> None:  # fmt: skip
        self.tenant = tenant
        self.acknowledged = 0
        """Different items that were acknowledged."""
        self.failures = 0
        """Attempts whose outcome is unknown, each followed by another."""
        self.asked_again = 0
        """Those of them that were answered by 503 with the time after which to come again."""
        self._target = target
        self._history = history
        self._ways = ways
        self._competencies = competencies
        self._batch = max(1, rate // len(ways) // BATCHES_A_S)
        self._items = [
            generate(f"{seed}-{n}", first=n, step=len(ways), learners=range(n, learners, len(ways)),
                     competencies=competencies)
            for n in range(len(ways))
        ]  # fmt: skip
        self._enrolments = 0
        self._learners = learners
        self._stopping = False
        self._kafka_may_send = asyncio.Event()
        self._kafka_may_send.set()
        self._sending_by_kafka = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._batches = 0
        self._left = math.inf

    async def prepare(self) -> None:
        """Publish the framework and the policy of the tenant, and wait until evidence knows the competencies."""
        nodes = "code,title\n" + "".join(f"c{n},Competency {n}\n" for n in range(self._competencies))
        url = self._target.urls["progression"]
        async with self._target.client(self.tenant) as client:
            framework = {"id": FRAMEWORK, "nodes": nodes}
            (await answered(client, "POST", f"{url}/v1/frameworks", json=framework)).raise_for_status()
            (await answered(client, "POST", f"{url}/v1/policies", content=POLICY)).raise_for_status()
            await self._until_nothing_waits(client, "evidence-curriculum")

    def start(self, *, items: float = math.inf) -> None:
        """Send until `stop`, or until so many different items are sent."""
        self._stopping = False
        self._left = items
        self._tasks = [
            asyncio.create_task(self._run(f"{way}-{number}", way, items))
            for number, (way, items) in enumerate(zip(self._ways, self._items, strict=True))
        ]
        self._enrolling = asyncio.create_task(self._enrol())

    async def stop(self) -> None:
        """Begin nothing new; return when all that was begun is acknowledged."""
        self._stopping = True
        await self.finished()

    async def finished(self) -> None:
        """Return when all is sent and acknowledged."""
        await asyncio.gather(*self._tasks)
        self._stopping = True
        await self._enrolling

    async def cancel(self) -> None:
        """Let go of what is not acknowledged; for a run that is given up."""
        tasks = [*self._tasks, self._enrolling] if self._tasks else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def without_kafka(self) -> AsyncIterator[None]:
        """
        Send nothing by Kafka within the block, which begins when all that was sent so is taken in.

        For faults that delete Kafka's data: what its producers were promised is Kafka's to keep.
        """
        self._kafka_may_send.clear()
        try:
            while self._sending_by_kafka:
                await asyncio.sleep(0.05)
            async with self._target.client(self.tenant) as client:
                await self._until_nothing_waits(client, "intake")
            yield
        finally:
            self._kafka_may_send.set()

    async def _until_nothing_waits(self, client: httpx.AsyncClient, stage: str) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get(f"{self._target.urls['evidence']}/v1/lag")
                if answer.is_success and {s["name"]: s["behind_events"] for s in answer.json()["stages"]}[stage] == 0:
                    return
            await asyncio.sleep(0.1)

    async def _run(self, process: str, way: str, items: Iterator[tuple[Item, bool]]) -> None:
        loop = asyncio.get_running_loop()
        sender: Sender = (HttpSender if way == "http" else KafkaSender)(self._target, self.tenant)
        try:
            while not self._stopping:
                due = loop.time() + 1 / BATCHES_A_S
                if way == "kafka":
                    await self._kafka_may_send.wait()
                batch, fresh = self._next(items)
                if not batch:
                    return
                self._sending_by_kafka += way == "kafka"
                await self._submit(process, sender, batch)
                self._sending_by_kafka -= way == "kafka"
                self.acknowledged += fresh
                await asyncio.sleep(due - loop.time())
        finally:
            await sender.close()

    async def _enrol(self) -> None:
        """Put a learner into a class or take one out, again and again; the roster is sent until it is taken in."""
        url = f"{self._target.urls['evidence']}/v1/roster"
        async with self._target.client(self.tenant, ANSWER_S_MAX) as client:
            while not self._stopping:
                number, self._enrolments = self._enrolments, self._enrolments + 1
                rounds, learner = divmod(number, min(self._learners, ENROLLED))
                name, active = f"class-{learner % CLASSES}", rounds % 2 == 0
                place = {"class": name, "learner": f"l{learner}", "status": "active" if active else "inactive"}
                roster = {
                    "source": SOURCE, "classes": [{"class": name, "title": name}], "enrolments": [place],
                    "learners": [{"source_id": place["learner"]}],
                }  # fmt: skip
                (await answered(client, "POST", url, json=roster)).raise_for_status()
                self._history.add("roster", "ok", "enrol", [learner, name, active])
                await asyncio.sleep(1 / ENROLMENTS_A_S)

    def _next(self, items: Iterator[tuple[Item, bool]]) -> tuple[list[Item], int]:
        """Return the next batch and how many of it were not sent before."""
        batch: list[Item] = []
        fresh = 0
        while len(batch) < self._batch and self._left > 0:
            item, is_new = next(items)
            batch.append(item)
            fresh += is_new
            self._left -= is_new
        return batch, fresh

    async def _submit(self, process: str, sender: Sender, batch: Sequence[Item]) -> None:
        number = self._batches = self._batches + 1
        self._history.add(process, "invoke", "submit", [number, batch])
        while True:
            try:
                answers = await sender.send(batch)
            except UNKNOWN as error:
                promised = not isinstance(error, Refused) or error.asks_again
                text = f"{type(error).__name__}: {error}"[:200]
                self._history.add(process, "info", "submit", [number, text, promised])
                self.failures += 1
                self.asked_again += isinstance(error, Refused) and error.asks_again
                await asyncio.sleep(RETRY_S)
            else:
                self._history.add(process, "ok", "submit", [number, answers])
                return
