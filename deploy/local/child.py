"""One supervised program: started, waited for, restarted when it dies, stopped."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError, tail
from deploy.local.processes import MARK

Say = Callable[[str], None]
Argv = Sequence[str]

POLL_S = 0.05
BACK_OFF_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
# A program that ran this long had recovered: its next death starts the back-off anew.
STEADY_S = 30.0


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Account:
    """The user that a program runs as; its working folder is then `/`, which every user may enter."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """
    What a child is.

    `answers` asks the program once, briefly, whether it is ready and is ours; it raises nothing. `prepare` runs before
    every start and clears what a crash left. `stop_signal` asks for a clean stop, for which it has `grace_s`. After the
    n-th death within a short time it is started again n-th of `back_off_s` seconds later.
    """

    name: str
    title: str
    command: Argv
    environment: Mapping[str, str]
    log: Path
    address: str
    answers: Callable[[], Awaitable[bool]]
    prepare: Callable[[], Awaitable[None]] = _nothing
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 15.0
    start_s_max: float = 90.0
    back_off_s: Sequence[float] = BACK_OFF_S


async def spawn(
    argv: Argv, environment: Mapping[str, str], log: Path, account: Account | None = None
) -> asyncio.subprocess.Process:
    """Start a process in a session of its own (Ctrl-C in the terminal is for the supervisor alone)."""
    with log.open("ab") as output:
        try:
            program, *arguments = argv
            return await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
                cwd=None if account is None else "/",
            )
        except OSError as error:
            raise StackError(f"cannot start {argv[0]}: {error.strerror}") from error


async def finish(
    title: str, argv: Argv, environment: Mapping[str, str], log: Path, account: Account | None = None
) -> None:
    """
    Run a helper program to its end; it does not outlive the call.

    Raises:
        StackError: it failed; with the end of what it wrote.
    """
    since = _size(log)
    process = await spawn(argv, environment, log, account)
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise StackError(f"{title} failed ({_reason(code)}); see {log}", tail(log, since))


def inherited(home_id: str) -> dict[str, str]:
    """Return the environment of a program that knows nothing of Attain: ours without its settings, with the mark."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ATTAIN_", "PG"))}
    return ours | {MARK: home_id}


class Child:
    """Keeps one program running; `started` is told its pid after every start."""

    def __init__(self, program: Program, say: Say, started: Callable[[str, int], None]) -> None:
        self.program = program
        self._say = say
        self._started = started
        self._process: asyncio.subprocess.Process | None = None
        self._since = 0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Start the program and return when it answers.

        Raises:
            StackError: it ended or did not answer in time; with the end of its log.
        """
        began = time.monotonic()
        await self._spawn()
        if not await self._answers(began + self.program.start_s_max):
            raise StackError(f"{self.program.title} {self._fate()}; see {self.program.log}", self._tail())
        self._say(f"{self.program.title} ready in {time.monotonic() - began:.1f} s on {self.program.address}")

    def keep(self) -> None:
        """From now on restart the program whenever it ends, until `stop`."""
        self._keeper = asyncio.create_task(self._restart_for_ever())

    async def stop(self) -> None:
        """Stop the program cleanly, or after its grace by force; returns when it has ended. Never raises."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.program.grace_s)
        except TimeoutError:
            self._say(f"{self.program.title} did not stop in {self.program.grace_s:.0f} s and is killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        program = self.program
        await program.prepare()
        self._since = _size(program.log)
        self._process = await spawn(program.command, program.environment, program.log, program.account)
        self._started(program.name, self._process.pid)

    async def _answers(self, deadline: float) -> bool:
        """Return True when the program answers, False when it has ended or the time is up."""
        assert self._process is not None
        while self._process.returncode is None and time.monotonic() < deadline:
            if await self.program.answers():
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _restart_for_ever(self) -> None:
        assert self._process is not None
        deaths = 0
        started = time.monotonic()
        while True:
            await self._process.wait()
            deaths = 0 if time.monotonic() - started > STEADY_S else deaths
            delay = self.program.back_off_s[min(deaths, len(self.program.back_off_s) - 1)]
            deaths += 1
            self._say(f"{self.program.title} {self._fate()}; starting it again in {delay} s")
            await asyncio.sleep(delay)
            started = time.monotonic()
            try:
                await self._spawn()
            except (StackError, OSError) as error:
                self._say(f"{self.program.title} could not be started: {error}")
                continue
            if await self._answers(started + self.program.start_s_max):
                self._say(f"{self.program.title} is back after {time.monotonic() - started:.1f} s")

    def _fate(self) -> str:
        assert self._process is not None
        code = self._process.returncode
        return f"did not answer in {self.program.start_s_max:.0f} s" if code is None else f"ended ({_reason(code)})"

    def _tail(self) -> str:
        return tail(self.program.log, self._since)


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
