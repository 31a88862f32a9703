"""What a district's policy costs: folding under the classroom template against a simple one, and explaining a status."""

import asyncio
import random
import secrets
import statistics
import time
from collections.abc import Callable

from deploy.local.stack import Stack
from services.progression.domain.policy.templates import template
from tests.bench.end_to_end import STREAK_3, Bench, zipped
from tests.bench.figures import Figure
from tests.bench.load import FRAMEWORK, SOURCE, evidence
from tests.bench.progression_fold import Shape, prepared_topic

KIND = "performance"
"""Work that both policies count; practice never gates under the template."""
EXPLAIN_EVENTS = 20_000
EXPLAIN_LEARNERS = 400
STANDARDS = 480
"""As many as the common standards of mathematics have."""
ASKED = 1_000


def classroom_against_simple(stack: Stack, events: int, rounds: int, say: Callable[[str], None]) -> Figure:
    """Fold the same work under both policies, in turn, and return the template's median with its ratio."""
    rates: dict[str, list[float]] = {"classroom": [], "streak-3": []}
    policies = {"streak-3": STREAK_3, "classroom": template("classroom")}
    for number in range(rounds):
        say(f"progression under the classroom template against three in a row, round {number + 1} of {rounds}")
        for name, policy in policies.items():
            rates[name].append(asyncio.run(_rate(stack, Shape(events, kind=KIND), policy)))
        say("  " + ", ".join(f"{name} {runs[-1]:,.0f}/s" for name, runs in rates.items()))
    ratio = statistics.median(a / b for a, b in zip(rates["classroom"], rates["streak-3"], strict=True))
    detail = {f"{name}_runs": [round(run) for run in runs] for name, runs in rates.items()}
    return Figure("policy-classroom", statistics.median(rates["classroom"]), "events/s", {"streak-3": ratio}, detail)


async def _rate(stack: Stack, shape: Shape, policy: bytes) -> float:
    async with prepared_topic(stack, shape, policy) as topic:
        return (await topic.fold(shape.events)).rate


async def explain(stack: Stack) -> Figure:
    """Ask for explanations of learners at random, one after the other, on a quiet stack; return the 99th percentile."""
    run = secrets.token_hex(3)
    bench = Bench(stack, f"bench-explain-{run}")
    await bench.prepare(template("classroom"), competencies=STANDARDS)
    load = evidence(run, EXPLAIN_EVENTS, learners=EXPLAIN_LEARNERS, competencies=STANDARDS, kind=KIND)
    await bench.send_http(zipped(load))
    await bench.drained()
    chance, took, pieces = random.Random(1), [], 0
    url = f"{stack.urls['progression']}/v1/learners"
    for _ in range(ASKED):
        name = f"learner-{chance.randrange(EXPLAIN_LEARNERS)}"
        query = {"source": SOURCE, "source_id": name}
        learner = (await bench.http.get(f"{stack.urls['evidence']}/v1/learners", params=query)).json()["learner"]
        competency = f"{FRAMEWORK}:{chance.randrange(4)}"
        started = time.perf_counter()
        answer = await bench.http.get(f"{url}/{learner}/competencies/{competency}/explanation")
        took.append(time.perf_counter() - started)
        pieces += len(answer.raise_for_status().json()["evidence"])
    await bench.http.aclose()
    took.sort()
    p50, p99 = (took[int(ASKED * share) - 1] * 1000 for share in (0.5, 0.99))
    detail = {"p50_ms": round(p50, 1), "asked": ASKED, "pieces": round(pieces / ASKED, 1), "standards": STANDARDS}
    return Figure("explain", p99, "ms p99", {}, detail)
