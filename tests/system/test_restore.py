"""Backup under load, restore to that moment with Kafka left ahead of it or lost, and going on in a new generation."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local import stack
from deploy.local.home import Home
from deploy.local.postgres import SUPERUSER
from deploy.local.postgres_files import locate
from deploy.local.stack import Stack
from tests.support.command import attain
from tests.support.engine import TREE
from tests.support.homes import fresh_home
from tests.support.waiting import wait_until
from tests.system.isolation.victim import settle
from tests.system.test_tenants import LEFT, PERSONAL, held_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
SCRIPTS = TREE / "deploy" / "compose" / "archive"
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
    asyncio.run(_back_up(running, tmp_path / "backup"))
    backed_up = load.sent
    load.until(backed_up + PIECES_AFTER)
    load.stop()
    attain("drain", running.environment())
    stack.stop(home)

    began = time.monotonic()
    _put_back(home, tmp_path / "backup")
    if kafka_lost:
        shutil.rmtree(Home(home).kafka / "data")
    _raise_generation(home)
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
    asyncio.run(_back_up(running, tmp_path / "backup"))
    erased = attain("erase", running.environment(), "learner", "urn:test:restore", "l-5", "--yes")
    assert "learner" in erased, erased
    before = attain("verify", running.environment())
    stack.stop(home)

    _put_back(home, tmp_path / "backup")
    _raise_generation(home)
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


class Archive:
    """The archive of a laptop's PostgreSQL, which is kept and restored from by the scripts of the compose installation."""

    def __init__(self, home: Path) -> None:
        self._home = Home(home)
        state = self._home.state()
        assert state is not None
        self._port = state.ports["postgres"]
        self._files = locate(self._home, state, lambda text: None)
        self._folder = home.parent / "archive"
        self._environment = os.environ | {"ARCHIVE": str(self._folder), "PGPASSWORD": self._home.password(SUPERUSER)}

    def keep(self) -> None:
        """Keep the log, from the next start on."""
        self._folder.mkdir()
        # Where the server's user may read it.
        keep = shutil.copy(SCRIPTS / "keep-wal.sh", self._folder)
        for name in ("wal", "base"):
            (self._folder / name).mkdir()
        self._files.own(self._folder / "wal")
        self.sql("alter system set archive_mode = on")
        self.sql(f"alter system set archive_command = 'ARCHIVE={self._folder} {keep} %p %f'")

    def back_up(self, name: str) -> None:
        """Make a base backup, as the runbook says."""
        target = str(self._folder / "base" / name)
        self._run("pg_basebackup", "-d", self._url(), "-D", target, "-Ft", "-z", "-X", "fetch", "-c", "fast")

    def restored(self, base: str, *to: str, above: int = 1) -> Stack:
        """Stop the stack, restore a backup to a moment or to the end, and start it in a new generation."""
        file = self.sql("select pg_walfile_name(pg_switch_wal())")
        archived = "select coalesce(max(last_archived_wal), '') from pg_stat_archiver"
        wait_until(lambda: self.sql(archived) >= file)
        stack.stop(self._home.folder)
        self._restore(base, *to)
        _raise_generation(self._home.folder, above)
        return stack.start(self._home.folder, owner=os.getpid())

    def _restore(self, base: str, *to: str) -> None:
        """Return once the server has followed the log and is stopped again."""
        data, account = self._files.data, self._files.account
        owner = pwd.getpwuid(os.getuid() if account is None else account.uid).pw_name
        environment = self._environment | {"PGDATA": str(data), "OWNER": owner}
        subprocess.run([SCRIPTS / "restore-to.sh", base, *to], env=environment, check=True)
        as_whom: dict[str, Any] = (
            {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
        )
        with self._home.log("postgres").open("ab") as log:
            server = subprocess.Popen(
                [self._files.programs / "postgres", "-D", data, "-p", str(self._port),
                 "-c", "unix_socket_directories="],
                stdout=log, stderr=log, cwd="/", **as_whom,
            )  # fmt: skip
        wait_until(self._has_recovered, 60)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0

    def sql(self, statement: str) -> str:
        """Return what PostgreSQL's administrator is answered."""
        return self._run("psql", "-d", self._url(), "-Atc", statement).strip()

    def _has_recovered(self) -> bool:
        try:
            return self.sql("select pg_is_in_recovery()") == "f"
        except subprocess.CalledProcessError:
            return False

    def _url(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._files.programs / program), *arguments]
        return subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True).stdout
def test_a_tenant_that_was_ended_since_the_backup_is_ended_again_with_all_that_is_its_own(
    home: Path, tmp_path: Path
) -> None:
    """In every table that has a tenant; its neighbour keeps what it has."""
    running = stack.start(home, owner=os.getpid(), environment=PRIVATE)
    victim, neighbour = [asyncio.run(settle(running, name)) for name in ("leaving", "staying")]
    untouched = asyncio.run(held_of(running, neighbour.tenant)).keys()
    asyncio.run(_back_up(running, tmp_path / "backup"))
    backed_up = asyncio.run(held_of(running, victim.tenant))
    attain("tenant", running.environment(), "delete", "--yes", tenant=victim.tenant)
    attain("drain", running.environment())
    ended = asyncio.run(held_of(running, victim.tenant))
    stack.stop(home)

    _put_back(home, tmp_path / "backup")
    _raise_generation(home)
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


async def _back_up(running: Stack, target: Path) -> None:
    """Copy the running server's files between the two calls that make the copy whole (PostgreSQL manual, 25.3.4)."""
    home = Home(running.home)
    data = _data(home)
    url = f"postgresql://{SUPERUSER}:{home.password(SUPERUSER)}@{running.postgres}/postgres"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("select pg_backup_start('test', true)")
        await asyncio.to_thread(_copy, data, target)
        label = await connection.fetchval("select labelfile from pg_backup_stop(wait_for_archive => false)")
        await asyncio.to_thread((target / "backup_label").write_text, label)
        # The log up to the stop makes the copy whole; an archive has it where the server keeps one.
        await asyncio.to_thread(_copy, data / "pg_wal", target / "pg_wal")
    finally:
        await connection.close()


def _copy(source: Path, target: Path) -> None:
    skipped = shutil.ignore_patterns("postmaster.pid", "postmaster.opts", "pg_wal" if source.name != "pg_wal" else "")
    shutil.copytree(source, target, ignore=skipped, dirs_exist_ok=True)


def _data(home: Home) -> Path:
    state = home.state()
    assert state is not None
    return locate(home, state, lambda text: None).data


def _put_back(home: Path, backup: Path) -> None:
    data = _data(Home(home))
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    for place in (data, *data.rglob("*")):
        os.chown(place, owner.st_uid, owner.st_gid)
    data.chmod(0o700)


def _raise_generation(home: Path, above: int = 1) -> None:
    running = stack.start(home, services=False, owner=os.getpid())
    done = subprocess.run(
        [sys.executable, "-m", "shared.restored", "--above", str(above)],
        env=os.environ | running.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    stack.stop(home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"all logs go on in generation {above + 1}; start the services\n"
