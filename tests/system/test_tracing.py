"""One piece of evidence is followed from the request that brought it to the page that shows it."""

import asyncio
import itertools
import re
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from services.evidence.domain.evidence import evidence_id
from tests.support.span_receiver import SpanReceiver
from tests.system.district import SOURCE, District, right

TRACED = "ffbe76c8b439"
"""Of ids whose last twelve digits are no lower than this, one in a thousand, the services keep the trace."""
CALLER = "0af7651916cd43dd8448eb211c80319c"
STAGES = ["received", "accepted", "sent", "folded", "shown"]


async def test_a_trace_of_one_piece_shows_every_stage_it_passed(stack: Stack) -> None:
    district = await District(stack, "traced").open()
    (sent,) = await district.send([right("traced", id="one")])
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
    (sent,) = await district.send([right("traced", competency="unknown:c1", id="one")])
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


def _of_any_version(name: str) -> str:
    """Return a span's name without the version of the read model, which another test may have rebuilt."""
    return re.sub(r"-v\d+$", "", name)


async def test_the_spans_of_one_piece_lead_from_the_request_to_the_read_model(
    stack: Stack, span_receiver: SpanReceiver
) -> None:
    district = await District(stack, "spans").open()
    traced = next(id for n in itertools.count() if _is_kept(district.tenant, id := f"t{n}"))
    others = [id for n in range(3) if not _is_kept(district.tenant, id := f"u{n}")][:2]
    await district.send([right("traced", id=id) for id in others])
    # A third in a row, by itself: a state that several pieces changed at once is told for the last of them.
    await district.drained()
    (sent,) = await _send_as_caller(district, right("traced", id=traced))
    trace = sent["evidence_id"].replace("-", "")
    wanted = {
        ("attain-evidence", "POST /v1/evidence"),
        ("attain-evidence", "intake"),
        ("attain-evidence", "send evidence"),
        ("attain-progression", "fold progression"),
        ("attain-progression", "send advancement"),
        ("attain-progression", "send progression"),
        ("attain-reporting", "fold reporting-mastery"),
        ("attain-reporting", "fold reporting-advancement"),
    }
    async with asyncio.timeout(20):
        while not wanted <= {(service, _of_any_version(span.name)) for service, span in span_receiver.spans[trace]}:
            await asyncio.sleep(0.05)
    await district.close()
    spans = {_of_any_version(span.name): span for _, span in span_receiver.spans[trace]}
    names = {span.span_id: name for name, span in spans.items()}

    assert {name: names.get(span.parent_span_id) for name, span in spans.items()} == {
        "POST /v1/evidence": None,
        "intake": "POST /v1/evidence",
        "send evidence": "intake",
        "fold progression": "send evidence",
        "send advancement": "fold progression",
        "send progression": "fold progression",
        "fold reporting-mastery": "send progression",
        "fold reporting-advancement": "send advancement",
    }
    assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in spans.values())
    assert [link.trace_id.hex() for link in spans["POST /v1/evidence"].links] == [CALLER]
    assert not {evidence_id(district.tenant, SOURCE, id).replace("-", "") for id in others} & span_receiver.spans.keys()


def _is_kept(tenant: str, id: str) -> bool:
    return evidence_id(tenant, SOURCE, id)[24:] >= TRACED


async def _send_as_caller(district: District, piece: dict[str, Any]) -> list[dict[str, Any]]:
    answer: httpx.Response = await district.http.post(
        f"{district.stack.urls['evidence']}/v1/evidence", json=[piece],
        headers={"traceparent": f"00-{CALLER}-b7ad6b7169203331-01"},
    )  # fmt: skip
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items
