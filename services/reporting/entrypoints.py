"""Every way in: the HTTP routes of reporting, its page, and its subscriptions."""

import contextlib
import hashlib
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse
from faststream.kafka import KafkaBroker

from services.reporting.handlers.folds import FOLDS
from services.reporting.handlers.reading import READ_SCOPES, Reader
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.tables.schema import INPUT_LOGS
from shared.auth import Identity
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Unavailable
from shared.events import Position
from shared.feed import FeedClient
from shared.settings import Settings
from shared.transport import subscribe
from shared.web import Caller, wait_for

WEB = Path(__file__).parent / "web"
FILES = {"app.js": "text/javascript", "style.css": "text/css"}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PEOPLE_TIMEOUT_S = 10


class ModelConsumer(ShardConsumer):
    """Folds the live version of a read model, and goes on with the next one once that is live."""

    def __init__(self, model: str, version: int, database: Database, feed: FeedClient, settings: Settings) -> None:
        fold = FOLDS[model](version, settings.blocked_learners_max)
        super().__init__(fold.consumer, INPUT_LOGS[model], database, fold, feed, settings)
        self.model = model
        self.version = version
        self.ticked_at = time.monotonic()

    async def follow(self, version: int) -> None:
        """Go on with another version: its tables, its positions."""
        if version == self.version:
            return
        fold = FOLDS[self.model](version, self._settings.blocked_learners_max)
        async with self._busy:
            with contextlib.suppress(Exception):
                # Where it does not end well, the old version lacks a batch, and its positions say so.
                await self._settle()
            self._forget(list(self._owned))
            self._may_claim = dict.fromkeys(self._may_claim, 0.0)
            self._handler, self.name, self.version = fold, fold.consumer, version

    async def _tick_once(self) -> None:
        self.ticked_at = time.monotonic()
        await super()._tick_once()


def subscribe_model(broker: KafkaBroker, consumer: ModelConsumer, settings: Settings) -> None:
    """Feed a consumer from its topic; the group outlives versions, so that a switch moves no partition."""
    subscriber = subscribe(
        broker, consumer.topic, f"reporting-{consumer.model}", consumer.on_records, settings,
        listener=consumer, description=f"reporting folds the log {consumer.log_name} into {consumer.model}",
    )  # fmt: skip
    consumer.kafka = lambda: subscriber.consumer


def _reader(request: Request) -> Reader:
    reader: Reader = request.app.state.reader
    return reader


def _rebuilder(request: Request) -> Rebuilder:
    rebuilder: Rebuilder = request.app.state.rebuilder
    return rebuilder


async def _caller_after_wait(
    request: Request,
    caller: Caller,
    wait: Annotated[str | None, Query(description="a position to be folded first")] = None,
) -> Identity:
    if wait is not None:
        position = Position.parse(wait)
        await wait_for(lambda: _reader(request).reached(position), request.app.state.settings)
    return caller


Waited = Annotated[Identity, Depends(_caller_after_wait)]
Reads = Annotated[Reader, Depends(_reader)]
Rebuilds = Annotated[Rebuilder, Depends(_rebuilder)]
records = APIRouter(tags=["records"])
operations = APIRouter(tags=["rebuild"])
page = APIRouter(include_in_schema=False)


def _json(body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")


@records.get("/v1/learners/{learner}/record")
async def learner_record(
    caller: Waited, reads: Reads, learner: str, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """A learner's record: every competency, the place on the continuum, what is next, what needs a re-check."""
    record = await reads.record(caller, learner)
    # The position moves with every learner of the shard, so it is no part of what a client has cached.
    content = msgspec.json.encode(msgspec.structs.replace(record, position=""))
    etag = f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    known = {tag.strip() for tag in (if_none_match or "").split(",")}
    if known & {etag, etag[2:], "*"}:
        return Response(status_code=304, headers=headers)
    return _json(record, headers)


@records.get("/v1/classes")
async def classes(caller: Waited, reads: Reads) -> Response:
    """The classes that the caller may see."""
    return _json({"items": await reads.classes(caller)})


@records.get("/v1/classes/{class_id:path}/mastery")
async def class_mastery(caller: Waited, reads: Reads, class_id: str) -> Response:
    """A class: learners by competencies, and counts by status; a learner without a state counts as no_evidence."""
    return _json(await reads.class_mastery(caller, class_id))


@records.get("/v1/districts")
async def districts(caller: Waited, reads: Reads) -> Response:
    """The districts of the tenant."""
    return _json({"items": await reads.districts(caller)})


@records.get("/v1/districts/{district:path}/mastery")
async def district_mastery(caller: Waited, reads: Reads, district: str) -> Response:
    """A district: counts by status, competency and school; null where a number is too small to be told."""
    return _json(await reads.district_mastery(caller, district))


@records.get("/v1/states")
async def states(
    caller: Waited,
    reads: Reads,
    after: str = "",
    limit: Annotated[int, Query(ge=1)] = 1000,
    tenant: str | None = None,
) -> Response:
    """Every state of all tenants, or of one, as NDJSON in key order; `Attain-Next` is the next `after`."""
    rows, cursor = await reads.states(caller, tenant, after, limit)
    lines = msgspec.json.Encoder().encode_lines(rows)
    return Response(lines, headers={"Attain-Next": cursor}, media_type="application/x-ndjson")


@records.get("/v1/people")
async def people(request: Request, caller: Waited, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
    """Learners by name or source id: asked of evidence in the caller's name, because names are kept nowhere else."""
    caller.require(*READ_SCOPES)
    return await _ask_evidence(request, "/v1/learners", {"q": q})


@records.get("/v1/people/{learner}")
async def person(request: Request, caller: Waited, learner: str) -> Response:
    """The name and source ids of a learner, asked of evidence in the caller's name."""
    caller.require(*READ_SCOPES)
    return await _ask_evidence(request, f"/v1/learners/{quote(learner, safe='')}", {})


async def _ask_evidence(request: Request, path: str, parameters: dict[str, str]) -> Response:
    client: httpx.AsyncClient = request.app.state.evidence
    headers = {"Authorization": request.headers["authorization"]}
    try:
        answer = await client.get(path, params=parameters, headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable(f"evidence does not answer: {type(error).__name__}") from error
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


@operations.post("/v1/rebuild/{model}", status_code=202)
async def rebuild(
    caller: Caller,
    rebuilds: Rebuilds,
    model: str,
    accept_differences: Annotated[bool, Query(description="switch although the contents differ")] = False,
) -> dict[str, Any]:
    """Rebuild a read model from its log beside the live one, then switch."""
    caller.require("admin")
    return await rebuilds.begin(model, accept_differences=accept_differences)


@operations.post("/v1/rebuild/{model}/rollback", status_code=202)
async def roll_back(caller: Caller, rebuilds: Rebuilds, model: str) -> dict[str, Any]:
    """Go back to the version before the live one, once it is brought to the same positions."""
    caller.require("admin")
    return await rebuilds.roll_back(model)


@operations.get("/v1/rebuild/{model}")
async def rebuild_status(caller: Caller, rebuilds: Rebuilds, model: str) -> dict[str, Any]:
    """The live version of a read model, and how far a rebuild is."""
    caller.require("admin")
    return await rebuilds.status(model)


@page.get("/")
async def index() -> Response:
    """The page; it asks for a token and reads the routes above."""
    return FileResponse(WEB / "index.html", media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


@page.get("/web/{name}")
async def web_file(name: str) -> Response:
    """The script and the style of the page."""
    if name not in FILES:
        return Response(status_code=404)
    return FileResponse(WEB / name, media_type=FILES[name], headers=PAGE_HEADERS)
