"""The port of a service that cannot begin yet: it is alive and not ready, and whoever asks for more is to ask again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import Unavailable
from shared.every_request import EveryRequest
from shared.http_protocol import BoundedHttp
from shared.readiness import Readiness
from shared.settings import Settings
from shared.web import problem

STOP_S = 1


@contextlib.asynccontextmanager
async def not_ready(settings: Settings, waits_for: str) -> AsyncIterator[None]:
    """Answer for the service until the end of the block; the port is free again afterwards."""
    config = uvicorn.Config(
        EveryRequest(_application(waits_for), settings), host=settings.host, port=settings.port,
        http=BoundedHttp, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=STOP_S,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _application(waits_for: str) -> ASGIApp:
    answers = {
        "/livez": PlainTextResponse("ok"),
        "/readyz": PlainTextResponse(Readiness([waits_for]).text(), 503),
    }  # fmt: skip
    other = problem(Unavailable.status, Unavailable.title, f"the service waits for {waits_for}")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answers.get(scope["path"], other)(scope, receive, send)

    return application
