"""
The laptop stack as functions, for commands and tests: `start`, `running`, `stop`, `reset`.

A started stack belongs to no process: it runs until `stop`, unless `owner` names a process to outlive in no case.
"""

import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local import processes
from deploy.local.child import Say
from deploy.local.errors import EXIT_IN_USE, StackError, tail
from deploy.local.home import Home, Run
from deploy.local.orphans import end_orphans
from deploy.local.services import database_variable, python, python_environment, url_variable
from deploy.local.tokens import DEFAULT_SUBJECT, issue

POLL_S = 0.05
# The first start fetches 44 MB.
START_S_MAX = 600.0
# Services have 15 s and the servers 20 s to stop cleanly.
STOP_S_MAX = 45.0
# A file of PostgreSQL's log: with less no server starts, and no log may say so.
FREE_BYTES_MIN = 16 << 20
PROGRESS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.+)")


@dataclass(frozen=True)
class Stack:
    """
    A running stack: addresses, and the processes as they were when it was asked for (a restarted one has a new pid).

    `databases` are URLs with passwords, by service; `urls` and the services' pids are empty without services;
    `postgres` is None when all databases were given.
    """

    home: Path
    kafka: str
    postgres: str | None
    databases: Mapping[str, str] = field(repr=False)
    urls: Mapping[str, str]
    pids: Mapping[str, int]
    token_key_file: Path

    def token(self, tenant: str, scope: str, *, subject: str = DEFAULT_SUBJECT) -> str:
        """Return a token that this stack accepts."""
        return issue(self.token_key_file, tenant=tenant, scope=scope, subject=subject)

    def environment(self) -> dict[str, str]:
        """Return the settings with which a process of ours uses this stack: Kafka, databases, services, token key."""
        return {
            "ATTAIN_KAFKA": self.kafka,
            "ATTAIN_TOKEN_KEY_FILE": str(self.token_key_file),
            **{database_variable(service): url for service, url in self.databases.items()},
            **{url_variable(service): url for service, url in self.urls.items()},
        }


def start(
    home: Path | str,
    *,
    services: bool = True,
    say: Say = lambda text: None,
    owner: int | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = START_S_MAX,
) -> Stack:
    """
    Return the stack of this home, started in the background unless it runs; callers may come at the same time.

    Args:
        services: False for Kafka and PostgreSQL alone, without migrations, topics and services.
        say: told of progress, a line at a time.
        owner: pid of a process with whose end the stack stops, however that process ends.
        environment: settings for the stack in addition to this process's own.
        timeout_s: how long to wait until it is ready.

    Raises:
        StackError: it could not be started; `detail` has the end of the failing program's log.
        KeyboardInterrupt: what this call had started is stopped again.
    """
    place = Home(home)
    deadline = time.monotonic() + timeout_s
    progress = _Progress(place.supervisor_log, say)
    started: subprocess.Popen[bytes] | None = None
    try:
        while time.monotonic() < deadline:
            progress.show()
            run = _live(place)
            if run is not None and run.ready:
                progress.show()
                _end_if_second(started, run)
                return _checked(place, run, services)
            if started is None and run is None:
                started = _spawn(place, services, owner, environment or {})
            elif started is not None and started.poll() is not None:
                if started.returncode != EXIT_IN_USE:
                    progress.show()
                    raise _failure(place, started)
                # Somebody else was quicker; what they start is what we wait for.
                started = None
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        if started is not None:
            say("stopping what was being started")
            started.terminate()
            started.wait()
        raise
    raise StackError(f"the stack was not ready in {timeout_s:.0f} s; see {place.logs}", tail(place.supervisor_log))


def running(home: Path | str) -> Stack | None:
    """Return the stack of this home if it is ready (asking waits for nothing), None otherwise."""
    place = Home(home)
    run = _live(place)
    return None if run is None or not run.ready else _stack(place, run)


def starting(home: Path | str) -> bool:
    """Tell whether a supervisor of this home is at work and its stack is not ready."""
    run = _live(Home(home))
    return run is not None and not run.ready


def stop(home: Path | str) -> bool:
    """
    Stop everything of this home, also what a killed supervisor left; return whether anything ran.

    Raises:
        StackError: it belongs to another user.
    """
    place = Home(home)
    state = place.state()
    if state is None:
        return False
    run = place.run()
    supervisor = None if run is None else processes.find(run.supervisor)
    if supervisor is not None:
        try:
            supervisor.send_signal(signal.SIGTERM)
            if processes.wait([supervisor], STOP_S_MAX):
                supervisor.kill()
                processes.wait([supervisor], STOP_S_MAX)
        except psutil.NoSuchProcess:
            pass
        except psutil.AccessDenied as error:
            raise StackError(f"the stack in {place.folder} belongs to another user") from error
    with place.locked():
        left = end_orphans(place, state, lambda text: None)
    return left or supervisor is not None


def reset(home: Path | str) -> bool:
    """
    Stop everything of this home and delete it with all its data; return whether there was a home.

    Raises:
        StackError: the folder holds something that is not a home of ours.
    """
    stop(home)
    return Home(home).delete()


class _Progress:
    """Passes on the lines that supervisors add to their log from now on."""

    def __init__(self, log: Path, say: Say) -> None:
        self._log = log
        self._say = say
        self._position = log.stat().st_size if log.exists() else 0

    def show(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            match = PROGRESS.fullmatch(line)
            if match is not None:
                self._say(match[1])


def _live(home: Home) -> Run | None:
    run = home.run()
    return None if run is None or processes.find(run.supervisor) is None else run


def _end_if_second(started: subprocess.Popen[bytes] | None, run: Run) -> None:
    """End the supervisor that we started if another was quicker: it would take over as soon as that one is stopped."""
    if started is not None and started.pid != run.supervisor.pid:
        started.terminate()
        started.wait()


def _spawn(home: Home, services: bool, owner: int | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    home.make_folder()
    log = home.log("supervisor")
    command = python("deploy.local.supervisor", "--home", str(home.folder))
    command += [] if services else ["--no-services"]
    command += [] if owner is None else ["--owner", str(owner)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=python_environment() | dict(environment),
            start_new_session=True,
        )
    # Takes the exit status when it ends, so that it does not stay as a zombie of a long test run.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def _failure(home: Home, started: subprocess.Popen[bytes]) -> StackError:
    free = shutil.disk_usage(home.folder).free
    if free < FREE_BYTES_MIN:
        return StackError(f"{free >> 20} MiB are left on the disk of {home.folder}: make room, then start it again")
    run = home.run()
    if run is not None and run.supervisor.pid == started.pid and run.error:
        return StackError(run.error, run.error_detail)
    return StackError(f"the supervisor ended; see {home.supervisor_log}", tail(home.supervisor_log))


def _checked(home: Home, run: Run, services: bool) -> Stack:
    if services and not run.services:
        raise StackError(f"the stack in {home.folder} runs without services; stop it first")
    return _stack(home, run)


def _stack(home: Home, run: Run) -> Stack:
    pids = {name: pid.pid for name, pid in run.children.items()}
    return Stack(
        home=home.folder,
        kafka=run.kafka,
        postgres=run.postgres,
        databases=run.databases,
        urls=run.urls,
        pids={"supervisor": run.supervisor.pid} | pids,
        token_key_file=home.token_key_file,
    )
