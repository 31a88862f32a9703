"""What happens to every HTTP request, whatever its route: counted, timed, its body bounded, its answer with safe headers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import tracing
from shared.errors import BrokenOff, TooLarge, TooSlow
from shared.observability import metrics
from shared.settings import Settings

UNSEEN = frozenset(("/livez", "/readyz", "/metrics"))
"""Asked by probes and scrapers all the time: they would hide what people ask."""
DOCUMENTS = ("/docs", "/asyncapi")
"""Pages whose scripts and styles stand in the page itself."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Heeded by browsers only where TLS is in front.
    "Strict-Transport-Security": "max-age=31536000",
}
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
POLICY_OF_DOCUMENTS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'"
)


async def _anybody(_: Scope) -> None:
    pass


class EveryRequest:
    """
    ASGI middleware. A route is its pattern, never a path, so that no id becomes a label.

    Whoever reads a body gets what `admit` raises of the request, which it is asked before the first byte.
    """

    def __init__(self, app: ASGIApp, settings: Settings, admit: Callable[[Scope], Awaitable[None]] = _anybody) -> None:
        self._app = app
        self._settings = settings
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Pass the request on, and note when its answer begins; one that breaks off before that counts as 500.

        Whoever reads a body that is over the limit gets a `TooLarge`: at once where its length is announced; of one that does
        not come in time a `TooSlow`, of one that breaks off a `BrokenOff`. HEAD is answered as GET is, without the body; of a
        stream with its beginning.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = dict(scope, method="GET"), _bodiless(send)
        started, answered = time.perf_counter(), False
        traced = tracing.request(scope)

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                secure(MutableHeaders(scope=message), scope["path"])
                _note(scope, message["status"], time.perf_counter() - started)
                traced.done(message["status"])
            await send(message)

        try:
            await self._app(scope, self._bounded(scope, receive), noting)
        finally:
            if not answered:
                _note(scope, 500, time.perf_counter() - started)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Frameworks read a body whole before they ask who sends it: so that is asked here, and none is read without an end."""
        headers = Headers(scope=scope)
        announced, taken, whole, admitted = int(headers.get("content-length", 0)), 0, False, False
        has_body = bool(announced) or "transfer-encoding" in headers
        began, config = asyncio.get_running_loop().time(), self._settings

        async def bounded() -> Message:
            nonlocal taken, whole, admitted
            if has_body and not admitted:
                await self._admit(scope)
                admitted = True
            self._check(announced)
            if whole:
                # What comes now is the end of the connection, for which a stream waits as long as it lasts.
                return await receive()
            try:
                async with asyncio.timeout_at(began + config.body_s + taken / config.body_bytes_per_s):
                    message = await receive()
            except TimeoutError as error:
                raise TooSlow("the body did not come in time; send it again, or less at once") from error
            if has_body and message["type"] == "http.disconnect":
                raise BrokenOff("the connection ended before the body did")
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            self._check(taken)
            return message

        return bounded

    def _check(self, body_bytes: int) -> None:
        most = self._settings.body_bytes_max
        if body_bytes > most:
            raise TooLarge(f"the body is over {most} bytes; send less at once", reason="too_large")


def _bodiless(send: Send) -> Send:
    """Return what ends an answer where it begins, and takes no more of it."""

    async def begin(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})

    return begin


def secure(headers: MutableHeaders, path: str) -> None:
    """Add what a route has not set by itself; records of learners are kept by no cache."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", POLICY_OF_DOCUMENTS if path.startswith(DOCUMENTS) else POLICY)
    if path.startswith("/v1/"):
        headers.setdefault("Cache-Control", "no-store")


def _note(scope: Scope, status: int, seconds: float) -> None:
    if scope["path"] in UNSEEN:
        return
    matched: Any = scope.get("route")
    route = getattr(matched, "path", "unmatched")
    metrics.requests.labels(method=scope["method"], route=route, status=str(status)).inc()
    if b"wait=" not in scope["query_string"]:
        metrics.request_seconds.labels(route=route).observe(seconds)
