"""Memory over a long run at a steady rate: what a process holds at the end against when it had warmed up."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from statistics import mean

from deploy.local.stack import Stack
from tests.bench.end_to_end import COMPETENCIES, STREAK_3, Bench
from tests.bench.figures import Figure, Usage
from tests.bench.load import evidence

RATE = 2_000
LEARNERS = 20_000
SAMPLES = 60
PIECE_S = 10
SERVICES = ("evidence", "progression", "reporting")
Series = dict[str, list[int]]
"""Resident MB of each process, at equal distances."""


async def soak(stack: Stack, minutes: float, run: str) -> list[Figure]:
    """Offer a steady load; return a figure a service, with the growth from the third to the last quarter."""
    bench = Bench(stack, f"bench-soak-{run}")
    await bench.prepare(STREAK_3)
    total, piece = int(RATE * minutes * 60), RATE * PIECE_S
    usage, started = Usage(stack.pids), time.perf_counter()
    async with _sampled(usage, minutes * 60 / SAMPLES) as series:
        for first in range(0, total, piece):
            items = evidence(
                run, min(piece, total - first), learners=LEARNERS, competencies=COMPETENCIES, first=first, seed=first
            )
            await bench.send_kafka(list(items), RATE)
    await bench.drained()
    await bench.http.aclose()
    detail = {"minutes": round((time.perf_counter() - started) / 60, 1), "events": total}
    return [_figure(name, series[name], detail) for name in SERVICES]


def _figure(name: str, series: list[int], detail: dict[str, float]) -> Figure:
    quarter = len(series) // 4
    growth = mean(series[-quarter:]) - mean(series[-2 * quarter : -quarter])
    return Figure(
        f"soak-{name}", float(series[-1]), "MB", {}, {**detail, "growth_mb": round(growth, 1), "series": {"mb": series}}
    )


@contextlib.asynccontextmanager
async def _sampled(usage: Usage, every_s: float) -> AsyncIterator[Series]:
    series: Series = {name: [] for name in SERVICES}

    async def sample() -> None:
        while True:
            memory = usage.memory_mb()
            for name in SERVICES:
                series[name].append(memory[name])
            await asyncio.sleep(every_s)

    task = asyncio.create_task(sample())
    try:
        yield series
    finally:
        task.cancel()
