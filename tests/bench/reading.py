"""
How fast records are read while evidence comes in.

The read models of a tenant of 100,000 learners are written straight into the tables, as the folds would leave them; the
intake beside the requests goes the whole way. A request is sent when it is due, whatever became of those before, so a
stall is in the figures; for that the intake is sent by a process of its own, whose stalls are not.
"""

import asyncio
import json
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import asyncpg

from deploy.local.stack import Stack
from tests.bench.client import Client
from tests.bench.end_to_end import COMPETENCIES, LEARNERS, STREAK_3, Bench
from tests.bench.figures import Figure, Usage
from tests.bench.load import evidence

TENANT = "bench-district"
DISTRICT_LEARNERS, SCHOOLS, CLASS_LEARNERS, STANDARDS, COMMON = 100_000, 40, 30, 60, 5
"""The first class is of 30 learners by 60 standards; all others have states on 5."""
INTAKE_A_S, REQUESTS_A_S = 2_000, 50
WARM_S = 15
"""Before measuring: the broker still compiles."""
AT = "2026-03-04T10:15:00.000000Z"
STATUSES = ("mastered", "not_yet", "provisional", "insufficient_evidence", "reverify_due")


async def reading(stack: Stack, seconds: int, run: str) -> list[Figure]:
    """Measure learner records, a class and a district, each for some seconds beside the intake."""
    await fill(stack)
    bench = Bench(stack, f"bench-reading-{run}")
    await bench.prepare(STREAK_3)
    views: dict[str, Callable[[int], str]] = {
        "learner-record": lambda number: f"/v1/learners/{_learner(number * 31 % CLASS_LEARNERS)}/record",
        "class": lambda _: "/v1/classes/c0/mastery",
        "district": lambda _: "/v1/districts/d/mastery",
    }
    figures = []
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as sender:

        def intake(name: str, seconds: int) -> Awaitable[None]:
            return loop.run_in_executor(sender, _send, stack, bench.tenant, f"{run}{name}", seconds)

        pids = {**stack.pids, "intake": await loop.run_in_executor(sender, os.getpid)}
        await asyncio.gather(intake("warm", WARM_S), _requests(stack, views["learner-record"], WARM_S))
        for name, path in views.items():
            usage = Usage(pids)
            first = await _first(stack, path(0))
            _, took = await asyncio.gather(intake(name, seconds), _requests(stack, path, seconds))
            points = {f"p{share}": round(_point(took, share / 100) * 1000, 1) for share in (50, 90, 99, 100)}
            detail = {"intake_per_s": INTAKE_A_S, "requests_per_s": REQUESTS_A_S, "first_ms": round(first * 1000, 1)}
            detail |= points | {"other_load": usage.other_load()}
            figures.append(Figure(f"read-{name}-p99", _point(took, 0.99) * 1000, "ms", {}, detail))
            await bench.drained()
    await bench.http.aclose()
    return figures


def _send(stack: Stack, tenant: str, run: str, seconds: int) -> None:
    """Send the intake of some seconds, at its rate."""
    items = list(evidence(run, INTAKE_A_S * seconds, learners=LEARNERS, competencies=COMPETENCIES))
    asyncio.run(Bench(stack, tenant).send_kafka(items, INTAKE_A_S))


async def fill(stack: Stack) -> None:
    """Write the read models of the district, once."""
    connection = await asyncpg.connect(stack.databases["reporting"])
    try:
        if await connection.fetchval("select 1 from school_v1 where tenant = $1", TENANT):
            return
        await _copy(connection, "school_v1", ((TENANT, f"s{n}", f"School {n}", "d") for n in range(SCHOOLS)))
        classes = range(DISTRICT_LEARNERS // CLASS_LEARNERS)
        members = (
            (TENANT, f"c{n // CLASS_LEARNERS % len(classes)}", _learner(n), True) for n in range(DISTRICT_LEARNERS)
        )
        standards = (
            (TENANT, "m", "v1", f"c{n}", f"Standard {n}", n, str(n // 12), "Mathematics", None, None, False, n, None)
            for n in range(STANDARDS)
        )
        chain = ((TENANT, "m", "v1", f"c{n}", f"c{n + 1}", "prerequisite") for n in range(STANDARDS - 1))
        titled = ((TENANT, f"c{n}", f"Class {n}", f"s{n % SCHOOLS}", None) for n in classes)
        await _copy(connection, "class_v1", titled)
        await _copy(connection, "enrolment_v1", members)
        await _copy(connection, "framework_v1", [(TENANT, "m", "Mathematics", "v1")])
        await _copy(connection, "competency_v1", standards)
        await _copy(connection, "association_v1", chain)
        await _copy(connection, "mastery_v1", _states())
        await connection.execute("analyze")
    finally:
        await connection.close()


async def _copy(connection: Any, table_: str, rows: Any) -> None:
    await connection.copy_records_to_table(table_, records=rows)


def _states() -> Iterator[tuple[Any, ...]]:
    for number in range(DISTRICT_LEARNERS):
        learner = _learner(number)
        for standard in range(STANDARDS if number < CLASS_LEARNERS else COMMON):
            status = STATUSES[(number + standard) % len(STATUSES)]
            shown = AT if status in ("mastered", "reverify_due") else None
            data = {
                "learner": learner, "competency": f"m:c{standard}", "framework": "m", "status": status, "score": 0.8,
                "evidence_count": 4, "last_evidence_at": AT, "mastered_at": shown,
                "policy": {"id": "classroom", "version": "5f1c09ab77d2"}, "missing": ["one more piece"], "seq": 64,
                "why": "The rule of the policy is met.", "basis": [learner] * 3,
            }  # fmt: skip
            yield TENANT, learner, f"m:c{standard}", status, 0.8, 4, AT, shown, 64, json.dumps(data).encode()


def _learner(number: int) -> str:
    return f"00000000-0000-5000-8000-{number:012}"


async def _first(stack: Stack, path: str) -> float:
    """Return how long the first answer takes, which later ones may be spared."""
    took = await _requests(stack, lambda _: path, 0)
    return took[0]


async def _requests(stack: Stack, path: Callable[[int], str], seconds: int) -> list[float]:
    """Return how long each request took since it was due."""
    headers = {"Authorization": f"Bearer {stack.token(TENANT, 'records:read')}"}
    client = Client(stack.urls["reporting"], headers)
    started = time.perf_counter()

    async def one(number: int) -> float:
        due = started + number / REQUESTS_A_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await client.get(path(number))
        return time.perf_counter() - due

    took = await asyncio.gather(*(one(number) for number in range(max(1, REQUESTS_A_S * seconds))))
    await client.close()
    return took


def _point(took: list[float], share: float) -> float:
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
