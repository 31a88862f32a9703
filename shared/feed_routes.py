"""The feed of a service's logs by HTTP, in the bytes that Kafka has; `shared.feed` reads it."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from shared.database import Database
from shared.described import NDJSON, lines_of
from shared.errors import Gone, InvalidEvent
from shared.event_log import EventLog
from shared.events import Position
from shared.settings import Settings
from shared.web import Caller

_HEAD = {"Attain-Head": "the position of the shard's last event"}


def feed_router(database: Database, logs: Sequence[EventLog], settings: Settings) -> APIRouter:
    """Return the feed of this service's logs, for other services (scope `service`)."""
    router = APIRouter(tags=["feed"])
    by_name = {event_log.name: event_log for event_log in logs}

    def named(name: str) -> EventLog:
        if name not in by_name:
            raise InvalidEvent(f"no log {name[:60]!r} here; there are {', '.join(by_name)}", pointer="/log")
        return by_name[name]

    @router.get("/v1/feed", response_class=Response, responses=lines_of(dict[str, Any], _HEAD))
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
        return Response(body, headers={"Attain-Head": token}, media_type=NDJSON)

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
