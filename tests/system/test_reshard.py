"""More shards: what was taken in, told and decided stays as it is, through crashes, and everything goes on from there."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local import stack
from deploy.local.stack import Stack
from services.progression.domain.policy.templates import template
from shared.crash_points import VARIABLE as CRASH_AT
from tests.support.command import attain
from tests.support.homes import fresh_home
from tests.support.receiver import Receiver, receiving
from tests.system.district import SIX, SOURCE, District, Item, answers, right

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
SHARDS = 2
TERM = "2025-26 spring"
POINTS = (
    "evidence_split", "evidence_done", "progression_split", "progression_done", "reporting_split", "reporting_done",
    "topics_done",
)  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as home:
        yield home


def start(home: Path, **settings: str) -> Stack:
    return stack.start(home, owner=os.getpid(), environment={"ATTAIN_WEBHOOK_PRIVATE_ADDRESSES": "true"} | settings)


def work() -> list[Item]:
    """What is sent before: learners that master and do not, one that loses it again, one who is erased, and what is parked."""
    found = answers(900, learners=24)
    found += [right(learner, number, "math:c0") for learner in ("ada", "gone") for number in range(3)]
    found += [
        right("bo", number, "art:c1", score={"level": 3, "scale": "rubric"}, kind="performance",
              occurred_at=f"2026-03-0{1 + number}T10:00:00Z")
        for number in range(2)
    ]  # fmt: skip
    return [*found, *(right("cy", number, "later:x") for number in range(3))]


async def fill(district: District) -> None:
    """Let a district work for a while: every kind of record that is told apart by shards."""
    await district.post("progression", "/v1/frameworks", {"id": "art", "nodes": SIX})
    await district.post("progression", "/v1/policies?framework=art", template("classroom"))
    await district.drained()
    sent = await district.send(work())
    again = await district.send(work()[:50])
    assert Counter(item["status"] for item in sent) == {"accepted": len(sent) - 3, "parked": 3}
    assert {item["status"] for item in again} == {"duplicate"}
    await district.drained()
    ada, bo, other = [await district.learner(name) for name in ("ada", "bo", "l1")]
    await district.send([{"id": "undo", "source": SOURCE, "retracts": "ada-math:c0-2",
                          "occurred_at": "2026-03-03T10:00:00Z", "learner": "ada"}])  # fmt: skip
    await district.post("progression", "/v1/sign-offs", {"items": [{"learner": bo, "competency": "art:c1"}]})
    reason = {"status": "mastered", "reason": "shown at the science fair"}
    await district.post("progression", "/v1/overrides", {"learner": other, "competency": "math:c5"} | reason)
    await district.drained()
    environment = district.stack.environment()
    closed = await asyncio.to_thread(attain, "term", environment, "close", TERM, tenant=district.tenant)
    erased = await asyncio.to_thread(
        attain, "erase", environment, "learner", SOURCE, "gone", "--yes", tenant=district.tenant
    )
    assert (closed["exit"], erased["exit"]) == (0, 0)
    await district.send([right("ada", 10 + number) for number in range(2)])
    await district.drained()
    assert ada


async def seen(district: District) -> dict[str, Any]:
    """Return all that a reader sees of a district, without positions."""
    names = [f"l{number}" for number in range(24)] + ["ada", "bo"]
    learners = [await district.learner(name) for name in names]

    async def items(path: str) -> list[Any]:
        return list((await district.get("reporting", path))["items"])

    told = await district.advancements()
    return {
        "public events": sorted((event["id"], event["type"], event["data"].get("seq", 0)) for event in told),
        "states": sorted(district.shown().items()),
        "records": [await items(f"/v1/learners/{learner}/record") for learner in learners],
        "timelines": [
            [(event["id"], event["kind"]) for event in await items(f"/v1/learners/{learner}/timeline")]
            for learner in learners
        ],
        "term": [
            (found["items"], found["amendments"])
            for learner in learners
            for found in [await district.get("reporting", f"/v1/terms/{TERM}/learners/{learner}")]
        ],
        "terms": (await district.get("reporting", "/v1/terms"))["items"],
        "explained": await district.get("progression", f"/v1/learners/{learners[1]}/competencies/math:c5/explanation"),
    }


def run_reshard(environment: dict[str, str], to: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the job of the image against the addresses of an environment."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.reshard", "--to", str(to), *more],
        env=os.environ | environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


async def check_goes_on(district: District, wave: int) -> None:
    """Check that evidence goes on: duplicates are known, sequences rise, nothing is told twice, what is parked flows."""
    kept = [item for item in work() if item["learner"] != "gone"]
    assert {item["status"] for item in await district.send(kept)} <= {"duplicate", "parked"}
    told = await district.advancements()
    last: dict[tuple[str, str], int] = {}
    for event in told:
        last[_scope(event)] = max(last.get(_scope(event), 0), event["data"].get("seq", 0))
    mastered = _scopes(told, "mastered") - _scopes(told, "withdrawn")
    await district.send([right("ada", 20 + 10 * wave + number, "math:c0") for number in range(3)])
    await district.send(
        [right(f"l{learner}", 20 + 10 * wave + number, f"math:c{code}")
         for learner in range(24) for code in range(6) for number in range(3)]
    )  # fmt: skip
    await district.drained()
    everything = await district.advancements()
    known = {event["id"] for event in told}
    new = [event for event in everything if event["id"] not in known]

    assert len(everything) == len({event["id"] for event in everything})
    assert known <= {event["id"] for event in everything}
    assert _scopes(new, "mastered") or wave
    assert all(event["data"]["seq"] > last.get(_scope(event), 0) for event in new if "seq" in event["data"])
    assert not _scopes(new, "mastered") & mastered
    # Each is told in the shard where the piece is now.
    by_id = {item["id"]: item for item in work()}
    undone = [f"a{number}" for number in range(8 * wave, 8 * wave + 8)]
    answered = await district.send([
        {"id": f"undo-{id}", "source": SOURCE, "retracts": id, "learner": by_id[id]["learner"],
         "occurred_at": "2026-03-04T10:00:00Z"} for id in undone
    ])  # fmt: skip
    await district.drained()
    assert {item["status"] for item in answered} == {"corrected"}, answered


def _scopes(events: Sequence[Item], kind: str) -> set[tuple[str, str]]:
    """Return what of whom was told to be of a kind."""
    return {_scope(event) for event in events if event["type"] == f"attain.competency.{kind}.v1"}


def _scope(event: Item) -> tuple[str, str]:
    return event["subject"], event["data"].get("scope", {}).get("id", "")


async def reconciled(district: District) -> list[Item]:
    """Return the comparisons of all stages that differ."""
    found = []
    for service in ("evidence", "progression", "reporting"):
        answer = await district.post(service, "/v1/reconciliation", {})
        found += [item for item in answer["items"] if item["difference"]]
    return found


def test_twice_the_shards_and_twice_again_change_nothing_that_was_told(home: Path) -> None:
    asyncio.run(_twice(home))


async def _twice(home: Path) -> None:
    running = await asyncio.to_thread(start, home, ATTAIN_SHARDS=str(SHARDS))
    district = District(running, "split")
    async with receiving(Receiver(lambda _: "take")) as receiver:
        await district.open()
        agreed = {"name": "sis", "url": receiver.url, "purpose": "placement of learners", "source": SOURCE,
                  "types": ["competency.*", "snapshot.*"]}  # fmt: skip
        hook = (await district.post("progression", "/v1/webhooks", agreed))["id"]
        await district.post("progression", f"/v1/webhooks/{hook}/pause", {})
        await fill(district)
        before = await seen(district)
        page = await district.get("progression", "/v1/advancements?limit=3")
        [token] = [item["position"] for item in await district.send([right("ada", 1, "math:c0")])]
        verified = await asyncio.to_thread(attain, "verify", running.environment())
        digest = verified["state_digest"]
        refused = await asyncio.to_thread(run_reshard, running.environment(), 2 * SHARDS)
        assert verified["ok"], verified
        assert "still runs: stop the services first" in refused.stderr
        await district.close()
        for wave, to in enumerate((2 * SHARDS, 4 * SHARDS)):
            await asyncio.to_thread(stack.stop, home)
            done = await asyncio.to_thread(attain, "reshard", {"ATTAIN_HOME": str(home)}, "--to", str(to))
            assert done["exit"] == 0, done
            running = await asyncio.to_thread(start, home)
            district = _again(district, running)
            if wave == 0:
                assert await seen(district) == before
                verified = await asyncio.to_thread(attain, "verify", running.environment())
                assert verified["ok"], verified
                assert verified["state_digest"] == digest
                url = running.urls["progression"]
                assert (await district.http.get(f"{url}/v1/advancements?after={page['next']}")).status_code == 410
                learner = await district.learner("ada")
                assert (await district.http.get(f"{url}/v1/learners/{learner}/mastery?wait={token}")).status_code == 410
                await district.post("progression", f"/v1/webhooks/{hook}/resume", {})
            await check_goes_on(district, wave)
            verified = await asyncio.to_thread(attain, "verify", running.environment())
            assert verified["ok"], verified
            assert await reconciled(district) == []
            for model in ("mastery", "advancement", "roster", "curriculum", "support"):
                rebuilt = await asyncio.to_thread(attain, "rebuild", running.environment(), model)
                assert rebuilt["exit"] == 0, rebuilt
            assert await reconciled(district) == []
            before = await seen(district)
        await district.post("progression", "/v1/frameworks", {"id": "later", "nodes": "code,title\nx,X\n"})
        await district.drained()
        verified = await asyncio.to_thread(attain, "verify", running.environment())
        await _taken(receiver, district)
    states = dict(district.shown())
    taken = Counter(request.event["id"] for request in receiver.taken)
    told = {
        e["id"] for e in await district.advancements() if e["type"].startswith(("attain.competency", "attain.snapshot"))
    }

    assert verified["ok"], verified
    assert states["", "cy", "later:x"][2] == 3
    assert taken == dict.fromkeys(told, 1)
    await district.close()


async def _taken(receiver: Receiver, district: District) -> None:
    """Wait until the webhook is not behind."""
    async with asyncio.timeout(30):
        while (await district.get("progression", "/v1/webhooks"))["items"][0]["behind"]:
            await asyncio.sleep(0.1)


def _again(district: District, running: Stack) -> District:
    """Return the same tenant on a stack that was started anew."""
    again = District(running, "split")
    again.tenant = district.tenant
    again.http = httpx.AsyncClient(headers=district.http.headers, timeout=60)
    return again


def test_killed_at_every_point_the_next_run_ends_the_same(home: Path, tmp_path: Path) -> None:
    asyncio.run(_killed(home, tmp_path))


async def _killed(home: Path, folder: Path) -> None:
    running = await asyncio.to_thread(start, home, ATTAIN_SHARDS=str(SHARDS))
    district = District(running, "split")
    await fill(await district.open())
    before = await seen(district)
    verified = await asyncio.to_thread(attain, "verify", running.environment())
    await district.close()
    await asyncio.to_thread(stack.stop, home)
    servers = await asyncio.to_thread(stack.start, home, services=False, owner=os.getpid())
    environment = servers.environment() | {CRASH_AT: str(folder)}
    ends = []
    for point in POINTS:
        (folder / f"reshard.{point}").touch()
        ends.append((await asyncio.to_thread(run_reshard, environment, 2 * SHARDS)).returncode)
        assert not (folder / f"reshard.{point}").exists(), point
        if point == "progression_done":
            other = await asyncio.to_thread(run_reshard, environment, 4 * SHARDS)
            assert "an earlier run to 4 shards was cut off: finish it with --to 4" in other.stderr
    last = await asyncio.to_thread(run_reshard, environment, 2 * SHARDS)
    await asyncio.to_thread(stack.stop, home)
    refused = await asyncio.to_thread(_start_refused, home)
    running = await asyncio.to_thread(start, home, ATTAIN_SHARDS=str(2 * SHARDS))
    district = _again(district, running)
    after = await seen(district)
    again = await asyncio.to_thread(attain, "verify", running.environment())
    await check_goes_on(district, 0)

    assert ends == [-9] * len(POINTS)
    assert (last.returncode, last.stdout.splitlines()[-1]) == (0, "there are 4 shards already: nothing to do")
    assert refused == (
        "evidence: ATTAIN_SHARDS is 2, but its database has 4 shards: set it to that, which only `reshard` changes\n"
    )
    assert after == before
    assert again["ok"], again
    assert again["state_digest"] == verified["state_digest"]
    assert (await asyncio.to_thread(attain, "verify", running.environment()))["ok"]
    await district.close()


def _start_refused(home: Path) -> str:
    """Return the line with which a service ends that is started with the old number of shards."""
    servers = stack.start(home, services=False, owner=os.getpid())
    ended = subprocess.run(
        [sys.executable, "-m", "services.evidence.app"], capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | servers.environment() | {"ATTAIN_SHARDS": str(SHARDS), "ATTAIN_PORT": "0"},
    )  # fmt: skip
    stack.stop(home)
    assert ended.returncode != 0
    return ended.stderr
