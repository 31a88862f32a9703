"""What every service's HTTP has in common: identity, problem+json, bounded bodies, health, metrics, feed, documents."""

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from shared.auth import ApiKeys, Authenticator, Identity, api_key_of
from shared.database import Database
from shared.errors import AttainError, Gone, InvalidEvent, TooLarge, TooManyRequests, Unavailable
from shared.event_log import EventLog
from shared.events import Position
from shared.every_request import EveryRequest, secure
from shared.observability import metrics as measured
from shared.rate_limit import RateLimit
from shared.settings import Settings
from shared.tenancy import bind, bound_to

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2
LAG_TIMEOUT_S = 5.0
"""Below the ten seconds that Prometheus waits for a scrape."""
LOOP_PROBE_S = 0.01


def make_app(title: str, description: str, authenticator: Authenticator, lifespan: Any) -> FastAPI:
    """Return an application whose errors are problem+json and whose pages need nothing from elsewhere."""
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs-assets",
        title=f"Attain {title}",
        description=description,
        version="1",
        lifespan=lifespan,
    )
    app.state.authenticator = authenticator
    app.state.rate_limit = RateLimit(authenticator.settings.requests_per_s)
    app.add_middleware(EveryRequest)
    app.add_exception_handler(AttainError, _attain_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _bug_problem)
    return app


def problem(status: int, title: str, detail: str, **members: object) -> Response:
    """Return an RFC 9457 problem; members that are None are left out."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {name: member for name, member in members.items() if member is not None}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), status, headers, PROBLEM)


async def _attain_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, AttainError)
    answer = problem(error.status, error.title, error.detail, pointer=error.pointer, **error.members)
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return answer


async def _validation_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    pointer = "/" + "/".join(str(part) for part in first["loc"][1:])
    return problem(422, InvalidEvent.title, first["msg"], pointer=pointer, where=str(first["loc"][0]))


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, str(error.detail), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _bug_problem(request: Request, error: Exception) -> Response:
    answer = problem(500, "Internal error", f"{type(error).__name__}; the log of the service has the rest")
    # Bugs are answered outside of all middleware.
    secure(answer.headers, request.url.path)
    return answer


async def identify(request: Request, authorization: Annotated[str | None, Header()] = None) -> Identity:
    """
    Return the caller, or refuse with 401 or 429; every route but health, metrics and documents depends on it.

    From then on the request is confined.
    """
    authenticator: Authenticator = request.app.state.authenticator
    keys: ApiKeys | None = getattr(request.app.state, "api_keys", None)
    api_key = api_key_of(authorization)
    caller = authenticator.identify(authorization) if keys is None or api_key is None else await keys.identify(api_key)
    rate_limit: RateLimit = request.app.state.rate_limit
    rate_limit.check(caller)
    return confined(caller)


def confined(caller: Identity) -> Identity:
    """Let the rest of the request reach rows of the caller's tenant only, unless another service asks; return the caller."""
    if "service" not in caller.scopes:
        bind(caller.tenant)
    return caller


Caller = Annotated[Identity, Depends(identify)]
Count = Annotated[int, Query(ge=0, le=(1 << 63) - 1)]
"""A number that PostgreSQL can hold against a position."""


async def read_body(request: Request, settings: Settings) -> bytes:
    """
    Return the request body, unzipped, within the limits.

    Raises:
        TooLarge: over `body_bytes_max`, or over `body_inflated_bytes_max` after gzip.
        InvalidEvent: not one whole gzip member although the header says so.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > settings.body_bytes_max:
            raise TooLarge(
                f"the body is over {settings.body_bytes_max} bytes; send smaller batches", reason="too_large"
            )
        chunks.append(chunk)
    body = b"".join(chunks)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise InvalidEvent(
            f"Content-Encoding {encoding[:40]!r} is not supported; send gzip or none", reason="content_encoding"
        )
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, settings.body_inflated_bytes_max + 1)
    except zlib.error as error:
        raise InvalidEvent(f"the body is not gzip: {error}", reason="malformed_gzip") from error
    if len(plain) > settings.body_inflated_bytes_max:
        raise TooLarge(f"the body is over {settings.body_inflated_bytes_max} bytes after gzip", reason="too_large")
    if not inflate.eof or inflate.unused_data:
        raise InvalidEvent("the gzip body is cut off, or has more than one member", reason="malformed_gzip")
    return plain


def operations_router(
    *,
    ready: Callable[[], Awaitable[bool]],
    alive: Callable[[], bool],
    lag: Callable[[], Awaitable[list[dict[str, Any]]]],
) -> APIRouter:
    """Return health, metrics and lag; `alive` is progress of the consumers, not a ping."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", response_class=PlainTextResponse)
    async def livez() -> Response:
        return PlainTextResponse("ok" if alive() else "no progress", 200 if alive() else 503)

    @router.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        is_ready = await ready()
        return PlainTextResponse("ready" if is_ready else "not ready", 200 if is_ready else 503)

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        await _measure(lag)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/lag")
    async def stages(caller: Caller) -> dict[str, Any]:
        """How far each stage of this service is behind, in events and seconds."""
        caller.require("service", "admin")
        # Of all tenants: stages are not any tenant's.
        with bound_to(None):
            return {"stages": await lag()}

    return router


