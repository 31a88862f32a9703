"""
The supervisor: the one process that owns a running stack.

It starts PostgreSQL and Kafka side by side, then migrations and topics, then the services; restarts whatever dies; and
on SIGTERM or SIGINT stops the services, then the servers. When it is killed itself, the next one on the same home
first ends what it left running.

`python -m deploy.local.supervisor --home DIR` runs it in the foreground without a terminal, its progress in
`logs/supervisor.log`.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import psutil

from deploy.local import kafka, postgres, processes
from deploy.local.child import Child, Program, Say
from deploy.local.errors import EXIT_IN_USE, HomeInUse, StackError
from deploy.local.home import Home, Run, State
from deploy.local.orphans import end_orphans
from deploy.local.processes import Pid
from deploy.local.services import SERVICES, Services, given_databases

GIVEN_S_MAX = 30.0
OWNER_POLL_S = 1.0


class Supervisor:
    """One run of a stack on a home; `run` may be called once."""

    def __init__(self, home: Home, *, services: bool = True, owner: Pid | None = None, say: Say | None = None) -> None:
        self._home = home
        self._with_services = services
        self._owner = owner
        self._terminal = say
        self._children: list[Child] = []
        self._run = Run(supervisor=processes.identify(os.getpid()), services=services)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """
        Start everything, call `ready`, and return when all has been stopped after SIGTERM or SIGINT.

        Raises:
            HomeInUse: another supervisor runs on this home; nothing was touched.
            StackError: something could not be started; what had been started is stopped again.
        """
        with self._home.locked():
            state = self._home.create()
            end_orphans(self._home, state, self._say)
            self._home.save(self._run)
            try:
                asyncio.run(self._live(state, ready))
            except Exception as error:
                self._run.error = error.message if isinstance(error, StackError) else f"{type(error).__name__}: {error}"
                self._run.error_detail = error.detail if isinstance(error, StackError) else ""
                self._log(f"failed: {self._run.error}")
                raise
            finally:
                self._run.ready = False
                self._save()

    async def _live(self, state: State, ready: Callable[[], None]) -> None:
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        stopping = asyncio.create_task(self._until_stop(asked_to_stop))
        starting = asyncio.create_task(self._start(state))
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await _unwrapped(starting)
                self._run.ready = True
                self._home.save(self._run)
                for child in self._children:
                    child.keep()
                ready()
                await stopping
        finally:
            await _cancelled(starting)
            await self._stop()
            await _cancelled(stopping)

    async def _until_stop(self, asked: asyncio.Event) -> None:
        """Return when a signal came, or when the process that this stack was started for has ended."""
        while not asked.is_set():
            if self._owner is not None and processes.find(self._owner) is None:
                self._say("the process that this stack was started for has ended")
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), OWNER_POLL_S)

    async def _start(self, state: State) -> None:
        began = time.monotonic()
        services = Services(self._home, state.id) if self._with_services else None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._start_kafka(state, services))
            tasks.create_task(self._start_postgres(state, services))
        if services is not None:
            self._run.urls = services.urls
            async with asyncio.TaskGroup() as tasks:
                for name in SERVICES:
                    program = services.program(name, self._run.kafka, self._run.databases[name])
                    tasks.create_task(self._child(program).start())
        self._say(f"all ready in {time.monotonic() - began:.1f} s; everything is kept in {self._home.folder}")

    async def _start_kafka(self, state: State, services: Services | None) -> None:
        given = os.environ.get("ATTAIN_KAFKA", "")
        if given:
            await self._given("Kafka", given, partial(kafka.answers, given))
            self._run.kafka = given
        else:
            program = await kafka.prepare(self._home, state, self._say)
            await self._child(program).start()
            self._run.kafka = program.address
        if services is not None:
            await services.create_topics(self._run.kafka)

    async def _start_postgres(self, state: State, services: Services | None) -> None:
        given = given_databases()
        for service, url in given.items():
            await self._given(f"the database of {service}", "the address given", partial(postgres.answers, url))
        local = tuple(service for service in SERVICES if service not in given)
        if local:
            program = await postgres.prepare(self._home, state, self._say)
            await self._child(program).start()
            self._run.postgres = program.address
            urls, owners = await postgres.provision(self._home, program, local)
            self._run.databases = given | urls
        else:
            owners, self._run.databases = {}, given
        if services is not None:
            await services.migrate(self._run.databases | owners)

    async def _given(self, title: str, address: str, answers: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + GIVEN_S_MAX
        while not await answers():
            if time.monotonic() > deadline:
                raise StackError(f"{title} does not answer on {address}")
            await asyncio.sleep(0.5)
        self._say(f"{title} answers on {address}; it is used, not started")

    def _child(self, program: Program) -> Child:
        child = Child(program, self._say, self._started)
        self._children.append(child)
        return child

    def _started(self, name: str, pid: int) -> None:
        # A program that has already died has no start time; its keeper will see its end.
        with contextlib.suppress(psutil.NoSuchProcess):
            self._run.children[name] = processes.identify(pid)
            self._save()

    def _save(self) -> None:
        """A full disk must not keep what runs from being restarted or stopped: orphans are known by their mark too."""
        with contextlib.suppress(OSError):
            self._home.save(self._run)

    async def _stop(self) -> None:
        """Services first, while what they need still answers; then the servers."""
        servers = [child for child in self._children if child.program.name not in SERVICES]
        services = [child for child in self._children if child.program.name in SERVICES]
        self._say("stopping")
        await asyncio.gather(*(child.stop() for child in services))
        await asyncio.gather(*(child.stop() for child in servers))
        self._run.children.clear()
        self._say("stopped")

    def _say(self, text: str) -> None:
        self._log(text)
        if self._terminal is not None:
            # The terminal may have been closed (SIGHUP); what is left to do must be done all the same.
            with contextlib.suppress(OSError):
                self._terminal(text)

    def _log(self, text: str) -> None:
        # A disk that is full ends no keeper: its program is started again as soon as there is room.
        with contextlib.suppress(OSError), self._home.supervisor_log.open("a") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")


async def _unwrapped(task: asyncio.Task[None]) -> None:
    """Await a task of task groups; of several failures that come together the first tells the story."""
    try:
        await task
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def main() -> None:
    """Run a supervisor without a terminal."""
    parser = argparse.ArgumentParser(description="Run the supervisor of a laptop stack.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--no-services", action="store_true", help="start Kafka and PostgreSQL only")
    parser.add_argument("--owner", type=int, help="stop when this process has ended")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    owner = None if arguments.owner is None else processes.identify(arguments.owner)
    try:
        Supervisor(home, services=not arguments.no_services, owner=owner).run()
    except HomeInUse:
        sys.exit(EXIT_IN_USE)
    except StackError:
        sys.exit(1)
    except OSError as error:
        sys.exit(f"{error.filename or arguments.home}: {error.strerror}")


if __name__ == "__main__":
    main()
