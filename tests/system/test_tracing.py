"""One piece of evidence is followed from the request that brought it to the page that shows it."""

import asyncio
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.system.district import SOURCE, District

STAGES = ["received", "accepted", "sent", "folded", "shown"]


def _piece(id: str, competency: str = "math:c1") -> dict[str, Any]:
    return {
        "id": id, "source": SOURCE, "learner": "traced", "competencies": [competency], "score": {"raw": 1, "max": 1},
        "occurred_at": "2026-03-02T10:00:00Z",
    }  # fmt: skip


async def test_a_trace_of_one_piece_shows_every_stage_it_passed(stack: Stack) -> None:
    district = await District(stack, "traced").open()
    (sent,) = await district.send([_piece("one")])
    path = f"/v1/evidence/{sent['evidence_id']}/trace"

    async def passed() -> list[str]:
        return [stage["stage"] for stage in (await district.get("evidence", path))["stages"] if stage["done"]]

    seen = [await passed()]
    async with asyncio.timeout(20):
        while seen[-1] != STAGES:
            await asyncio.sleep(0.02)
            seen.append(await passed())
    record = await district.get("reporting", f"/v1/learners/{await district.learner('traced')}/record")
    await district.close()

    # A stage is passed after those before it, and never taken back.
    assert all(now == STAGES[: len(now)] for now in seen)
    assert seen == sorted(seen, key=len)
    assert record["items"][0]["evidence_count"] == 1


async def test_a_trace_of_a_parked_piece_ends_where_it_waits(stack: Stack) -> None:
    district = await District(stack, "untraced").open()
    (sent,) = await district.send([_piece("one", "unknown:c1")])
    trace = await district.get("evidence", f"/v1/evidence/{sent['evidence_id']}/trace")
    await district.close()

    assert [stage["done"] for stage in trace["stages"]] == [True, False, False, False, False]
    assert trace["parked"]["reason"] == "unknown_competency"


@pytest.mark.parametrize("service", ["progression", "reporting"])
async def test_who_may_not_ask_for_positions_is_refused(stack: Stack, service: str) -> None:
    district = await District(stack, "positions").open()
    district.http.headers["Authorization"] = f"Bearer {stack.token(district.tenant, 'records:read admin')}"
    answer = await district.http.get(f"{stack.urls[service]}/v1/positions?shard=0")
    await district.close()

    assert answer.status_code == 403
