"""Adoptions that are cut off by kill -9 again and again: each effect is told once, and undoing gives back what was there."""

import functools
import random
from collections import Counter

import asyncpg
import pytest

from deploy.local.home import SHARDS, Home
from deploy.local.stack import Stack
from tests.support.waiting import until
from tests.system.district import SOURCE, ZERO, District, Item
from tests.system.killing import chosen, kill
from tests.system.test_adoption import bar, second

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MARKS = (70, 75, 80, 85)
A_MARK = 500
"""Learners with each mark."""
CODES = ("c1", "c2")
NODES = "code,title,level,subject\nc1,One,1,math\nc2,Two,1,math\n"
KILLED = ("progression", "reporting", "progression")
CAUGHT_UP_S = 300
STARTED, FINISHED = "recalculation.started", "recalculation.finished"
TOLD = "select sum(pos)::bigint from log_head where log = 'advancement'"


def work() -> list[Item]:
    return [
        {
            "id": f"w{n}-{mark}-{code}", "source": SOURCE, "learner": f"l{n}-{mark}", "competencies": [f"math:{code}"],
            "score": {"raw": mark, "max": 100}, "occurred_at": f"2026-03-02T10:{n % 60:02}:00Z",
        }
        for n in range(A_MARK)
        for mark in MARKS
        for code in CODES
    ]  # fmt: skip


async def cut_off(
    district: District, chance: random.Random, policy: bytes, mode: str, tells: dict[str, int]
) -> tuple[Item, list[Item]]:
    """
    Have a policy proposed and approved, and services killed again and again while it is applied; return the proposal and what
    was told of it, which has to be so many of each kind, in each shard between one start and one end.
    """
    position, expected = await district.position(), Counter(tells | {STARTED: SHARDS, FINISHED: SHARDS})
    query = f"mode={mode}&reason=the board decided&framework=math"
    proposal = await district.post("progression", f"/v1/policies/proposals?{query}", policy)
    at_kills = await _killed_while_approved(district, chance, proposal["id"], expected.total())
    await district.drained(CAUGHT_UP_S)
    told = await district.advancements(position)
    print({"mode": mode, "told": kinds(told), "told at kills": at_kills})

    assert kinds(told) == expected
    assert at_kills[0] < len(told), "nothing was cut off"
    assert {event["data"]["batch"] for event in told} == {proposal["id"]}
    for shard in range(SHARDS):
        mine = list(kinds([event for event in told if event["shard"] == shard]).elements())
        assert (mine[0], mine[-1]) == (STARTED, FINISHED)
    return proposal, told


async def _killed_while_approved(district: District, chance: random.Random, proposal: str, events: int) -> list[int]:
    """Approve a proposal, and kill each time that some more of its events are told; return how many were told at each kill."""
    run = Home(district.stack.home).run()
    assert run is not None
    async with asyncpg.create_pool(run.databases["progression"], min_size=1, max_size=1) as database:
        before, at_kills = await database.fetchval(TOLD), list[int]()

        async def is_at(number: int) -> bool:
            return bool(await database.fetchval(TOLD) - before >= number)

        async with second(district.stack, district) as other:
            (await other.post(f"/v1/policies/proposals/{proposal}/approve")).raise_for_status()
        for service in KILLED:
            told = sum(at_kills[-1:]) + chance.randint(1, events // len(KILLED))
            await until(functools.partial(is_at, min(told, events)), CAUGHT_UP_S)
            at_kills.append(await database.fetchval(TOLD) - before)
            await kill(district.stack, service)
    return at_kills


def kinds(events: list[Item]) -> Counter[str]:
    return Counter(event["type"].removeprefix("attain.").removesuffix(".v1") for event in events)


def by_scope(events: list[Item], kind: str) -> dict[tuple[str, str], Item]:
    """Return the events of a kind by learner and scope; of each there is one."""
    of_kind = [event for event in events if event["type"] == f"attain.{kind}.v1"]
    found = {(event["subject"], event["data"]["scope"]["id"]): event for event in of_kind}
    assert len(found) == len(of_kind)
    return found


async def test_adoptions_under_kill_are_told_once_each_and_undone_with_the_dates_of_before(stack: Stack):
    chance, a_mark = chosen(), A_MARK * len(CODES)
    district = await District(stack, "cut-off").open(nodes=NODES)
    await district.post("progression", "/v1/policies?framework=math", bar(0.75))
    await district.produce(work())
    await district.drained(CAUGHT_UP_S)
    first, held = await district.advancements(), district.shown()

    await cut_off(district, chance, bar(0.85), "forward_only", {})
    stricter, taken = await cut_off(district, chance, bar(0.8), "retroactive", {"competency.withdrawn": a_mark})
    undoing, back = await cut_off(district, chance, bar(0.75), "retroactive", {"competency.reinstated": a_mark})
    undone = district.shown()
    new = {"competency.mastered": a_mark, "level.advanced": A_MARK}
    await cut_off(district, chance, bar(0.7), "grandfathered", new)
    verified = await district.verify()
    shown, withdrawn = by_scope(first, "competency.mastered"), by_scope(taken, "competency.withdrawn")
    reinstated = by_scope(back, "competency.reinstated")

    assert kinds(first) == {kind: 3 * count for kind, count in new.items()}
    assert stricter["expected"]["attain.competency.withdrawn.v1"] == len(withdrawn) == a_mark
    assert undoing["expected"]["attain.competency.reinstated.v1"] == len(reinstated) == a_mark
    assert reinstated.keys() == withdrawn.keys()
    for scope, event in reinstated.items():
        assert event["data"]["effective_at"] == shown[scope]["data"]["effective_at"]
        assert event["data"]["original"] == withdrawn[scope]["data"]["replaces"] == shown[scope]["id"]
    assert undone == held
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()
