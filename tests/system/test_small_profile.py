"""The small profile at its size: a district of 10,000 learners on two cores within 4 GiB keeps the objectives of a school day."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psutil
import pytest

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.support.homes import fresh_home
from tests.system.district import SCOPES, SOURCE, ZERO, District

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
LEARNERS, CLASS_SIZE, PIECES_BEFORE = 10_000, 25, 8
RATE_PER_S, DAY_S, READS_PER_S = 100, 30, 8
CORES = 2
MEMORY_MAX = 4 << 30
RECORD_P99_S, PAGE_P99_S = 10.0, 2.0
"""The objectives of deploy/observability/alerts.yaml."""


@pytest.fixture
def small() -> Iterator[Stack]:
    """A stack of its own on two cores."""
    before = os.sched_getaffinity(0)
    with fresh_home() as home:
        os.sched_setaffinity(0, sorted(before)[:CORES])
        yield local_stack.start(home, owner=os.getpid())
        os.sched_setaffinity(0, before)


async def test_ten_thousand_learners_keep_the_objectives(small: Stack) -> None:
    district = await District(small, "small").open()
    await _enrol(district)
    began = time.monotonic()
    for turn in range(PIECES_BEFORE):
        await asyncio.gather(
            *(
                district.send([_piece(n, turn) for n in range(first, first + 2000)])
                for first in range(0, LEARNERS, 2000)
            )
        )
    await district.drained()
    loaded_s = time.monotonic() - began
    records, pages, refused = await _school_day(small, district)
    memory = _memory(small)
    found = await district.verify()
    await district.close()
    print(
        f"{LEARNERS * PIECES_BEFORE:,} pieces in {loaded_s:.1f} s; record p99 {_p99(records):.2f} s, page p99"
        f" {_p99(pages):.2f} s over {len(pages)} pages, {memory / 2**30:.2f} GiB, {refused} requests refused"
    )

    assert {name: found[name] for name in ZERO} == dict.fromkeys(ZERO, 0), found
    assert found["evidence"] >= LEARNERS * PIECES_BEFORE + RATE_PER_S * DAY_S * 0.9
    assert refused == 0
    assert _p99(records) < RECORD_P99_S
    assert _p99(pages) < PAGE_P99_S
    assert memory < MEMORY_MAX


async def _enrol(district: District) -> None:
    for first in range(0, LEARNERS, 1000):
        names = range(first, first + 1000)
        await district.post("evidence", "/v1/roster", {
            "source": SOURCE,
            "schools": [{"school": f"s{first // 2000}", "title": f"School {first // 2000}", "district": "d"}],
            "classes": [
                {"class": f"c{n // CLASS_SIZE}", "title": "Class", "school": f"s{first // 2000}"}
                for n in names if n % CLASS_SIZE == 0
            ],
            "learners": [{"source_id": f"l{n}", "name": f"Learner {n}"} for n in names],
            "enrolments": [{"class": f"c{n // CLASS_SIZE}", "learner": f"l{n}"} for n in names],
        })  # fmt: skip


def _piece(learner: int, turn: int) -> dict[str, Any]:
    return {
        "id": f"p{learner}-{turn}", "source": SOURCE, "learner": f"l{learner}",
        "competencies": [f"math:c{turn % 6}"], "score": {"raw": int((learner + turn) % 3 > 0), "max": 1},
        "occurred_at": f"2026-03-{1 + turn % 28:02}T10:{learner % 60:02}:00Z",
    }  # fmt: skip


async def _school_day(small: Stack, district: District) -> tuple[list[float], list[float], int]:
    """Send evidence and read pages at the rates of a busy day; return both times in seconds, and what was refused."""
    records: list[float] = []
    pages: list[float] = []
    refused = 0
    headers = {"Authorization": f"Bearer {small.token(district.tenant, SCOPES)}"}
    learner = await district.learner("l7")
    paths = [
        f"/v1/learners/{learner}/record", "/v1/classes/c{}/mastery", "/v1/classes/c{}/needs", "/v1/schools/s1/mastery",
        "/v1/districts/d/mastery",
    ]  # fmt: skip

    async def read() -> None:
        path = random.choice(paths).format(random.randrange(LEARNERS // CLASS_SIZE))
        at = time.monotonic()
        answer = await client.get(f"{small.urls['reporting']}{path}")
        pages.append(time.monotonic() - at)
        assert answer.status_code == 200, (path, answer.text)

    async def write(tick: int) -> None:
        nonlocal refused
        items = [_piece(random.randrange(LEARNERS), 1000 + tick * 10 + n) for n in range(RATE_PER_S // 10)]
        at = time.monotonic()
        answer = await client.post(f"{small.urls['evidence']}/v1/evidence", json=items)
        if answer.status_code != 200:
            refused += 1
            return
        if tick % 5 == 0:
            position = answer.json()["items"][0]["position"]
            shown = await client.get(
                f"{small.urls['reporting']}/v1/learners/{learner}/record", params={"wait": position}
            )
            assert shown.status_code == 200, shown.text
            records.append(time.monotonic() - at)

    async with httpx.AsyncClient(headers=headers, timeout=30) as client, asyncio.TaskGroup() as tasks:
        async for tick in _ticks(DAY_S * 10):
            tasks.create_task(write(tick))
            if tick * READS_PER_S % 10 < READS_PER_S:
                tasks.create_task(read())
    return records, pages, refused


async def _ticks(count: int) -> AsyncIterator[int]:
    """Yield ten times a second."""
    began = time.monotonic()
    for tick in range(count):
        await asyncio.sleep(max(0.0, began + tick / 10 - time.monotonic()))
        yield tick


def _memory(small: Stack) -> int:
    """Return the bytes that all processes of the stack hold, shared pages once."""
    supervisor = psutil.Process(small.pids["supervisor"])
    found = 0
    for process in (supervisor, *supervisor.children(recursive=True)):
        found += process.memory_full_info().pss
    return found


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]
