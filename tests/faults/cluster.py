"""
The stack that is broken: the programs of the laptop stack, kept running by this process, with a proxy in every link.

Whatever dies is started again after a fraction of a second; the laptop's supervisor waits longer each time, because
there a program that keeps dying is broken and here it is killed.
"""

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from deploy.local import postgres
from deploy.local.child import Child, Program
from deploy.local.home import SHARDS, Home
from deploy.local.orphans import end_orphans
from deploy.local.services import SERVICES, Services, answers, database_variable
from deploy.local.tokens import DEFAULT_SUBJECT, issue
from shared.crash_points import VARIABLE as CRASH_AT
from tests.faults.brokers import Brokers
from tests.faults.proxy import Proxy
from tests.faults.target import SCOPE, client_with
from tests.support.producer import free_port

RESTART_S = 0.2
SESSIONS_END_S_MAX = 20.0
SETTINGS = {
    "ATTAIN_SESSION_TIMEOUT_S": "6",
    "ATTAIN_TAIL_CHECK_S": "3",
    "ATTAIN_HEAD_CHECK_S": "2",
    # Receivers of webhooks are on this machine.
    "ATTAIN_WEBHOOK_PRIVATE_ADDRESSES": "true",
}
"""Times shorter than in production, so that a run has time for many faults."""
LINKS = {
    "evidence": ("kafka", "postgres", "progression"),
    "progression": ("kafka", "postgres", "evidence"),
    "reporting": ("kafka", "postgres", "evidence", "progression"),
}
"""Whom each service calls."""
Hook = Callable[[], Awaitable[None]]


