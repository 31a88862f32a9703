"""
How requests come in and answers go out: what the other side sends or reads has an end, in size and in time.

Here heads, what comes behind an answer, and answers; bodies have theirs in `shared.every_request`.
"""

import asyncio
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.described import PROBLEM

HEAD_BYTES_MAX = 64 << 10
"""Of address and headers, or of what lies between two parts of a body; what is read at once may be more, and is looked at."""
HEAD_S = 60
"""How long the head may take, from the connection or from its first byte: a client that is gone is not waited for."""
READ_S, READ_BYTES_PER_S = 60, 4096
"""How long it may take until what waits to be sent is read, with a second more for each so many bytes of it."""
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

    A head that goes on beyond the limit is answered with 431. The connection ends where one takes too long, where a body goes on
    for long that was answered already, and where an answer is not read: what waits to be read lies in the memory.
    """

    _outside = 0
    """Bytes since a request began that are none of its body, or since the last part of that."""
    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._have_head()
        self._have_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, unless it is a head beyond the limit."""
        self._outside += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._outside > HEAD_BYTES_MAX and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _feed(self, data: bytes) -> None:
        """
        Parse what comes; of who offers to go on in another protocol, as HTTP/2, as if nothing had been offered.

        The parser takes what follows such a head for that protocol, so a body would be lost, and be read as the next request.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offered:
                data = self._head_again() + data[offered.args[0] :]
            else:
                return

    def _head_again(self) -> bytes:
        """Return the head that was parsed without what it offers, for a new parser."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("nothing is connected to here")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        kept = (header for header in self.headers if header[0] not in (b"upgrade", b"connection"))
        return b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, b"".join(map(b"%s: %s\r\n".__mod__, kept)))

    def on_message_begin(self) -> None:
        """Wait for the head that begins."""
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with the request, unless its head is parsed once more."""
        if self.parser.should_upgrade():
            return
        self._have_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, which has a limit of its own."""
        self._outside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; another may follow in the same bytes."""
        if self.parser.should_upgrade():
            return
        self._outside = 0
        self._have_head()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for what follows an answer; what is left of a body that it did not wait for may take as long as a head."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._await_head()

    def pause_writing(self) -> None:
        """Wait until what is to be sent has been read, but for a little."""
        super().pause_writing()
        waits = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(READ_S + waits / READ_BYTES_PER_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._have_read()
        super().resume_writing()

    def _have_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _await_head(self) -> None:
        self._have_head()
        self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def _have_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
