"""From the edge to committed in reporting, through Kafka or HTTP, as fast as it goes."""

import asyncio
import functools
import gzip
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from deploy.local.stack import Stack
from shared.topics import SUBMITTED
from tests.bench.client import Client
from tests.bench.figures import Figure, Usage
from tests.bench.load import FRAMEWORK, Item, evidence, nodes
from tests.bench.storage import stored

LEARNERS = 4_000
COMPETENCIES = 12
HTTP_BATCH = 5_000
HTTP_AT_ONCE = 2
DRAIN_S = 600
NEARLY = 5_000
"""Events behind that are folded within half a second."""
STREAK_3 = b'{"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}'
STREAK_1 = b'{"id": "streak-1", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}'
T = TypeVar("T")
SCOPES = "evidence:write records:read policy:write admin service"


class Bench:
    """A tenant of a running stack, ready to be loaded."""

    def __init__(self, stack: Stack, tenant: str) -> None:
        self.stack = stack
        self.tenant = tenant
        token = stack.token(tenant, SCOPES)
        self.http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def client(self, url: str, headers: Mapping[str, str]) -> Client:
        """Return who asks a server as the tenant, with these headers beside."""
        return Client(url, {"Authorization": self.http.headers["Authorization"], **headers})

    async def prepare(self, policy: bytes, competencies: int = COMPETENCIES) -> None:
        """Publish the framework and the policy."""
        content = {"id": FRAMEWORK, "title": "Bench", "nodes": nodes(competencies)}
        url = self.stack.urls["progression"]
        (await self.http.post(f"{url}/v1/frameworks", json=content)).raise_for_status()
        (await self.http.post(f"{url}/v1/policies", params={"framework": FRAMEWORK}, content=policy)).raise_for_status()
        await self.drained()

    async def drained(self) -> None:
        """Wait until no stage is behind, in the order of the flow, twice; seldom asked while much is left: asking takes CPU."""
        deadline = time.monotonic() + DRAIN_S
        quiet = 0
        while quiet < 2:
            behind = await self._behind()
            quiet = quiet + 1 if not behind else 0
            if time.monotonic() > deadline:
                raise TimeoutError("the stack does not catch up")
            await asyncio.sleep(0.02 if behind < NEARLY else 0.2)

    async def _behind(self) -> int:
        for service in ("evidence", "progression", "reporting"):
            stages = (await self.http.get(f"{self.stack.urls[service]}/v1/lag")).json()["stages"]
            behind: int = sum(stage["behind_events"] for stage in stages if stage["behind_events"] is not None)
            if behind:
                return behind
        return 0

    async def send_kafka(self, items: Sequence[Item], rate: int | None = None) -> None:
        """Produce to the intake topic, keyed by learner so that each one's order is kept; at a rate or as fast as it goes."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka, acks="all", linger_ms=5, max_batch_size=512 * 1024
        )
        await producer.start()
        headers = [("tenant", self.tenant.encode())]
        sent = []
        try:
            async for due in ticks(items, rate):
                sent += await _send_batches(producer, due, headers)
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def send_http(self, bodies: Iterable[bytes]) -> None:
        """Post zipped NDJSON batches, two at a time."""
        url = f"{self.stack.urls['evidence']}/v1/evidence"
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        waiting = iter(bodies)

        async def worker() -> None:
            for body in waiting:
                (await self.http.post(url, content=body, headers=headers)).raise_for_status()

        await asyncio.gather(*(worker() for _ in range(HTTP_AT_ONCE)))


async def _send_batches(
    producer: AIOKafkaProducer, items: Sequence[Item], headers: list[tuple[str, bytes]]
) -> list["asyncio.Future[Any]"]:
    """
    Send whole batches to the partitions of the learners: a fifth of the CPU of sending items one by one.

    The load comes from the same cores as what is measured.
    """
    topic = SUBMITTED.name()
    partitions = tuple(sorted(await producer.partitions_for(topic)))
    batches: dict[int, Any] = {}
    sent = []
    for learner, item in items:
        partition = _partition_of(learner, partitions)
        batch = batches.get(partition)
        if batch is None or batch.append(key=learner, value=item, timestamp=None, headers=headers) is None:
            if batch is not None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = batches[partition] = producer.create_batch()
            batch.append(key=learner, value=item, timestamp=None, headers=headers)
    return sent + [await producer.send_batch(batch, topic, partition=place) for place, batch in batches.items()]


@functools.cache
def _partition_of(learner: bytes, partitions: tuple[int, ...]) -> int:
    place: int = DefaultPartitioner()(learner, partitions, partitions)
    return place


async def ticks(items: Iterable[T], rate: int | None) -> AsyncIterator[list[T]]:
    """Yield what is due each 10 ms at a steady rate; without a rate all at once."""
    started, waiting, number = time.perf_counter(), iter(items), 0
    while due := list(islice(waiting, max(1, rate // 100) if rate is not None else None)):
        if rate is not None:
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        yield due
        number += len(due)


async def paced(items: Iterable[T], rate: int) -> AsyncIterator[T]:
    """Yield items one by one at a steady rate, in ticks of 10 ms."""
    async for due in ticks(items, rate):
        for item in due:
            yield item


def zipped(items: Iterable[Item]) -> list[bytes]:
    """Return items as the bodies in which `send_http` posts them."""
    rest = (item for _, item in items)
    return [gzip.compress(b"\n".join(batch), 1) for batch in iter(lambda: list(islice(rest, HTTP_BATCH)), [])]


async def throughput(stack: Stack, way: str, events: int, run: str) -> Figure:
    """Measure sustained events a second from the edge to committed in reporting."""
    bench = Bench(stack, f"bench-{way}-{run}")
    await bench.prepare(STREAK_3)
    items = list(evidence(f"{way}{run}", events, learners=LEARNERS, competencies=COMPETENCIES))
    bodies = zipped(items) if way == "http" else []
    before = await stored(stack)
    usage = Usage(stack.pids)
    started = time.perf_counter()
    await (bench.send_kafka(items) if way == "kafka" else bench.send_http(bodies))
    sent = time.perf_counter() - started
    await bench.drained()
    seconds = time.perf_counter() - started
    detail = {
        "events": events,
        "sent_s": round(sent, 1),
        "seconds": round(seconds, 1),
        **usage.cpu_us_per_event(events),
    }
    detail["other_load"] = usage.other_load()
    detail |= {f"{name}_bytes": round((size - before[name]) / events) for name, size in (await stored(stack)).items()}
    await bench.http.aclose()
    return Figure(f"end-to-end-{way}", events / seconds, "events/s", {}, detail)
