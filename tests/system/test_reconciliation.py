"""Standing reconciliation on the real stack: nothing differs under load, and what is corrupted is named."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.support.servers import administrator_url
from tests.system.conftest import Attain
from tests.system.district import District, answers

EVENTS = 1500
STAGES = {"received", "logged", "folded", "sampled", "shown"}


async def found(district: District, service: str, *, now: bool = True) -> dict[str, tuple[int, int]]:
    """Return (expected, actual) of the district's stages of a service."""
    url = f"{district.stack.urls[service]}/v1/reconciliation"
    answer = await (district.http.post(url) if now else district.http.get(url))
    assert answer.status_code == 200, answer.text
    items = [item for item in answer.json()["items"] if item["tenant"] == district.tenant]
    assert all(item["difference"] == item["actual"] - item["expected"] for item in items)
    return {item["stage"]: (item["expected"], item["actual"]) for item in items}


async def until_sampled(district: District, *, different: int) -> tuple[int, int]:
    """Check until as many of the district's keys are found different as ought to be, and all its keys were refolded."""
    keys = len(district.shown())
    for _ in range(200):
        expected, actual = (await found(district, "progression")).get("sampled", (0, 0))
        if (expected, expected - actual) == (keys, different):
            return expected, actual
    pytest.fail(f"{different} differences in {keys} keys do not show: {expected} refolded, {actual} equal")


async def execute(stack: Stack, service: str, statement: str, *arguments: object) -> list[Any]:
    """Run a statement in a service's database that the service itself has no right to."""
    connection = await asyncpg.connect(administrator_url(stack, service))
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def district(stack: Stack) -> AsyncIterator[District]:
    """A tenant with evidence of every outcome."""
    district = await District(stack, "counted").open()
    items = answers(EVENTS, learners=60)
    sent = await district.send(items)
    odd = [
        items[0],
        items[1] | {"id": "late", "supersedes": "a1"},
        items[2] | {"id": "unknown", "competencies": ["nobody:has"]},
        {"id": "bad", "source": "urn:test:lms"},
    ]
    statuses = [item["status"] for item in await district.send(odd)]
    assert statuses == ["duplicate", "corrected", "parked", "rejected"]
    assert {item["status"] for item in sent} == {"accepted"}
    await district.drained()
    yield district
    await district.close()


async def test_every_stage_of_a_tenant_agrees_and_status_shows_it(district: District, attain: Attain) -> None:
    evidence = await found(district, "evidence")
    await until_sampled(district, different=0)
    progression, reporting = await found(district, "progression"), await found(district, "reporting")
    shown = [item for item in attain("status")["reconciliation"] if item["tenant"] == district.tenant]

    assert evidence == {"received": (EVENTS + 4, EVENTS + 4), "logged": (EVENTS + 1, EVENTS + 1)}
    assert progression["folded"] == (EVENTS + 1, EVENTS + 1)
    assert reporting["shown"][0] == reporting["shown"][1] > 0
    assert {item["stage"] for item in shown} == STAGES
    assert all(item["difference"] == 0 for item in shown)


async def test_nothing_differs_while_evidence_flows_and_services_are_killed(stack: Stack, district: District) -> None:
    """Stages are compared at the same positions, and counts are stored with what they count."""
    other = await District(stack, "flowing").open()
    items = answers(3000, learners=80, seed=9)
    looks: list[tuple[int, int]] = []

    async def load() -> None:
        for start in range(0, len(items), 100):
            await (other.send if start % 200 else other.produce)(items[start : start + 100])

    async def look() -> None:
        for number in range(25):
            await asyncio.sleep(0.1)
            if number in (5, 12, 18):
                running = local_stack.running(stack.home)
                assert running is not None
                os.kill(running.pids[("evidence", "progression", "reporting")[number % 3]], signal.SIGKILL)
            for service in ("evidence", "progression", "reporting"):
                try:
                    looks.extend((await found(other, service)).values())
                except httpx.TransportError:
                    await asyncio.sleep(0.1)

    await asyncio.gather(load(), look())
    await other.drained()
    ends = [(await found(other, service)) for service in ("evidence", "progression", "reporting")]

    assert len(looks) > 20
    assert all(expected == actual for expected, actual in looks)
    assert ends[0]["logged"] == ends[1]["folded"] == (3000, 3000)
    assert ends[0]["received"][0] >= 3000
    await other.close()


