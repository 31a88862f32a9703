"""
Processes named so that a reused pid is never taken for one of ours.

A process is its pid and its start time. What the supervisor starts also carries the id of its home in its environment,
so that a process is found even when the supervisor was killed before it could write the pid down.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

MARK = "ATTAIN_SUPERVISED_BY"
# The start time is computed from the clock of the boot, which a time server may move a little.
CLOCK_STEP_S = 2.0
GRACE_S = 15.0
POLL_S = 0.02


class Pid(NamedTuple):
    """A pid with the start time of its process, in seconds since 1970."""

    pid: int
    created: float


def identify(pid: int) -> Pid:
    """Return what names the living process `pid`, now and after a reboot."""
    return Pid(pid, psutil.Process(pid).create_time())


def find(named: Pid | None) -> psutil.Process | None:
    """Return the process if it still lives (a zombie does not), None otherwise or when the pid is another's now."""
    if named is None:
        return None
    try:
        process = psutil.Process(named.pid)
        same = abs(process.create_time() - named.created) <= CLOCK_STEP_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def marked(home_id: str) -> list[psutil.Process]:
    """Return the living processes that carry the mark of this home; of other users only those we may look at."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == home_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def postgres_in(folder: Path) -> list[psutil.Process]:
    """Return the living processes of PostgreSQL, which hides its environment, by their working folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and process.cwd() == str(folder.resolve()):
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Ask the processes to stop, wait, and kill those that did not; returns when none lives."""
    chosen = [process for process in processes if process.pid != os.getpid()]
    pids = {process.pid for process in chosen}
    for process in chosen:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() != "postgres":
                process.terminate()
            # To PostgreSQL SIGTERM means "when all clients have left", SIGINT means "now, and cleanly"; the server
            # ends its own processes in their order, to which the signal means other things.
            elif process.ppid() not in pids:
                process.send_signal(signal.SIGINT)
    living = wait(chosen, grace_s)
    for process in living:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait(living, grace_s)


def wait(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that have not. A zombie that nobody reaps has ended."""
    deadline = time.monotonic() + timeout_s
    living = [process for process in processes if _lives(process)]
    while living and time.monotonic() < deadline:
        time.sleep(POLL_S)
        living = [process for process in living if _lives(process)]
    return living


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
