"""Evidence in, mastery folded, advancement out, record read: in any order, any number of times, whatever is killed."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import ZERO, District, Item, answers, three_in_a_row

EVENTS = 6_000
LEARNERS = 150


def cut(items: Sequence[Item], sizes: Sequence[int]) -> list[list[Item]]:
    """Cut a sequence into batches of the given sizes, over and over."""
    batches, start, turn = [], 0, 0
    while start < len(items):
        size = sizes[turn % len(sizes)]
        batches.append(list(items[start : start + size]))
        start, turn = start + size, turn + 1
    return batches


def kinds(events: Sequence[Item]) -> Counter[str]:
    """Count events by the short name of their type."""
    return Counter(event["type"].removeprefix("attain.competency.").removesuffix(".v1") for event in events)


@pytest.fixture(scope="module")
async def in_order(stack: Stack) -> AsyncIterator[District]:
    """A tenant whose evidence came once, in the order in which it happened."""
    district = await District(stack, "in-order").open()
    for batch in cut(answers(EVENTS, learners=LEARNERS), [1000]):
        await district.send(batch)
    await district.drained()
    yield district
    await district.close()


async def test_pairs_and_mastered_events_are_those_of_a_plain_count(in_order: District):
    pairs, mastered = three_in_a_row(answers(EVENTS, learners=LEARNERS))
    states = in_order.shown()
    told = await in_order.advancements()

    assert len(states) == pairs
    assert sum(state[0] == "mastered" for state in states.values()) == mastered
    assert kinds(told) == {"mastered": mastered}
    assert len({event["id"] for event in told}) == len(told)


async def test_interleaved_learners_sent_twice_by_both_ways_in_odd_batches_end_in_the_same(
    stack: Stack, in_order: District
):
    chance = random.Random(7)
    by_learner: dict[str, list[Item]] = {}
    for item in answers(EVENTS, learners=LEARNERS):
        by_learner.setdefault(item["learner"], []).append(item)
    mixed = []
    queues = [list(reversed(queue)) for queue in by_learner.values()]
    while queues:
        queue = chance.choice(queues)
        mixed.append(queue.pop())
        if not queue:
            queues.remove(queue)
    district = await District(stack, "mixed").open()
    for batch in cut(mixed, [1, 7, 300, 2500]):
        await district.send(batch)
    await district.produce(mixed)
    repeated = await district.send(mixed[:500])
    await district.drained()

    assert {item["status"] for item in repeated} == {"duplicate"}
    assert district.digest() == in_order.digest()
    assert kinds(await district.advancements()) == kinds(await in_order.advancements())
    await district.close()


async def test_fully_shuffled_evidence_ends_in_the_same_states(stack: Stack, in_order: District):
    items = answers(EVENTS, learners=LEARNERS)
    shuffled = random.Random(3).sample(items, len(items))
    district = await District(stack, "shuffled").open()
    await district.produce(shuffled[: EVENTS // 2])
    for batch in cut(shuffled[EVENTS // 2 :], [900]):
        await district.send(batch)
    await district.drained()
    told = kinds(await district.advancements())

    assert district.digest() == in_order.digest()
    assert told["mastered"] + told["reinstated"] - told["withdrawn"] == three_in_a_row(items)[1]
    await district.close()


async def test_a_correction_withdraws_once_and_its_undoing_reinstates(stack: Stack):
    district = await District(stack, "corrected").open()
    items = [
        {
            "id": f"p{n}", "source": "urn:lms", "learner": "ada", "competencies": ["math:c1"],
            "score": {"raw": 1, "max": 1}, "occurred_at": f"2026-03-02T10:00:0{n}Z",
        }
        for n in range(3)
    ]  # fmt: skip
    wrong = items[1] | {"id": "p1-corrected", "score": {"raw": 0, "max": 1}, "supersedes": "p1"}
    undo = {"id": "undo", "source": "urn:lms", "occurred_at": "2026-03-03T10:00:00Z", "retracts": "p1-corrected"}
    statuses = []
    for batch in (items, [wrong], [undo], [undo]):
        statuses.append([item["status"] for item in await district.send(batch)])
        await district.drained()
    told = [event["type"].split(".")[2] for event in await district.advancements()]

    assert statuses == [["accepted"] * 3, ["corrected"], ["corrected"], ["duplicate"]]
    assert told == ["mastered", "withdrawn", "reinstated"]
    assert district.shown()["", "ada", "math:c1"][4] == "2026-03-02T10:00:02.000000Z"
    await district.close()


async def test_read_your_writes_across_services(stack: Stack):
    district = await District(stack, "waiting").open()
    (item,) = await district.send(answers(1, learners=1))
    learner = (
        await district.http.get(
            f"{stack.urls['evidence']}/v1/learners", params={"source": "urn:test:lms", "source_id": "l0"}
        )
    ).json()["learner"]
    for service, view in (("progression", "mastery"), ("reporting", "record")):
        answer = await district.http.get(
            f"{stack.urls[service]}/v1/learners/{learner}/{view}", params={"wait": item["position"]}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["items"][0]["evidence_count"] == 1
    await district.close()


async def test_another_tenant_sees_nothing_of_a_learner(stack: Stack, in_order: District):
    stranger = await District(stack, "stranger").open()
    learner = (await in_order.advancements())[0]["subject"]
    for service, view in (("progression", "mastery"), ("reporting", "record")):
        answer = await stranger.http.get(f"{stack.urls[service]}/v1/learners/{learner}/{view}")
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/problem+json")
    assert await stranger.advancements() == []
    await stranger.close()


@pytest.mark.timeout(240)
async def test_every_service_killed_under_load_loses_and_doubles_nothing(stack: Stack, attain: Attain):
    district = await District(stack, "killed").open()
    items = answers(EVENTS, learners=LEARNERS, seed=5)
    batches = cut(items, [150])

    async def load() -> None:
        for number, batch in enumerate(batches):
            await (district.send(batch) if number % 2 else district.produce(batch))

    async def kill() -> None:
        for service in ("progression", "evidence", "reporting"):
            await asyncio.sleep(1.0)
            running = local_stack.running(stack.home)
            assert running is not None
            os.kill(running.pids[service], signal.SIGKILL)

    await asyncio.gather(load(), kill())
    await district.drained()
    pairs, mastered = three_in_a_row(items)
    verdict = attain("verify", tenant=district.tenant)

    assert {name: verdict[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
    assert (verdict["ok"], verdict["evidence"]) == (True, EVENTS)
    shown = district.shown()
    assert (len(shown), sum(state[0] == "mastered" for state in shown.values())) == (pairs, mastered)
    await district.close()


async def test_the_audit_of_all_tenants_is_clean(attain: Attain, in_order: District):
    verdict = attain("verify")

    assert verdict["ok"], verdict
    assert verdict["evidence"] >= EVENTS
