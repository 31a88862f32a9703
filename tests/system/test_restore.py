"""Backup under load, restore to that moment with Kafka left ahead of it or lost, and going on in a new generation."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local import stack
from deploy.local.home import Home
from deploy.local.stack import Stack
from tests.support.command import attain
from tests.support.homes import fresh_home
from tests.system.backups import Archive, back_up, put_back, raise_generation
from tests.system.isolation.victim import settle
from tests.system.test_tenants import LEFT, PERSONAL, held_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
BATCH = 100
PIECES_BEFORE, PIECES_AFTER = 3000, 3000
PRIVATE = {"ATTAIN_WEBHOOK_PRIVATE_ADDRESSES": "true"}


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as home:
        yield home


@pytest.mark.parametrize("kafka_lost", [False, True])
def test_backup_under_load_is_restored_and_caught_up(home: Path, tmp_path: Path, kafka_lost: bool) -> None:
    running = stack.start(home, owner=os.getpid())
    _prepare(running)
    load = Load(running)
    load.start()
    load.until(PIECES_BEFORE)
    asyncio.run(back_up(running, tmp_path / "backup"))
    backed_up = load.sent
    load.until(backed_up + PIECES_AFTER)
    load.stop()
    attain("drain", running.environment())
    stack.stop(home)

    began = time.monotonic()
    put_back(home, tmp_path / "backup")
    if kafka_lost:
        shutil.rmtree(Home(home).kafka / "data")
    raise_generation(home)
    running = stack.start(home, owner=os.getpid())
    restored = attain("verify", running.environment())
    # What was acknowledged after the backup is gone with the disk; its senders have it, and send it again.
    again = Load(running)
    again.send_all(load.sent)
    caught_up = attain("verify", running.environment())
    print(f"restored and verified in {time.monotonic() - began:.1f} s")

    assert restored["ok"], restored
    assert PIECES_BEFORE <= restored["evidence"] < load.sent
    assert caught_up["ok"], caught_up
    assert caught_up["evidence"] == load.sent
    assert again.refused == load.refused == []


def test_who_was_erased_since_the_backup_is_erased_again_after_the_restore(home: Path, tmp_path: Path) -> None:
    running = stack.start(home, owner=os.getpid())
    _prepare(running)
    Load(running).send_all(10 * BATCH)
    attain("drain", running.environment())
    asyncio.run(back_up(running, tmp_path / "backup"))
    erased = attain("erase", running.environment(), "learner", "urn:test:restore", "l-5", "--yes")
    assert "learner" in erased, erased
    before = attain("verify", running.environment())
    stack.stop(home)

    put_back(home, tmp_path / "backup")
    raise_generation(home)
    running = stack.start(home, owner=os.getpid())
    restored = attain("verify", running.environment())
    headers = {"Authorization": f"Bearer {running.token('demo', 'records:read')}"}
    url = f"{running.urls['evidence']}/v1/learners/{erased['learner']}"
    shown = httpx.get(url, headers=headers)

    assert erased["in_ledger"], erased
    for verified in (before, restored):
        assert verified["ok"], verified
        assert (verified["erased"], verified["erased_found"]) == (1, 0)
    assert restored["state_digest"] == before["state_digest"]
    assert shown.status_code == 404


@pytest.mark.timeout(480)
def test_everything_is_restored_to_a_moment_and_from_the_next_backup_to_the_end(home: Path) -> None:
    """By the scripts of compose. What was acknowledged after the moment is sent again with all else, and counts once."""
    stack.start(home, services=False, owner=os.getpid())
    archive = Archive(home)
    archive.keep()
    stack.stop(home)
    running = stack.start(home, owner=os.getpid())
    _prepare(running)
    load = Load(running)
    load.send_all(10 * BATCH)
    archive.back_up("first")
    load.send_all(20 * BATCH)
    before = attain("verify", running.environment())
    moment = archive.sql("select now()::text")
    load.send_all(30 * BATCH)
    attain("drain", running.environment())
    running = archive.restored("first", moment)
    to_moment = attain("verify", running.environment())
    archive.back_up("second")
    again = Load(running)
    again.send_all(load.sent)
    whole = attain("verify", running.environment())
    running = archive.restored("second", above=2)
    to_end = attain("verify", running.environment())

    assert again.refused == load.refused == []
    assert (to_moment["evidence"], to_end["evidence"]) == (20 * BATCH, load.sent)
    for was, found in ((before, to_moment), (whole, to_end)):
        assert was["ok"], was
        assert found["ok"], found
        assert found["state_digest"] == was["state_digest"]


def test_a_tenant_that_was_ended_since_the_backup_is_ended_again_with_all_that_is_its_own(
    home: Path, tmp_path: Path
) -> None:
    """In every table that has a tenant; its neighbour keeps what it has."""
    running = stack.start(home, owner=os.getpid(), environment=PRIVATE)
    victim, neighbour = [asyncio.run(settle(running, name)) for name in ("leaving", "staying")]
    untouched = asyncio.run(held_of(running, neighbour.tenant)).keys()
    asyncio.run(back_up(running, tmp_path / "backup"))
    backed_up = asyncio.run(held_of(running, victim.tenant))
    attain("tenant", running.environment(), "delete", "--yes", tenant=victim.tenant)
    attain("drain", running.environment())
    ended = asyncio.run(held_of(running, victim.tenant))
    stack.stop(home)

    put_back(home, tmp_path / "backup")
    raise_generation(home)
    running = stack.start(home, owner=os.getpid(), environment=PRIVATE)
    attain("drain", running.environment())
    verified = attain("verify", running.environment())
    restored = asyncio.run(held_of(running, victim.tenant))

    assert {"progression.webhook", "progression.shadow_policy", "evidence.learner_identity"} <= backed_up.keys()
    assert [(table, secret) for table, text in restored.items() for secret in PERSONAL if secret in text] == []
    assert restored.keys() <= LEFT, sorted(restored.keys() - LEFT)
    assert restored.keys() <= ended.keys(), "what the end itself leaves nothing of"
    assert asyncio.run(held_of(running, neighbour.tenant)).keys() >= untouched
    assert verified["ok"], verified


class Load(threading.Thread):
    """Posts pieces in order, each batch until it is acknowledged."""

    def __init__(self, running: Stack) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self._http = httpx.Client(
            base_url=running.urls["evidence"], timeout=30,
            headers={"Authorization": f"Bearer {running.token('demo', 'evidence:write')}"},
        )  # fmt: skip
        self.sent = 0
        self.refused: list[str] = []

    def run(self) -> None:
        """Send until stopped, about 2,000 pieces a second."""
        while not self._stopped.is_set():
            self._send()
            time.sleep(BATCH / 2000)

    def send_all(self, count: int) -> None:
        """Send all pieces up to a number, again or for the first time."""
        while self.sent < count:
            self._send()

    def until(self, count: int) -> None:
        """Wait until so many are acknowledged."""
        deadline = time.monotonic() + 60
        while self.sent < count:
            assert self.is_alive()
            assert self.refused == []
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop after the batch on its way."""
        self._stopped.set()
        self.join(30)

    def _send(self) -> None:
        answer = self._http.post("/v1/evidence", json=[_piece(self.sent + n) for n in range(BATCH)])
        if answer.status_code != 200:
            self.refused.append(answer.text)
            return
        self.refused += [
            item["id"] for item in answer.json()["items"] if item["status"] not in ("accepted", "duplicate")
        ]
        self.sent += BATCH


def _piece(number: int) -> dict[str, Any]:
    return {
        "id": f"p-{number}", "source": "urn:test:restore", "learner": f"l-{number % 97}",
        "competencies": [f"math:c{number % 3}"], "score": {"raw": int(number % 4 > 0), "max": 1},
        "occurred_at": f"2026-03-{1 + number % 28:02}T10:{number % 60:02}:00Z",
    }  # fmt: skip


def _prepare(running: Stack) -> None:
    headers = {"Authorization": f"Bearer {running.token('demo', 'policy:write admin')}"}
    nodes = "code,title\nc0,Zero\nc1,One\nc2,Two\n"
    policy = {"id": "streak-3", "method": {"type": "streak", "n": 3}, "decision": {"latch": "first_crossing"}}
    with httpx.Client(base_url=running.urls["progression"], headers=headers, timeout=60) as client:
        client.post("/v1/frameworks", json={"id": "math", "nodes": nodes}).raise_for_status()
        client.post("/v1/policies", json=policy).raise_for_status()
    attain("drain", running.environment())
