"""From the edge to committed in reporting: through Kafka, through HTTP, and the latency of one advancement."""

import asyncio
import gzip
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.stack import Stack
from shared.shards import stable_id
from tests.bench.figures import Figure, Usage
from tests.bench.load import FRAMEWORK, SOURCE, Item, evidence, nodes

LEARNERS = 4_000
COMPETENCIES = 12
HTTP_BATCH = 5_000
HTTP_AT_ONCE = 2
DRAIN_S = 600
STREAK_3 = b'{"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}'
STREAK_1 = b'{"id": "streak-1", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"}}'
SCOPES = "evidence:write records:read policy:write admin service"


class Bench:
    """A tenant of a running stack, ready to be loaded."""

    def __init__(self, stack: Stack, tenant: str) -> None:
        self.stack = stack
        self.tenant = tenant
        token = stack.token(tenant, SCOPES)
        self.http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120)

    async def prepare(self, policy: bytes, competencies: int = COMPETENCIES) -> None:
        """Publish the framework and the policy."""
        content = {"id": FRAMEWORK, "title": "Bench", "nodes": nodes(competencies)}
        url = self.stack.urls["progression"]
        (await self.http.post(f"{url}/v1/frameworks", json=content)).raise_for_status()
        (await self.http.post(f"{url}/v1/policies", params={"framework": FRAMEWORK}, content=policy)).raise_for_status()
        await self.drained()

    async def drained(self) -> None:
        """Wait until no stage is behind, in the order of the flow, twice."""
        deadline = time.monotonic() + DRAIN_S
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if not await self._behind() else 0
            if time.monotonic() > deadline:
                raise TimeoutError("the stack does not catch up")
            await asyncio.sleep(0.02)

    async def _behind(self) -> int:
        for service in ("evidence", "progression", "reporting"):
            stages = (await self.http.get(f"{self.stack.urls[service]}/v1/lag")).json()["stages"]
            behind: int = sum(stage["behind_events"] for stage in stages if stage["behind_events"] is not None)
            if behind:
                return behind
        return 0

    async def send_kafka(self, items: Iterable[Item]) -> None:
        """Produce items to the intake topic, keyed by learner so that each one's order is kept."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka, acks="all", linger_ms=5, max_batch_size=512 * 1024
        )
        await producer.start()
        headers = [("tenant", self.tenant.encode())]
        try:
            pending = []
            for learner, item in items:
                pending.append(await producer.send("attain.evidence.submitted", item, key=learner, headers=headers))
                if len(pending) >= 20_000:
                    await asyncio.gather(*pending)
                    pending = []
            await asyncio.gather(*pending)
        finally:
            await producer.stop()

    async def send_http(self, items: Iterable[Item]) -> None:
        """Post items as NDJSON batches, two at a time."""
        url = f"{self.stack.urls['evidence']}/v1/evidence"
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        batches = iter([gzip.compress(b"\n".join(batch), 1) for batch in _batches(items, HTTP_BATCH)])

        async def worker() -> None:
            for body in batches:
                (await self.http.post(url, content=body, headers=headers)).raise_for_status()

        await asyncio.gather(*(worker() for _ in range(HTTP_AT_ONCE)))


def _batches(items: Iterable[Item], size: int) -> Iterator[list[bytes]]:
    rest = (item for _, item in items)
    while batch := list(islice(rest, size)):
        yield batch


async def throughput(stack: Stack, way: str, events: int, run: str) -> Figure:
    """Measure sustained events a second from the edge to committed in reporting."""
    bench = Bench(stack, f"bench-{way}-{run}")
    await bench.prepare(STREAK_3)
    items = list(evidence(f"{way}{run}", events, learners=LEARNERS, competencies=COMPETENCIES))
    usage = Usage(stack.pids)
    started = time.perf_counter()
    await (bench.send_kafka(items) if way == "kafka" else bench.send_http(items))
    sent = time.perf_counter() - started
    await bench.drained()
    seconds = time.perf_counter() - started
    detail = {"sent_s": round(sent, 1), "seconds": round(seconds, 1), **usage.cpu_us_per_event(events)}
    await bench.http.aclose()
    return Figure(f"end-to-end-{way}", events / seconds, "events/s", {}, detail)


async def latency(stack: Stack, rate: int, seconds: int, run: str) -> list[Figure]:
    """Measure the time from producing evidence to its advancement on the public topic, at an offered rate."""
    bench = Bench(stack, f"bench-latency-{run}")
    await bench.prepare(STREAK_1, competencies=1)
    consumer = AIOKafkaConsumer(
        "attain.advancement", bootstrap_servers=stack.kafka, auto_offset_reset="latest", fetch_max_wait_ms=10
    )
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, acks="all")
    await consumer.start()
    await producer.start()
    await consumer.seek_to_end()
    sent: dict[str, float] = {}
    took: list[float] = []
    total = rate * seconds
    reader = asyncio.create_task(_read_advancements(consumer, sent, took, total))
    try:
        await _offer(producer, bench.tenant, rate, total, run, sent)
        await asyncio.wait_for(reader, 60)
    finally:
        reader.cancel()
        await producer.stop()
        await consumer.stop()
        await bench.http.aclose()
    took.sort()
    points = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
    return [
        Figure(f"latency-{name}", took[int(len(took) * share) - 1] * 1000, "ms", {}, {"offered_per_s": rate})
        for name, share in points.items()
    ]


async def _offer(
    producer: AIOKafkaProducer, tenant: str, rate: int, total: int, run: str, sent: dict[str, float]
) -> None:
    """Produce at a steady rate, in ticks of 10 ms; every item is a learner of its own, so each one advances."""
    headers = [("tenant", tenant.encode())]
    started = time.perf_counter()
    for number in range(total):
        due = started + number / rate
        if due > time.perf_counter() and number % max(1, rate // 100) == 0:
            await asyncio.sleep(due - time.perf_counter())
        id = f"latency{run}-{number}"
        item = {
            "id": id, "source": SOURCE, "learner": f"l{run}-{number}", "competencies": [f"{FRAMEWORK}:0"],
            "score": {"raw": 1, "max": 1}, "occurred_at": "2026-03-01T00:00:00Z",
        }  # fmt: skip
        sent[stable_id(tenant, SOURCE, id)] = time.perf_counter()
        await producer.send("attain.evidence.submitted", msgspec.json.encode(item), headers=headers)


async def _read_advancements(consumer: AIOKafkaConsumer, sent: dict[str, float], took: list[float], total: int) -> None:
    """Match advancements to what was sent, by the id of the evidence that caused them."""
    async for record in consumer:
        now = time.perf_counter()
        event = msgspec.json.decode(record.value)
        at = sent.get(event["causationid"])
        if at is not None:
            took.append(now - at)
        if len(took) == total:
            return
