"""Live updates: a stream that says when what a page shows has changed, and nothing about what it is."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.reporting.entrypoints.asking import Waited, part
from services.reporting.handlers.watching import Watcher
from shared.described import EVENT_STREAM, text_of
from shared.streams import Streams

KEEP_ALIVE_S = 15.0
"""How often a comment is sent, so that proxies keep the stream and a reader that is gone is noticed."""
STREAM_S = 15 * 60.0
"""A stream ends after so long; the browser opens another, and its rights are looked at again."""
router = APIRouter(tags=["live"])
Watches = Annotated[Watcher, part("watcher")]
Open = Annotated[Streams, part("streams")]


@router.get("/live", response_class=StreamingResponse, responses=text_of(EVENT_STREAM))
async def live(
    request: Request, caller: Waited, watches: Watches, streams: Open, learner: str | None = None,
    class_id: str | None = None, district: str | None = None,
) -> StreamingResponse:  # fmt: skip
    """Server-sent events `changed` for a learner, a class or a district; 503 where too many streams are open."""
    streams.check(caller.tenant)
    seen = await watches.begin(caller, learner=learner, class_id=class_id, district=district)

    async def stream() -> AsyncGenerator[str, None]:
        version, quiet, total = await watches.version(seen), 0.0, 0.0
        yield "retry: 2000\n\n"
        while total < STREAM_S and not await request.is_disconnected():
            await asyncio.sleep(watches.every_s)
            quiet, total = quiet + watches.every_s, total + watches.every_s
            now = await watches.version(seen)
            if now != version:
                version, quiet = now, 0.0
                yield f"event: changed\nid: {now}\ndata: {{}}\n\n"
            elif quiet >= KEEP_ALIVE_S:
                quiet = 0.0
                yield ": still here\n\n"

    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(streams.counted(caller.tenant, stream()), media_type=EVENT_STREAM, headers=headers)