class Cluster:
    """
    A stack in an empty folder. Programs are named kafka (of three: kafka-1, -2, -3), postgres, evidence, progression,
    reporting, and as replicas join, progression-1 and so on. Links are named <service>-<whom it calls>.
    """

    def __init__(self, folder: Path, *, brokers: int = 1, settings: Mapping[str, str] | None = None) -> None:
        self.home = Home(folder)
        self.links: dict[str, Proxy] = {}
        self.urls: dict[str, str] = {}
        self.databases: dict[str, str] = {}
        self.pids: dict[str, int] = {}
        self.kafka = ""
        self._broker_count = brokers
        self._settings = SETTINGS | dict(settings or {})
        self._children: dict[str, Child] = {}
        self._before_start: dict[str, Hook] = {}
        self._programs: dict[str, Program] = {}

    async def start(self) -> None:
        """Start everything and return when it is ready."""
        self._state = self.home.create()
        for service, others in LINKS.items():
            for other in others:
                self.links[f"{service}-{other}"] = proxy = Proxy()
                await proxy.start()
        services = Services(self.home, self._state.id)
        self.urls = services.urls
        await asyncio.gather(self._start_kafka(services), self._start_postgres(services))
        for name in SERVICES:
            folder = self._crash_folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            program = services.program(name, f"127.0.0.1:{self.links[f'{name}-kafka'].port}", self._linked(name))
            if self._broker_count > 1:
                program = services.program(name, self.kafka, self._linked(name))
            environment = self._settings | self._linked_services(name) | {CRASH_AT: str(folder)}
            self._programs[name] = _with_environment(program, environment)
        await asyncio.gather(*(self._run(self._programs[name]) for name in SERVICES))

    async def stop(self) -> None:
        """Stop everything, also what a failed start left."""
        for child in self._children.values():
            self.resume(child.program.name)
        servers = [child for name, child in self._children.items() if name.startswith(("kafka", "postgres"))]
        services = [child for child in self._children.values() if child not in servers]
        await asyncio.gather(*(child.stop() for child in services))
        await asyncio.gather(*(child.stop() for child in servers))
        for proxy in self.links.values():
            await proxy.stop()
        state = self.home.state()
        if state is not None:
            await asyncio.to_thread(end_orphans, self.home, state, lambda text: None)

    def processes(self) -> list[str]:
        """Return the URL of every process of a service, replicas too."""
        programs = [child.program for child in self._children.values()]
        return [program.address for program in programs if program.name.startswith(SERVICES)]

    def token(self, tenant: str, subject: str = DEFAULT_SUBJECT) -> str:
        """Return a token that the services accept."""
        return issue(self.home.token_key_file, tenant=tenant, scope=SCOPE, subject=subject)

    def client(self, tenant: str, timeout_s: float = 60.0) -> httpx.AsyncClient:
        """Return a client for all services, as a tenant; to be closed."""
        return client_with(self.token(tenant), timeout_s)

    def _crash_folder(self, service: str) -> Path:
        """Return the folder in which a service's crash points are armed."""
        return self.home.folder / "crash" / service

    def arm(self, service: str, point: str) -> Path:
        """Let a service die when it next reaches a crash point; the file is gone when it has."""
        file = self._crash_folder(service) / point
        file.touch()
        return file

    @contextlib.asynccontextmanager
    async def admin(self, service: str = "") -> AsyncIterator["asyncpg.Connection[Any]"]:
        """Connect to PostgreSQL as its administrator, directly, in a service's database or in a neutral one."""
        name = f"attain_{service}" if service else "postgres"
        password = self.home.password(postgres.SUPERUSER)
        url = f"postgresql://{postgres.SUPERUSER}:{password}@{self._programs['postgres'].address}/{name}"
        connection = await asyncpg.connect(url, ssl=False, timeout=10)
        try:
            yield connection
        finally:
            await connection.close()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program; one that has just died is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pids[name], number)

    def kill(self, name: str) -> None:
        """Kill a program, which is started again."""
        self.send(name, signal.SIGKILL)

    def resume(self, name: str) -> None:
        """Let a stopped program go on."""
        if name in self.pids:
            self.send(name, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def down(self, name: str, number: signal.Signals = signal.SIGKILL) -> AsyncIterator[None]:
        """End a program and keep it from starting again until the block ends."""
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        self._before_start[name] = wait
        self.send(name, number)
        try:
            yield
        finally:
            del self._before_start[name]
            gate.set()

    async def ready(self, *names: str, within_s: float = 60.0) -> None:
        """Wait until programs (all: none named) answer."""
        async with asyncio.timeout(within_s):
            for name in names or tuple(self._children):
                while not await self.answers(name):
                    await asyncio.sleep(0.05)

    async def answers(self, name: str) -> bool:
        """Tell whether a program answers."""
        return await self._children[name].program.answers()

    async def lose_kafka(self) -> None:
        """Kill Kafka, delete all it holds, start it empty, and create the topics again as an operator does."""
        done = asyncio.Event()

        async def empty() -> None:
            await self._brokers.lose_everything()
            done.set()

        self._before_start["kafka"] = empty
        self.send("kafka", signal.SIGKILL)
        await done.wait()
        del self._before_start["kafka"]
        await self.ready("kafka")
        await self.create_topics()

    async def create_topics(self) -> None:
        """Create the topics that are missing."""
        settings = {"ATTAIN_KAFKA": self.kafka, "ATTAIN_REPLICATION_FACTOR": str(self._broker_count)}
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "shared.topics", "create"], check=True, capture_output=True,
            env=os.environ | settings | {"ATTAIN_SHARDS": str(SHARDS)}, timeout=60,
        )  # fmt: skip

    async def restored(self, more: Mapping[str, str]) -> int:
        """Let the logs go on as after a restore, while the services are down; return how the command ended."""
        async with self.admin() as admin, asyncio.timeout(SESSIONS_END_S_MAX):
            while await admin.fetchval("select count(*) from pg_stat_activity where application_name = 'attain'"):
                await asyncio.sleep(0.05)
        databases = {database_variable(service): url for service, url in self.databases.items()}
        command = [sys.executable, "-m", "shared.restored"]
        done = await asyncio.to_thread(
            subprocess.run, command, check=False, env=os.environ | databases | dict(more), timeout=60
        )
        return done.returncode

    async def generations(self, service: str) -> set[int]:
        """Return the generations of a service's logs."""
        async with self.admin(service) as admin:
            return {row["generation"] for row in await admin.fetch("select distinct generation from log_head")}

    @contextlib.asynccontextmanager
    async def replica(self, service: str, clock: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        """
        Run a second process of a service, under another slot, on the links of the first; yields its name.

        One with a `clock` of its own, which no service believes, lives but never gets ready.
        """
        name, port = f"{service}-1", free_port()
        url = f"http://127.0.0.1:{port}"
        started = f"{url}/livez" if clock else f"{url}/readyz"
        program = dataclasses.replace(
            _with_environment(
                self._programs[service], {"ATTAIN_SLOT": name, "ATTAIN_PORT": str(port)} | dict(clock or {})
            ),
            name=name, title=name, log=self.home.log(name), address=url, answers=lambda: answers(started),
        )  # fmt: skip
        await self._run(program)
        try:
            yield name
        finally:
            self.resume(name)
            await self._children.pop(name).stop()

    async def _run(self, program: Program) -> None:
        name, prepare = program.name, program.prepare

        async def before() -> None:
            if name in self._before_start:
                await self._before_start[name]()
            await prepare()

        program = dataclasses.replace(program, prepare=before, back_off_s=(RESTART_S,))
        child = self._children[name] = Child(program, lambda text: None, self.pids.__setitem__)
        await child.start()
        child.keep()

    async def _start_kafka(self, services: Services) -> None:
        links = {name.partition("-")[0]: p.port for name, p in self.links.items() if name.endswith("-kafka")}
        self._brokers = Brokers(self.home, self._state, self._broker_count, links)
        programs = await self._brokers.prepare()
        for service, port in self._brokers.ports.items():
            self.links[f"{service}-kafka"].target = port
        await asyncio.gather(*(self._run(program) for program in programs))
        self.kafka = ",".join(program.address for program in programs)
        await self.create_topics()

    async def _start_postgres(self, services: Services) -> None:
        program = await postgres.prepare(self.home, self._state, lambda text: None)
        self._programs["postgres"] = program
        await self._run(program)
        self.databases, owners = await postgres.provision(self.home, program, SERVICES)
        for service in SERVICES:
            self.links[f"{service}-postgres"].target = int(program.address.rpartition(":")[2])
        await services.migrate(owners)

    def _linked_services(self, service: str) -> dict[str, str]:
        """Return the settings under which a service finds the others through its proxies."""
        found = {}
        for other in set(LINKS[service]) & set(SERVICES):
            link = self.links[f"{service}-{other}"]
            link.target = int(self.urls[other].rpartition(":")[2])
            found[f"ATTAIN_{other.upper()}_URL"] = f"http://127.0.0.1:{link.port}"
        return found

    def _linked(self, service: str) -> str:
        """Return the URL of a service's database through its proxy."""
        parts = urlsplit(self.databases[service])
        user = parts.netloc.rpartition("@")[0]
        proxied = f"{user}@127.0.0.1:{self.links[f'{service}-postgres'].port}"
        return urlunsplit(parts._replace(netloc=proxied))


def new_folder() -> Path:
    """Return an empty folder that PostgreSQL's user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="attain-faults-"))
    folder.chmod(0o711)
    return folder


def _with_environment(program: Program, more: Mapping[str, str]) -> Program:
    return dataclasses.replace(program, environment={**program.environment, **more})
