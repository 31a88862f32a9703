"""All of a district's evidence refolded under the classroom template while another's arrives: the rate, and what it costs."""

import asyncio
import time

from deploy.local.stack import Stack
from services.progression.domain.policy.templates import template
from tests.bench.end_to_end import COMPETENCIES, LEARNERS, STREAK_1, Bench
from tests.bench.figures import Figure, Usage
from tests.bench.latency import Probes, probing
from tests.bench.load import FRAMEWORK, evidence
from tests.bench.policy_cost import KIND
from tests.bench.rebuild import NOBODY_YET

LIVE_A_S = 500
LIVE_S = 8


async def refold_live(stack: Stack, events: int, run: str) -> list[Figure]:
    """Measure latency alone, then again while every key of another tenant is decided anew by the classroom template."""
    district, live = Bench(stack, f"bench-refold-{run}"), Bench(stack, f"bench-live-{run}")
    await district.prepare(NOBODY_YET)
    await live.prepare(STREAK_1, competencies=1)
    load = evidence(run, events, learners=LEARNERS, competencies=COMPETENCIES, kind=KIND)
    await district.send_kafka(list(load))
    await district.drained()
    async with probing(stack, live.tenant) as probes:
        await probes.warm_up(run, LIVE_A_S)
        await probes.offer(f"{run}-quiet", LIVE_A_S, LIVE_S)
        quiet = await probes.took()
    async with probing(stack, live.tenant) as probes:
        usage = Usage(stack.pids)
        refolding = asyncio.create_task(_refolded(district))
        await _offer_until(probes, refolding, f"{run}-busy")
        seconds, during = await refolding, await probes.took()
    detail = {"events": events, "live_per_s": LIVE_A_S, "quiet_p99_ms": round(quiet["p99"] * 1000, 1)}
    detail |= {"other_load": usage.other_load()}
    for bench in (district, live):
        await bench.http.aclose()
    return [
        Figure("refold-live", events / seconds, "pieces/s", {}, detail),
        Figure("refold-live-p99", during["p99"] * 1000, "ms", {"quiet": during["p99"] / quiet["p99"]}, detail),
    ]


async def _offer_until(probes: Probes, done: asyncio.Task[float], run: str) -> None:
    """Offer, a second at a time, until a task is done."""
    second = 0
    while not done.done():
        await probes.offer(f"{run}{second}", LIVE_A_S, 1)
        second += 1


async def _refolded(district: Bench) -> float:
    """Put the classroom template into force; return the seconds until every key is decided by it."""
    url = district.stack.urls["progression"]
    started = time.perf_counter()
    answer = await district.http.post(
        f"{url}/v1/policies", params={"framework": FRAMEWORK}, content=template("classroom")
    )
    answer.raise_for_status()
    while True:
        stages = (await district.http.get(f"{url}/v1/lag")).json()["stages"]
        if not next(stage["behind_events"] for stage in stages if stage["name"] == "decisions"):
            return time.perf_counter() - started
        await asyncio.sleep(0.25)