async def test_a_lost_journal_row_is_named(stack: Stack, district: District) -> None:
    [row] = await execute(
        stack, "progression",
        "delete from journal where (shard, batch, no) = (select shard, batch, no from journal where tenant = $1"
        " and events > 0 order by shard, batch, no offset 7 limit 1) returning *", district.tenant,
    )  # fmt: skip
    assert (await found(district, "progression"))["folded"] == (EVENTS + 1, EVENTS + 1 - row["events"])
    await until_sampled(district, different=1)

    values = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await execute(stack, "progression", f"insert into journal values ({values})", *row.values())
    assert (await found(district, "progression"))["folded"] == (EVENTS + 1, EVENTS + 1)
    await until_sampled(district, different=0)


async def test_a_changed_state_is_named_by_route_status_and_metrics(
    stack: Stack, district: District, attain: Attain
) -> None:
    two = await execute(
        stack, "progression",
        "select learner, competency, state from mastery where tenant = $1 order by learner, competency limit 2",
        district.tenant,
    )  # fmt: skip
    change = "update mastery set state = $4 where tenant = $1 and learner = $2 and competency = $3"
    key = (district.tenant, two[0]["learner"], two[0]["competency"])
    await execute(stack, "progression", change, *key, two[1]["state"])
    await until_sampled(district, different=1)
    told = [item for item in attain("status")["reconciliation"] if item["difference"]]
    metrics = (await district.http.get(f"{stack.urls['progression']}/metrics")).text
    assert [(item["tenant"], item["stage"], item["difference"]) for item in told] == [(district.tenant, "sampled", -1)]
    assert 'attain_reconciliation_differences{stage="sampled"} 1.0' in metrics

    await execute(stack, "progression", change, *key, two[0]["state"])
    await until_sampled(district, different=0)


async def test_a_dropped_accepted_item_is_named_by_both_stages_that_know_of_it(
    stack: Stack, district: District, attain: Attain
) -> None:
    [row] = await execute(
        stack, "evidence",
        "delete from event_log where (log, shard, pos) = (select log, shard, pos from event_log where tenant = $1"
        " and log = 'evidence' order by shard, pos offset 3 limit 1) returning *", district.tenant,
    )  # fmt: skip
    try:
        assert (await found(district, "evidence"))["logged"] == (EVENTS + 1, EVENTS)
        assert (await found(district, "progression"))["folded"] == (EVENTS, EVENTS + 1)
        told = attain("status")["reconciliation"]
        assert {(item["stage"], item["difference"]) for item in told if item["difference"]} == {
            ("logged", -1), ("folded", 1)
        }  # fmt: skip
    finally:
        await execute(stack, "evidence", "insert into event_log values ($1, $2, $3, $4, $5, $6)", *row.values())
    assert (await found(district, "evidence"))["logged"] == (EVENTS + 1, EVENTS + 1)


async def test_an_item_without_an_outcome_is_named(stack: Stack, district: District) -> None:
    change = "update intake_count set accepted = accepted + $2 where tenant = $1 and accepted > 0"
    await execute(stack, "evidence", change, district.tenant, -1)
    expected, actual = (await found(district, "evidence"))["received"]
    assert actual - expected == -1

    await execute(stack, "evidence", change, district.tenant, 1)


async def test_what_reporting_did_not_fold_is_named(stack: Stack, district: District) -> None:
    change = (
        "update folded_count set events = events + $2 where tenant = $1"
        " and shard = (select min(shard) from folded_count where tenant = $1)"
    )
    await execute(stack, "reporting", change, district.tenant, -2)
    expected, actual = (await found(district, "reporting"))["shown"]
    assert actual - expected == -2

    await execute(stack, "reporting", change, district.tenant, 2)


async def test_the_route_is_for_operators_and_shows_an_admin_its_own_tenant(stack: Stack, district: District) -> None:
    def headers(scope: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {stack.token(district.tenant, scope)}"}

    url = f"{stack.urls['evidence']}/v1/reconciliation"
    async with httpx.AsyncClient() as client:
        refused = await client.get(url, headers=headers("records:read"))
        own = (await client.get(url, headers=headers("admin"))).json()
        counts = await client.get(f"{stack.urls['evidence']}/v1/counts?log=evidence&at=x", headers=headers("service"))
        metrics = (await client.get(f"{stack.urls['progression']}/metrics")).text

    assert refused.status_code == 403
    assert {item["tenant"] for item in own["items"]} == {district.tenant}
    assert counts.status_code == 422
    assert 'attain_reconciliation_timestamp_seconds{stage="folded"}' in metrics
    assert 'attain_reconciliation_differences{stage="sampled"} 0.0' in metrics
    assert district.tenant not in metrics
