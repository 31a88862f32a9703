"""A webhook's receiver that may be hostile: it answers as a script says, by raw bytes over loopback."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import msgspec

Manner = Literal["take", "late", "500", "422", "410", "reset", "slow", "drip", "endless", "redirect", "nonsense"]
SLOW_S, LATE_S = 30.0, 0.15


@dataclasses.dataclass(frozen=True)
class Request:
    """What came: the headers by lower-case name, the body, and the event in it."""

    headers: dict[str, str]
    body: bytes
    event: dict[str, Any]

    @property
    def learner(self) -> str:
        return str(self.event["subject"])


@dataclasses.dataclass
class Receiver:
    """`taken` are the requests that were answered 200, `seen` all; `manner` says how to answer one."""

    manner: Callable[[Request], Manner]
    redirect_to: str = ""
    port: int = 0
    seen: list[Request] = dataclasses.field(default_factory=list)
    taken: list[Request] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def by_learner(self) -> dict[str, list[int]]:
        """Return the positions taken of each learner, in the order in which they came, immediate repeats once."""
        found: dict[str, list[int]] = {}
        for request in self.taken:
            mine = found.setdefault(request.learner, [])
            if mine[-1:] != [request.event["position"]]:
                mine.append(request.event["position"])
        return found

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
                headers = {name.lower(): value.strip() for name, _, value in lines}
                body = await reader.readexactly(int(headers["content-length"]))
                request = Request(headers, body, msgspec.json.decode(body))
                self.seen.append(request)
                if not await self._as_told(self.manner(request), request, writer):
                    break
        with contextlib.suppress(Exception):
            writer.close()

    async def _as_told(self, manner: Manner, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer; return whether the connection stays open."""
        match manner:
            case "take" | "late":
                self.taken.append(request)
                await asyncio.sleep(LATE_S if manner == "late" else 0.0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            case "500" | "422" | "410":
                writer.write(f"HTTP/1.1 {manner} No\r\nContent-Length: 0\r\n\r\n".encode())
            case "redirect":
                writer.write(f"HTTP/1.1 307 Go\r\nLocation: {self.redirect_to}\r\nContent-Length: 0\r\n\r\n".encode())
            case "reset":
                writer.transport.abort()
                return False
            case "slow":
                await asyncio.sleep(SLOW_S)
                return False
            case "drip":
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.05)
                return False
            case "endless":
                self.taken.append(request)
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"3e8\r\n" + b"z" * 1000 + b"\r\n")
                    await writer.drain()
            case "nonsense":
                writer.write(b"\x00\xff SSH-2.0 hello\r\n\r\n")
                return False
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    """Listen on a free loopback port."""
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