async def _measure(lag: Callable[[], Awaitable[list[dict[str, Any]]]]) -> None:
    """Take what is measured at a scrape only: lag, and how late the event loop is."""
    loop = asyncio.get_running_loop()
    due = loop.time() + LOOP_PROBE_S
    await asyncio.sleep(LOOP_PROBE_S)
    measured.loop_delay.set(max(0.0, loop.time() - due))
    try:
        async with asyncio.timeout(LAG_TIMEOUT_S):
            stages = await lag()
    except (AttainError, TimeoutError, OSError):
        measured.lag_unknown.set(1)
        return
    known = [stage for stage in stages if stage["behind_events"] is not None]
    for stage in known:
        measured.behind_events.labels(stage=stage["name"]).set(stage["behind_events"])
        measured.behind_seconds.labels(stage=stage["name"]).set(stage["behind_seconds"] or 0.0)
    measured.lag_unknown.set(0 if len(known) == len(stages) else 1)


def feed_router(database: Database, logs: Sequence[EventLog], settings: Settings) -> APIRouter:
    """Return the feed of this service's logs, for other services (scope `service`)."""
    router = APIRouter(tags=["feed"])
    by_name = {event_log.name: event_log for event_log in logs}

    def named(name: str) -> EventLog:
        if name not in by_name:
            raise InvalidEvent(f"no log {name[:60]!r} here; there are {', '.join(by_name)}", pointer="/log")
        return by_name[name]

    @router.get("/v1/feed", response_class=PlainTextResponse)
    async def feed(
        caller: Caller,
        log: str,
        shard: int,
        after: str = "0",
        limit: Annotated[int, Query(ge=0)] = 1000,
    ) -> Response:
        """Events of one shard as NDJSON in position order; `after` is a number or a position token."""
        caller.require("service")
        event_log = named(log)
        event_log.check_shard(shard)
        async with database.connection() as connection:
            head = (await event_log.heads(connection))[shard]
            position = _after(after, log, shard, head.generation)
            body = await event_log.lines(connection, shard, position, min(limit, settings.page_rows_max))
        token = str(Position(log, head.generation, shard, head.pos))
        return Response(body, headers={"Attain-Head": token}, media_type="application/x-ndjson")

    @router.get("/v1/heads")
    async def heads(caller: Caller, log: str) -> dict[int, tuple[int, int]]:
        """The generation and last position of every shard of a log."""
        caller.require("service")
        async with database.connection() as connection:
            return {shard: (head.generation, head.pos) for shard, head in (await named(log).heads(connection)).items()}

    return router


def _after(text: str, log: str, shard: int, generation: int) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    position = Position.parse(text)
    if (position.log, position.shard) != (log, shard):
        raise InvalidEvent(f"the cursor is of log {position.log}, shard {position.shard}", pointer="/after")
    if position.generation != generation:
        raise Gone(f"the cursor is of generation {position.generation}, the log is in {generation}: start again from 0")
    return position.pos


async def wait_for(reached: Callable[[], Awaitable[bool]], settings: Settings) -> None:
    """
    Wait until a position is folded, for `?wait=`.

    Raises:
        Unavailable: not within `wait_s_max`.
    """
    deadline = asyncio.get_running_loop().time() + settings.wait_s_max
    while not await reached():
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("the position is not folded yet; ask again")
        await asyncio.sleep(0.02)
