"""
A process beside the service that refolds pages for it, on a core of its own.

It is asked and answers in frames over its standard input and output, one after the other, and ends with its input: so with
whoever started it, however that ended.
"""

import asyncio
import collections
import contextlib
import logging
import os
import signal
import struct
import sys
import time
from typing import BinaryIO

import msgspec

from services.progression.handlers.outcome import Refolded
from services.progression.handlers.refolding import Refolding, Wanted
from shared.collecting import collect_rarely
from shared.database import Database
from shared.errors import Unavailable

log = logging.getLogger(__name__)

NICE = 10
"""Whoever serves evidence and requests comes first."""
AGAIN_S = 10.0
"""So long after a start another one is not tried."""
ANSWER_S = 60.0
"""A process that has not answered for so long, however busy the machine, is ended."""

_length = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_wanted = msgspec.msgpack.Decoder(Wanted).decode
_refolded = msgspec.msgpack.Decoder(Refolded | None).decode


class Refolder:
    """The process, seen from the service."""

    def __init__(self, database_url: str) -> None:
        self.runs = False
        """Whether it is connected and can be asked."""
        self._database_url = database_url
        self._answers: collections.deque[asyncio.Future[Refolded | None]] = collections.deque()
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._again_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process's id, None where none runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it, unless it runs or ended only just now; it can be asked once it `runs`."""
        if self._running is None and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + AGAIN_S
            self._running = asyncio.create_task(self._run())

    def end(self) -> None:
        """Let it end, if it runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def refold(self, wanted: Wanted) -> Refolded | None:
        """
        Return what a page becomes, None where its rules cannot be used yet; several may be asked for at a time.

        Raises:
            Unavailable: the process does not run, ends before it answers, or does not answer.
        """
        process = self._process
        # One that was let end, or has died, may still be there: to write to it would fail the fold.
        if not self.runs or process is None or process.stdin is None or process.stdin.is_closing():
            raise Unavailable("the process that refolds does not run")
        answer: asyncio.Future[Refolded | None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        process.stdin.write(_framed(_encode(wanted)))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise Unavailable("the process that refolds does not answer") from error

    async def _run(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            log.warning("the process that refolds cannot be started; the service goes on by itself: %s", error)
            self._running = None
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        try:
            process.stdin.write(_framed(self._database_url.encode()))
            await self._read(process.stdout)
        except (asyncio.IncompleteReadError, OSError):
            if not process.stdin.is_closing():
                log.warning("the process that refolds has ended; the service goes on by itself")
        finally:
            self.runs, self._process, self._running = False, None, None
            for answer in self._answers:
                if not answer.done():
                    answer.set_exception(Unavailable("the process that refolds has ended"))
            self._answers.clear()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _read(self, answers: asyncio.StreamReader) -> None:
        """Give each answer to whom it is for; the first says that the process is connected."""
        while True:
            (length,) = _length.unpack(await answers.readexactly(_length.size))
            refolded = _refolded(await answers.readexactly(length))
            if not self.runs:
                self.runs = True
                continue
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_result(refolded)


def main() -> None:
    """Answer what is asked for until the input ends; the first frame is the database's URL."""
    os.nice(NICE)
    collect_rarely()
    # A terminal's Ctrl-C is for whoever started it, and what there is to say is in the answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    url = _next_of(sys.stdin.buffer)
    if url is None:
        return
    with asyncio.Runner() as runner:
        refolding = Refolding(runner.run(Database.connect(url.decode(), connections=2)))
        answer: Refolded | None = None
        while _told(answer) and (asked := _next_of(sys.stdin.buffer)) is not None:
            answer = runner.run(_answer(refolding, _wanted(asked)))


async def _answer(refolding: Refolding, wanted: Wanted) -> Refolded | None:
    try:
        return await refolding.refold(wanted)
    except Unavailable:
        return None


def _told(answer: Refolded | None) -> bool:
    """Write an answer; False where nobody reads it any more."""
    try:
        sys.stdout.buffer.write(_framed(_encode(answer)))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return False
    return True


def _framed(body: bytes) -> bytes:
    return _length.pack(len(body)) + body


def _next_of(frames: BinaryIO) -> bytes | None:
    """Return the next frame; None where the input has ended."""
    head = frames.read(_length.size)
    return frames.read(*_length.unpack(head)) if len(head) == _length.size else None


if __name__ == "__main__":
    main()
