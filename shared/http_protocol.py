"""How requests come in: a head that has an end, in size and in time, as bodies have theirs in `shared.every_request`."""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.described import PROBLEM

HEAD_BYTES_MAX = 64 << 10
"""Of address and headers, or of what lies between two parts of a body; what is read at once may be more, and is looked at."""
HEAD_S = 60
"""How long the head may take, from the connection or from its first byte: a client that is gone is not waited for."""
_DETAIL = f"the address and the headers of a request are over {HEAD_BYTES_MAX} bytes"
_BODY = msgspec.json.encode(
    {"type": "about:blank", "title": "Request Header Fields Too Large", "status": 431, "detail": _DETAIL}
)
_TOO_LARGE = (
    f"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: {PROBLEM}\r\nContent-Length: {len(_BODY)}\r\n"
    "Connection: close\r\n\r\n"
).encode() + _BODY


class BoundedHttp(HttpToolsProtocol):
    """
    Uvicorn's protocol, which by itself keeps a head of any length, from whoever reaches the port, before a token is asked for.

    A head that goes on beyond the limit is answered with 431, one that takes too long with the end of the connection.
    """

    _outside = 0
    """Bytes since a request began that are none of its body, or since the last part of that."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, unless it is a head beyond the limit."""
        self._outside += len(data)
        super().data_received(data)
        if self._outside > HEAD_BYTES_MAX and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the head that begins."""
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with the request."""
        self._have_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, which has a limit of its own."""
        self._outside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; another may follow in the same bytes."""
        self._outside = 0
        super().on_message_complete()

    def _await_head(self) -> None:
        self._have_head()
        self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def _have_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
