"""
Replicas of an earlier version and of this one serve side by side under load, forward and back, and nothing differs but what
the earlier one knows nothing of, until it is made anew.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from deploy.local import stack
from deploy.local.home import SHARDS, Home
from deploy.local.stack import Stack
from tests.shared.wire.facts import STREAK_3
from tests.shared.wire.frozen import FROZEN
from tests.support.command import attain
from tests.support.earlier_version import EarlierVersion, commit_of
from tests.support.engine import TREE
from tests.support.homes import fresh_folder
from tests.support.producer import free_port
from tests.support.steady_load import Load

SERVICES = ("evidence", "progression", "reporting")
RATE = 100
MIXED_S = 4.0
READY_S = 90.0
NODES = "code,title\n" + "".join(f"M1.{n},Part {n}\n" for n in (1, 2, 3))

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class Replica:
    """A place of a service, with its slot and port, in which a process of one version or another runs."""

    def __init__(self, installation: "Installation", service: str, number: int) -> None:
        self.name = f"{service}-{number}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._installation = installation
        self._service = service
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, tree: Path, **settings: str) -> None:
        """Stop what runs here as an orchestrator does, start the version of a tree, and return when it is ready."""
        self.stop()
        environment = self._installation.environment(tree, self._service)
        environment |= {"ATTAIN_SLOT": self.name, "ATTAIN_PORT": str(self.port)} | settings
        with (self._installation.logs / self.name).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"services.{self._service}.app"],
                env=environment, cwd=tree, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            assert self._process.poll() is None, f"{self.name} ended: {self._installation.log_of(self.name)}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {self._installation.log_of(self.name)}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask the process to end and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(40)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class Installation:
    """Two replicas of each service on servers of their own."""

    def __init__(self, folder: Path) -> None:
        self.servers: Stack = stack.start(folder / "home", services=False, owner=os.getpid())
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._ledger = folder / "ledger"
        self.replicas = {service: [Replica(self, service, n) for n in range(2)] for service in SERVICES}
        self.urls = {f"ATTAIN_{service.upper()}_URL": self.replicas[service][0].url for service in SERVICES}

    def environment(self, tree: Path, service: str) -> dict[str, str]:
        """Return the settings of a process of a service of a version: its own database alone."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")}
        return clean | self.urls | {
            "PYTHONPATH": str(tree),
            "ATTAIN_KAFKA": self.servers.kafka,
            "ATTAIN_TOKEN_KEY_FILE": str(self.servers.token_key_file),
            "ATTAIN_SHARDS": str(SHARDS),
            "ATTAIN_SESSION_TIMEOUT_S": "6",
            "ATTAIN_HOST": "127.0.0.1",
            "ATTAIN_ERASURE_LEDGER": str(self._ledger),
            f"ATTAIN_{service.upper()}_DATABASE": self.servers.databases[service],
        }  # fmt: skip

    def prepare(self, tree: Path) -> None:
        """Bring schemas and topics to those of a version, as the hooks of an upgrade do."""
        for service in SERVICES:
            url = urlsplit(self.servers.databases[service])
            owner = f"attain_{service}_owner"
            address = f"{owner}:{Home(self.servers.home).password(owner)}@{url.netloc.rpartition('@')[2]}"
            database = {f"ATTAIN_{service.upper()}_DATABASE": urlunsplit(url._replace(netloc=address))}
            self._run(tree, service, database, "shared.migrate", service)
        self._run(tree, "evidence", {}, "shared.topics", "create")

    def run(self, number: int, tree: Path, **settings: str) -> None:
        """Run a version in the replicas of one number, of all services at once; returns when they are ready."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda service: self.replicas[service][number].run(tree, **settings), SERVICES))

    def log_of(self, replica: str) -> str:
        """Return the end of a replica's log."""
        return (self.logs / replica).read_text()[-1500:]

    def close(self) -> None:
        """End all processes."""
        for replicas in self.replicas.values():
            for replica in replicas:
                replica.stop()

    def _run(self, tree: Path, service: str, settings: Mapping[str, str], *command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", *command], env=self.environment(tree, service) | dict(settings), cwd=tree,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"


@pytest.fixture
def installation() -> Iterator[Installation]:
    with fresh_folder() as folder:
        made = Installation(folder)
        yield made
        made.close()
        stack.reset(made.servers.home)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The tree of the newest version that is frozen."""
    commit = commit_of(FROZEN[-1].commit)
    if commit is None:
        pytest.skip(f"the history here does not have {FROZEN[-1].commit}: a clone with all of it is needed")
    return EarlierVersion(commit, tmp_path / "earlier").folder


def test_two_versions_serve_side_by_side_under_load(installation: Installation, earlier: Path) -> None:
    """Half of the replicas of every service are upgraded, taken back, and upgraded again; then the others."""
    installation.prepare(earlier)
    installation.run(0, earlier)
    installation.run(1, earlier)
    known = asyncio.run(_columns(installation, "mastery_v1"))
    _open(installation)
    loads = [
        Load(replica.url, _token(installation), RATE, f"roll-{number}")
        for number, replica in enumerate(installation.replicas["evidence"])
    ]
    for load in loads:
        load.start()
    time.sleep(MIXED_S)
    began = time.monotonic()
    installation.prepare(TREE)
    installation.run(1, TREE)
    time.sleep(MIXED_S)
    installation.run(1, earlier, ATTAIN_ALLOW_NEWER_SCHEMA="true")
    time.sleep(MIXED_S)
    installation.run(1, TREE)
    time.sleep(MIXED_S)
    installation.run(0, TREE)
    mixed_s = time.monotonic() - began
    for load in loads:
        load.stop()
    environment = installation.servers.environment() | installation.urls
    audited = attain("verify", environment)
    before = asyncio.run(_states(installation, known))
    # What the earlier version wrote meanwhile lacks what it has no column for: the runbook says to rebuild once more.
    made_anew = attain("rebuild", environment, "mastery", "--accept-differences")
    rebuilt = attain("rebuild", environment, "mastery")
    sent = sum(load.sent for load in loads)
    print(f"{sent} pieces, both versions for {mixed_s:.0f} s; verify: {audited}; rebuild: {rebuilt}")

    assert [load.refused for load in loads] == [[], []]
    assert sum((load.statuses for load in loads), Counter()) == Counter(accepted=sent)
    assert audited["ok"], audited
    assert audited["evidence"] == sent
    assert made_anew["exit"] == 0, made_anew
    assert asyncio.run(_states(installation, known)) == before
    assert rebuilt["exit"] == 0, rebuilt


async def _columns(installation: Installation, table: str) -> list[str]:
    connection = await asyncpg.connect(installation.servers.databases["reporting"])
    try:
        rows = await connection.fetch("select column_name from information_schema.columns where table_name = $1", table)
    finally:
        await connection.close()
    return sorted(row[0] for row in rows)


async def _states(installation: Installation, columns: Sequence[str]) -> list[asyncpg.Record]:
    """Return these columns of every state that is shown now."""
    connection = await asyncpg.connect(installation.servers.databases["reporting"])
    try:
        live = await connection.fetchval("select live from read_model where name = 'mastery'")
        rows: list[asyncpg.Record] = await connection.fetch(
            f"select {', '.join(columns)} from mastery_v{live} order by tenant, learner, competency"
        )
    finally:
        await connection.close()
    return rows


def _token(installation: Installation) -> str:
    scopes = "evidence:write records:read policy:write decisions:write admin service"
    return installation.servers.token("demo", scopes)


def _open(installation: Installation) -> None:
    """Publish a framework and a policy; returns when every service knows them."""
    url = installation.replicas["progression"][0].url
    with httpx.Client(headers={"Authorization": f"Bearer {_token(installation)}"}, timeout=60) as client:
        client.post(f"{url}/v1/frameworks", json={"id": "river-valley", "nodes": NODES}).raise_for_status()
        client.post(f"{url}/v1/policies", json=STREAK_3).raise_for_status()
    drained = attain("drain", installation.servers.environment() | installation.urls)
    assert drained["exit"] == 0, drained
