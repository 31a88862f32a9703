"""Several people administer one tenant at once while services die: what was answered is there, once, and ends with it."""

import asyncio
import json
import random
from collections import Counter

import httpx
import pytest

from deploy.local.home import SHARDS
from deploy.local.stack import Stack
from tests.support.waiting import until
from tests.system.conftest import Attain
from tests.system.district import ZERO, District, Item
from tests.system.killing import kill
from tests.system.operators import MODELS, OTHER_SOURCE, Office, Operator

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PEOPLE = ("ana", "ben", "cleo")
DEEDS = 60
KILLED = 2
"""Services that die; the supervisor lets one that dies often wait ever longer."""
REFUSALS = {401, 403, 404, 409, 410, 422}


async def administer(office: Office, deeds: int, killed: int) -> None:
    """Let the people do so many things each while services die."""
    chance = random.Random(f"{office.seed} deaths")

    async def die() -> None:
        for service in chance.choices(("evidence", "progression", "reporting"), k=killed):
            await asyncio.sleep(chance.uniform(1, 6))
            await kill(office.district.stack, service)

    await asyncio.gather(*(Operator(office, name).work(deeds) for name in PEOPLE), die())


@pytest.mark.parametrize("seed", range(1, 4))
async def test_what_people_do_at_once_is_done_as_answered_and_ends_with_the_tenant(
    stack: Stack, attain: Attain, seed: int
) -> None:
    log = stack.home / "logs" / "postgres.log"
    logged = log.stat().st_size
    office = await Office(District(stack, f"office{seed}"), seed).open()
    district = office.district
    await administer(office, DEEDS, KILLED)
    # Whoever was killed last is up again.
    await district.drained(120)
    await until(lambda: none_is_building(district))
    await until(lambda: shadows_are_up(district))
    await district.drained(120)
    verified = await district.verify()
    refused = [answer for answer in office.answers if not answer.taken]

    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    assert {answer.status for answer in refused} <= REFUSALS, refused
    assert [answer for answer in refused if not answer.body["detail"]] == []
    assert b"deadlock" not in log.read_bytes()[logged:]
    await hold_rules(office)
    await hold_people(office)
    await hold_keys(office)

    ending = asyncio.to_thread(attain, "tenant", "delete", "--yes", tenant=district.tenant)
    await asyncio.gather(ending, administer(office, DEEDS // 4, 0))
    ended = await asyncio.to_thread(attain, "tenant", "delete", "--yes", tenant=district.tenant)
    await district.drained(120)
    left = await asyncio.to_thread(attain, "tenant", "show", tenant=district.tenant)
    verified = await district.verify()

    assert ended["exit"] == 0, ended
    assert (left["learners"], left["shadows"], left["webhooks"]) == (0, 0, 0)
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()


async def none_is_building(district: District) -> bool:
    """Tell whether no read model is being rebuilt, or gone back with, any more."""
    states = [(await district.get("reporting", f"/v1/rebuild/{model}"))["state"] for model in MODELS]
    return "building" not in states


async def shadows_are_up(district: District) -> bool:
    """Tell whether all shadows have followed all that was told."""
    shadows = (await district.get("progression", "/v1/policies/shadows"))["items"]
    return not any(shadow["behind"] for shadow in shadows)


async def hold_rules(office: Office) -> None:
    """What was approved or closed is decided once in every shard, nothing else is, and each recalculation has an end."""
    district = office.district
    for shard in range(SHARDS):
        url = f"{district.stack.urls['progression']}/v1/journal?shard={shard}&limit=50000"
        rows = map(json.loads, (await district.http.get(url)).text.splitlines())
        of_all: list[Item] = [json.loads(row[8]) for row in rows if row[8] and row[1:3] == [district.tenant, ""]]
        adopted = Counter(each["batch"] for each in of_all if "batch" in each)

        assert adopted == Counter(set(office.taken("approve")))
        assert Counter(each["term"] for each in of_all if "term" in each) == Counter(set(office.taken("close")))
    told = Counter(
        (event["data"]["batch"], event["shard"], event["type"])
        for event in await district.advancements()
        if "recalculation" in event["type"]
    )
    halves = {(batch, shard) for batch, shard, _ in told}
    assert set(told.values()) <= {1}
    assert len(told) == 2 * len(halves) == 2 * SHARDS * len({batch for batch, _ in halves})


async def hold_people(office: Office) -> None:
    """Who is forgotten was asked to be, alone or with whom that one was merged into; merges and years are undone once."""
    district = office.district
    listed = (await district.http.get(f"{district.stack.urls['evidence']}/v1/erasures")).json()
    gone = {each["learner"] for each in listed if each["tenant"] == district.tenant}
    asked = set(office.taken("erase"))
    begun, ended = office.taken("roll over"), office.taken("roll back")

    assert asked <= gone
    assert {one for one in gone - asked if one not in {merged for merged, _ in office.merges.values()}} == set()
    for learner in office.learners:
        url = f"{district.stack.urls['evidence']}/v1/learners/{learner}"
        shown = await district.http.get(url, follow_redirects=True)
        assert (shown.status_code == 404) == (learner in gone), learner
    assert set(office.taken("part").values()) <= {1}
    assert {begun[session] - ended[session] for session in begun} <= {0, 1}


async def hold_keys(office: Office) -> None:
    """A key writes unless it was revoked."""
    for id, key in office.keys.items():
        piece = {"id": f"by {id}", "source": OTHER_SOURCE, "learner": "new", "competencies": ["math:A"],
                 "score": {"raw": 1, "max": 1}, "occurred_at": "2026-03-02T10:00:00Z"}  # fmt: skip
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            answer = await client.post(f"{office.district.stack.urls['evidence']}/v1/evidence", json=piece)
        assert answer.status_code == (401 if id in office.taken("revoke") else 201)
