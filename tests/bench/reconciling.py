"""What standing reconciliation costs: CPU of one run of all checks, as a share of the machine at the default interval."""

import asyncio
import time

import psutil

from deploy.local.stack import Stack
from shared.settings import Settings
from tests.bench.end_to_end import COMPETENCIES, LEARNERS, STREAK_3, Bench
from tests.bench.figures import Figure, Usage
from tests.bench.load import evidence

RUNS = 20


async def reconciliation_share(stack: Stack, events: int, run: str) -> Figure:
    """Run the checks again and again over a filled stack and hold the CPU against the same time without."""
    bench = Bench(stack, f"bench-reconciled-{run}")
    await bench.prepare(STREAK_3)
    await bench.send_kafka(list(evidence(run, events, learners=LEARNERS, competencies=COMPETENCIES)))
    await bench.drained()
    # What is counted for the first time is counted once in a row's life; the runs that follow are the standing cost.
    first = await _check(bench, stack, 3)
    checked = await _check(bench, stack, RUNS)
    idle = await _idle(stack, checked.seconds)
    cost = {name: (checked.cpu[name] - idle.cpu[name]) / RUNS for name in checked.cpu}
    every = Settings().reconcile_s
    share = sum(cost.values()) / every / (psutil.cpu_count() or 1) * 100
    await bench.http.aclose()
    detail = {f"{name}_ms": round(seconds * 1000, 1) for name, seconds in cost.items()}
    detail |= {"every_s": every, "first_runs_ms": round(sum(first.cpu.values()) * 1000), "events": events}
    return Figure("reconciliation-share", share, "% of CPU", {}, detail)


class _Spent:
    def __init__(self, cpu: dict[str, float], seconds: float) -> None:
        self.cpu = cpu
        self.seconds = seconds


async def _check(bench: Bench, stack: Stack, runs: int) -> _Spent:
    usage, started = Usage(stack.pids), time.perf_counter()
    for _ in range(runs):
        for service in ("evidence", "progression", "reporting"):
            answer = await bench.http.post(f"{stack.urls[service]}/v1/reconciliation")
            answer.raise_for_status()
            wrong = [item for item in answer.json()["items"] if item["difference"]]
            if wrong:
                raise RuntimeError(f"the stack does not reconcile: {wrong}")
    return _Spent(usage.cpu_s(), time.perf_counter() - started)


async def _idle(stack: Stack, seconds: float) -> _Spent:
    usage = Usage(stack.pids)
    await asyncio.sleep(seconds)
    return _Spent(usage.cpu_s(), seconds)
