"""How fast what is derived is made anew: states under a new policy, a read model from the feed."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from deploy.local.stack import Stack
from tests.bench.end_to_end import COMPETENCIES, LEARNERS, STREAK_3, Bench
from tests.bench.figures import Figure, Usage
from tests.bench.load import evidence
from tests.bench.progression_fold import Shape, prepared_topic

NOBODY_YET = b'{"id": "streak-20", "method": {"type": "streak", "n": 20}, "decision": {"latch": "first_crossing"}}'
"""No key has so many pieces, so nobody is on the record and every key is refolded under the next policy."""
MODELS = ("mastery", "advancement", "roster", "curriculum")


async def refold(stack: Stack, events: int) -> Figure:
    """Put another policy into force over folded evidence; the rate is that of the pieces replayed."""
    async with prepared_topic(stack, Shape(events), NOBODY_YET) as topic:
        await topic.fold(events)
        async with topic.replicas() as pids:
            servers = {name: stack.pids[name] for name in ("kafka", "postgres")}
            usage = Usage({"progression": pids["progression-0"]} | servers)
            started = time.perf_counter()
            await topic.decide(STREAK_3, COMPETENCIES)
            rate = events / (time.perf_counter() - started)
            detail = {"events": events, **usage.cpu_us_per_event(events), "other_load": usage.other_load()}
            return Figure("refold", rate, "pieces/s", {}, detail)


async def rebuild(stack: Stack, events: int, run: str) -> list[Figure]:
    """Rebuild the read model of mastery over a tenant's states, then all at once, while they stay readable."""
    bench = Bench(stack, f"bench-rebuild-{run}")
    await bench.prepare(STREAK_3)
    await bench.send_kafka(list(evidence(run, events, learners=LEARNERS, competencies=COMPETENCIES)))
    await bench.drained()
    figures = [await _rebuilt(bench, "rebuild-mastery", ["mastery"]), await _rebuilt(bench, "rebuild-all", MODELS)]
    await bench.http.aclose()
    return figures


async def _rebuilt(bench: Bench, name: str, models: Sequence[str]) -> Figure:
    """Rebuild models side by side; the rate is of the events told of all, until the last one is live."""
    urls = [f"{bench.stack.urls['reporting']}/v1/rebuild/{model}" for model in models]
    usage = Usage(bench.stack.pids)
    started = time.perf_counter()
    for url in urls:
        (await bench.http.post(url)).raise_for_status()
    folded = sum([await _until_live(bench.http, url) for url in urls])
    seconds = time.perf_counter() - started
    detail = {"events": folded, **usage.cpu_us_per_event(folded), "other_load": usage.other_load()}
    return Figure(name, folded / seconds, "events/s", {}, detail)


async def _until_live(http: httpx.AsyncClient, url: str) -> int:
    while True:
        status = (await http.get(url)).json()
        if status["state"] == "live":
            return int(status["folded"])
        if status["state"] != "building":
            raise RuntimeError(f"the rebuild ended: {status}")
        await asyncio.sleep(0.05)
