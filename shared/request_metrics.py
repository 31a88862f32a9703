"""Counts and times every HTTP request by its route: what is asked, how often, how fast, and how it ends."""

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability import metrics

UNSEEN = frozenset(("/livez", "/readyz", "/metrics"))
"""Asked by probes and scrapers all the time: they would hide what people ask."""


class RequestMetrics:
    """ASGI middleware. A route is its pattern, never a path, so that no id becomes a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note when its answer begins; one that breaks off before that counts as 500."""
        if scope["type"] != "http" or scope["path"] in UNSEEN:
            await self._app(scope, receive, send)
            return
        started, answered = time.perf_counter(), False

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _note(scope, message["status"], time.perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if not answered:
                _note(scope, 500, time.perf_counter() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    matched: Any = scope.get("route")
    route = getattr(matched, "path", "unmatched")
    metrics.requests.labels(method=scope["method"], route=route, status=str(status)).inc()
    metrics.request_seconds.labels(route=route).observe(seconds)
