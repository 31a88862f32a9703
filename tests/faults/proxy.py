"""A TCP proxy on loopback that can be cut, slowed or made half-open while connections run through it."""

import asyncio
import contextlib
from typing import Literal

Mode = Literal["pass", "cut", "half-open", "slow"]
CHUNK_BYTES = 1 << 16


class Proxy:
    """
    Forwards `port` to a port of this machine, in one of these modes:

    - pass: bytes go both ways;
    - cut: every connection is reset, wherever it is in a frame, and new ones are refused;
    - half-open: requests arrive, answers vanish; such a connection is reset when the mode ends, as TCP would;
    - slow: each chunk waits `delay_s` in each direction.
    """

    def __init__(self) -> None:
        self.target = 0
        self.port = 0
        self.delay_s = 0.0
        self.mode: Mode = "pass"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._robbed: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a port of the system's choice."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Reset all connections and listen no more."""
        if self._server is not None:
            self._server.close()
        self._reset(self._writers)

    def switch(self, mode: Mode, delay_s: float = 0.0) -> None:
        """Change the mode for connections that exist and for new ones."""
        self.mode, self.delay_s = mode, delay_s
        if mode == "cut":
            self._reset(self._writers)
        if mode != "half-open":
            self._reset(self._robbed)
            self._robbed.clear()

    @staticmethod
    def _reset(writers: set[asyncio.StreamWriter]) -> None:
        for writer in list(writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(requests)
        try:
            await asyncio.gather(self._pump(reader, requests, False), self._pump(answers, writer, True))
        finally:
            for end in (writer, requests):
                end.transport.abort()
                self._writers.discard(end)
                self._robbed.discard(end)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                if self.mode == "half-open" and is_answer:
                    self._robbed.add(sink)
                if sink in self._robbed:
                    continue
                if self.mode == "slow":
                    await asyncio.sleep(self.delay_s)
                sink.write(chunk)
                await sink.drain()
        # The end of one direction ends the connection: none of the protocols here half-closes.
        sink.transport.abort()
