"""From producing evidence to its advancement on the public topic: at a set rate, and at shares of what the stack can do."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.stack import Stack
from shared.shards import stable_id
from shared.topics import ADVANCEMENT, SUBMITTED
from tests.bench.end_to_end import COMPETENCIES, LEARNERS, STREAK_1, STREAK_3, Bench, paced, throughput
from tests.bench.figures import Figure
from tests.bench.load import FRAMEWORK, SOURCE, evidence

POINTS = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
SHARES = (0.1, 0.5, 0.8)
PROBES_A_S = 50
WARM_S = 5
"""Before measuring, for what a fresh process does once: compiling in the broker, claiming shards, preparing statements."""
WAIT_S = 60


async def latency(stack: Stack, rate: int, seconds: int, run: str) -> list[Figure]:
    """Measure at an offered rate at which every item is a learner of its own, so that each one advances."""
    bench = Bench(stack, f"bench-latency-{run}")
    await bench.prepare(STREAK_1, competencies=1)
    async with probing(stack, bench.tenant) as probes:
        await probes.warm_up(run, rate)
        await probes.offer(run, rate, seconds)
        took = await probes.took()
    await bench.http.aclose()
    return [Figure(f"latency-{name}", at * 1000, "ms", {}, {"offered_per_s": rate}) for name, at in took.items()]


async def latency_under_load(stack: Stack, events: int, seconds: int, run: str) -> list[Figure]:
    """Measure at shares of the rate that the stack has just sustained, with probes among the usual load."""
    full = await throughput(stack, "kafka", events, f"full{run}")
    figures = []
    for share in SHARES:
        name = f"bench-at-{share * 100:.0f}-{run}"
        bench, probed = Bench(stack, name), Bench(stack, f"{name}-probed")
        await bench.prepare(STREAK_3)
        await probed.prepare(STREAK_1, competencies=1)
        rate = max(1, round(full.value * share) - PROBES_A_S)
        items = evidence(name, rate * seconds, learners=LEARNERS, competencies=COMPETENCIES)
        async with probing(stack, probed.tenant) as probes:
            await asyncio.gather(bench.send_kafka(list(items), rate), probes.offer(run, PROBES_A_S, seconds))
            took = await probes.took()
        await bench.drained()
        for each in (bench, probed):
            await each.http.aclose()
        detail = {f"{name}_ms": round(at * 1000, 1) for name, at in took.items()}
        detail |= {"offered_per_s": rate + PROBES_A_S, "capacity_per_s": round(full.value)}
        figures.append(Figure(f"latency-p99-at-{share:.0%}", took["p99"] * 1000, "ms", {}, detail))
    return figures


class Probes:
    """Items of learners of their own under a policy of one right answer, and how long each took to advance."""

    def __init__(self, producer: AIOKafkaProducer, tenant: str) -> None:
        self._producer = producer
        self._tenant = tenant
        self._sent: dict[str, float] = {}
        self._took: list[float] = []

    async def offer(self, run: str, rate: int, seconds: int) -> None:
        """Produce at a steady rate."""
        async for number in paced(range(rate * seconds), rate):
            await self._send(run, number)

    async def warm_up(self, run: str, rate: int) -> None:
        """Offer for `WARM_S`, wait for all of it and forget it."""
        await self.offer(f"{run}-warm", rate, WARM_S)
        await self.took()
        self._sent, self._took = {}, []

    async def _send(self, run: str, number: int) -> None:
        id = f"latency{run}-{number}"
        item = {
            "id": id, "source": SOURCE, "learner": f"l{run}-{number}", "competencies": [f"{FRAMEWORK}:0"],
            "score": {"raw": 1, "max": 1}, "occurred_at": "2026-03-01T00:00:00Z",
        }  # fmt: skip
        self._sent[stable_id(self._tenant, SOURCE, id)] = time.perf_counter()
        headers = [("tenant", self._tenant.encode())]
        await self._producer.send(SUBMITTED.name(), msgspec.json.encode(item), headers=headers)

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Match advancements to what was sent, by the id of the evidence that caused them."""
        async for record in consumer:
            now = time.perf_counter()
            sent_at = self._sent.get(msgspec.json.decode(record.value)["causationid"])
            if sent_at is not None:
                self._took.append(now - sent_at)

    async def took(self) -> dict[str, float]:
        """Return the seconds at `POINTS`, once all that was sent has advanced."""
        async with asyncio.timeout(WAIT_S):
            while len(self._took) < len(self._sent):
                await asyncio.sleep(0.05)
        took = sorted(self._took)
        return {name: took[int(len(took) * share) - 1] for name, share in POINTS.items()}


@contextlib.asynccontextmanager
async def probing(stack: Stack, tenant: str) -> AsyncIterator[Probes]:
    consumer = AIOKafkaConsumer(
        ADVANCEMENT.name(), bootstrap_servers=stack.kafka, auto_offset_reset="latest", fetch_max_wait_ms=10
    )
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, acks="all")
    await consumer.start()
    await producer.start()
    await consumer.seek_to_end()
    probes = Probes(producer, tenant)
    reader = asyncio.create_task(probes.read(consumer))
    try:
        yield probes
    finally:
        reader.cancel()
        await producer.stop()
        await consumer.stop()
