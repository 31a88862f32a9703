"""Public events for whoever asks: page by page behind a cursor, as a stream, and standings for who comes late."""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.progression.entrypoints.answered import Standings
from services.progression.entrypoints.asking import may_read, waits
from services.progression.handlers.cursors import head_cursor
from services.progression.handlers.public_feed import PublicFeed
from services.progression.handlers.references import References
from services.progression.handlers.standings import standings_behind
from services.progression.tables import disclosures
from shared.asyncapi import event_schema
from shared.auth import Authenticator, Identity
from shared.database import Database
from shared.described import EVENT_STREAM, answered, answers, named, text_of
from shared.errors import Unauthorized, Unavailable
from shared.event_log import EventLog
from shared.settings import Settings
from shared.streams import Streams
from shared.topics import ADVANCEMENT
from shared.web import Caller

STREAM_S_MAX = 3600.0
"""A stream ends after so long: whoever reads it comes back with the last id, and with a token that is still good."""
STREAM_ROWS = 200
STREAM_POLL_S = 0.25
HEARTBEAT_S = 15.0
_FEED: dict[int | str, dict[str, Any]] = {
    200: answers(
        "as asked",
        named(
            "PublicEvents",
            {
                "type": "object",
                "required": ["items", "next"],
                "properties": {
                    "items": {"type": "array", "items": named("PublicEvent", event_schema(ADVANCEMENT))},
                    "next": {"type": "string"},
                },
            },
        ),
    )
}
After = Annotated[
    str, Query(max_length=4096, description="a cursor: `next` of a page, or the `id` of a stream's event")
]


def feeds_router(database: Database, log: EventLog, references: References, settings: Settings) -> APIRouter:
    """Return the routes of the public feed."""
    router = APIRouter(tags=["advancement"], dependencies=[waits(database, settings)])
    feed = PublicFeed(database, log, references, settings.page_rows_max)
    streams = Streams(settings.streams_max)

    @router.get("/v1/advancements", responses=_FEED)
    async def advancements(caller: Caller, after: After = "", limit: Annotated[int, Query(ge=1)] = 1000) -> Response:
        """Public events behind a cursor, each learner's in order; `next` goes on from here."""
        caller.require_sight("timeline")
        return _page(*await feed.page(caller, None, after, limit))

    @router.get("/v1/learners/{learner}/advancements", responses=_FEED)
    async def advancements_of(
        learner: str, caller: Caller, after: After = "", limit: Annotated[int, Query(ge=1)] = 1000
    ) -> Response:
        """One learner's public events behind a cursor."""
        may_read(caller, learner, "timeline")
        return _page(*await feed.page(caller, learner, after, limit))

    @router.get("/v1/advancements/stream", response_class=StreamingResponse, responses=text_of(EVENT_STREAM))
    async def stream(
        request: Request, caller: Caller, after: After = "", last_event_id: Annotated[str, Header(max_length=4096)] = ""
    ) -> Response:
        """
        The same events as they come (Server-Sent Events), for as long as the token is good; goes on behind `Last-Event-ID`, or
        `after`.
        """
        caller.require_sight("timeline")
        streams.check(caller.tenant)
        # A cursor that is none is refused before the stream begins.
        await feed.check(last_event_id or after)
        authenticator: Authenticator = request.app.state.authenticator
        check = functools.partial(authenticator.identify, request.headers.get("authorization"))
        return StreamingResponse(
            streams.counted(caller.tenant, _stream(feed, caller, last_event_id or after, check)),
            media_type=EVENT_STREAM,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get("/v1/standings", responses=answered(Standings))
    async def standings(
        caller: Caller, after: Annotated[str, Query(max_length=100)] = "", limit: Annotated[int, Query(ge=1)] = 500
    ) -> dict[str, Any]:
        """
        The latest standing of every learner and level, by learner behind `after`; of competencies that are `retired`, which
        lie in no level any more; and the digests of what they ended closed terms with, amendments in it.

        `position` is the cursor at which the page is true: go on with the feed behind that of the first page, and drop
        events whose `seq` is not above that of the standing. That the caller is given them is logged before.
        """
        caller.require_sight("record")
        async with database.instant() as connection:
            heads = await log.heads(connection)
            found, following = await standings_behind(connection, caller.tenant, after, min(limit, 5000))
        if given := [each["learner"] for listed in found.values() for each in listed]:
            async with database.connection() as connection:
                await disclosures.note_standings(connection, caller.tenant, caller.subject, after, max(given))
        return {**found, "next": following, "position": head_cursor(heads)}

    return router


def _page(events: list[tuple[str, bytes]], following: str) -> Response:
    items = b",".join(body for _, body in events)
    return Response(b'{"items":[%s],"next":"%s"}' % (items, following.encode()), media_type="application/json")


class _Type(msgspec.Struct):
    type: str


_type_of = msgspec.json.Decoder(_Type).decode


async def _stream(
    feed: PublicFeed, caller: Identity, after: str, check: Callable[[], Identity]
) -> AsyncGenerator[bytes, None]:
    try:
        end, spoke = time.monotonic() + STREAM_S_MAX, time.monotonic()
        yield b"retry: 2000\n\n"
        while time.monotonic() < end:
            check()
            events, after = await feed.page(caller, None, after, STREAM_ROWS, "stream")
            for cursor, body in events:
                yield b"id: %s\nevent: %s\ndata: %s\n\n" % (cursor.encode(), _type_of(body).type.encode(), body)
            if events:
                spoke = time.monotonic()
                continue
            if time.monotonic() - spoke > HEARTBEAT_S:
                spoke = time.monotonic()
                yield b": alive\n\n"
            await asyncio.sleep(STREAM_POLL_S)
    except (Unavailable, Unauthorized):
        # The reader comes back by itself, with the last id, and a token that is good.
        return
