"""xAPI statements through HTTP: batches of 100 as fast as it goes, and single ones at a set rate."""

import asyncio
import datetime
import json
import random
import time
import uuid
from collections.abc import Iterator
from typing import Any

from deploy.local.stack import Stack
from tests.bench.end_to_end import STREAK_3, Bench, paced
from tests.bench.figures import Figure, Usage
from tests.bench.load import FRAMEWORK, evidence, nodes

BATCH = 100
AT_ONCE = 24
RATE = 200
"""Single statements offered a second."""
SINGLE_S = 45
SINGLE_WARM_S = 20
"""The first so many seconds of single statements are left out: in them the broker still compiles."""
PEER_STATEMENTS_S = 325
"""What a peer published (lrsql, PR 172, 2021: 1,000 statements in 3.07 s on PostgreSQL); other hardware."""
BEGIN = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
VERSION = {"X-Experience-API-Version": "1.0.3"}


async def statements(stack: Stack, count: int, run: str) -> list[Figure]:
    """
    Measure scored statements of 2,000 learners on 12 aligned activities; all of them become evidence.

    Single ones come first, while nothing of a large load is left to be cleaned up. The same number of native items goes the
    same way before the batches, by as many callers in batches of the same size.
    """
    bench = Bench(stack, f"bench-xapi-{run}")
    await bench.prepare(STREAK_3)
    codes = [line.split(",")[0] for line in nodes(12).splitlines()[1:]]
    entries = [{"id": f"http://x.example/quiz/{n}", "competencies": [{"competency": f"{FRAMEWORK}:{code}"}]}
               for n, code in enumerate(codes)]  # fmt: skip
    (await bench.http.post(f"{stack.urls['evidence']}/v1/alignments", json=entries)).raise_for_status()
    url = f"{stack.urls['evidence']}/xapi/statements"
    headers = VERSION | {"Content-Type": "application/json"}
    usage = Usage(stack.pids)
    took = await _single(bench, url, headers, list(_made(RATE * SINGLE_S, len(codes), f"{run}-one")))
    of_single = {"offered_per_s": RATE, "p50_ms": round(took[len(took) // 2] * 1000, 1), "statements": len(took)}
    of_single |= usage.cpu_us_per_event(RATE * SINGLE_S) | {"other_load": usage.other_load()}
    items = [item for _, item in evidence(f"native{run}", count, learners=2000, competencies=len(codes))]
    native = await _rate(bench, f"{stack.urls['evidence']}/v1/evidence", {"Content-Type": "application/json"}, items)
    await bench.drained()
    made = list(_made(count, len(codes), run, first=RATE * SINGLE_S))
    usage = Usage(stack.pids)
    rate = await _rate(bench, url, headers, made)
    detail = {"statements": count, "native_s": round(native), "other_load": usage.other_load()}
    detail |= usage.cpu_us_per_event(count)
    await bench.drained()
    counts = (await bench.http.get(f"{stack.urls['evidence']}/xapi/counts")).json()
    assert counts["outcomes"] == {"evidence": RATE * SINGLE_S + count}, counts
    await bench.http.aclose()
    versus = {"native intake": rate / native, "lrsql (published)": rate / PEER_STATEMENTS_S}
    return [
        Figure("xapi-batches-of-100", rate, "statements/s", versus, detail),
        Figure("xapi-single-p99", took[int(len(took) * 0.99)] * 1000, "ms", {}, of_single),
    ]


async def _rate(bench: Bench, url: str, headers: dict[str, str], made: list[bytes]) -> float:
    """Post everything in batches, several at once; return items a second."""
    bodies = iter([b"[" + b",".join(made[at : at + BATCH]) + b"]" for at in range(0, len(made), BATCH)])
    client = bench.client(url, headers)

    async def worker() -> None:
        for body in bodies:
            await client.post(body)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    took = time.perf_counter() - started
    await client.close()
    return len(made) / took


async def _single(bench: Bench, url: str, headers: dict[str, str], made: list[bytes]) -> list[float]:
    """Return how long each single statement took at 200/s offered, in order; those of the first `SINGLE_WARM_S` are left out."""
    took: list[float] = []
    client = bench.client(url, headers)

    async def post(number: int, body: bytes) -> None:
        started = time.perf_counter()
        await client.post(body)
        if number >= RATE * SINGLE_WARM_S:
            took.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        async for number, body in paced(list(enumerate(made)), RATE):
            group.create_task(post(number, body))
    await client.close()
    return sorted(took)


def _made(count: int, activities: int, run: str, first: int = 0) -> Iterator[bytes]:
    chosen = random.Random(run)
    for number in range(first, first + count):
        statement: dict[str, Any] = {
            "id": str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
            "actor": {"account": {"homePage": "https://school.example", "name": f"s{chosen.randrange(2000)}"}},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en": "scored"}},
            "object": {"id": f"http://x.example/quiz/{number % activities}",
                       "definition": {"type": "http://adlnet.gov/expapi/activities/assessment", "name": {"en": "Quiz"}}},
            "result": {"score": {"raw": chosen.randrange(2), "min": 0, "max": 1}, "success": True, "completion": True},
            "context": {"contextActivities": {"parent": [{"id": "http://x.example/course"}]}},
            # In the order of time, as the native items are and as a learning system sends.
            "timestamp": (BEGIN + datetime.timedelta(seconds=number)).isoformat(),
        }  # fmt: skip
        yield json.dumps(statement).encode()
