"""The alignment map by HTTP: publish entries, as JSON or CSV, and read every version of them."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.evidence.domain.alignment import Entry
from services.evidence.entrypoints.answered_evidence import AlignedPage, Unaligned
from services.evidence.entrypoints.answers import Limit, Text, answer
from services.evidence.formats import alignments as form
from services.evidence.handlers.alignment import Alignments, Published
from services.evidence.tables import alignments as table
from shared.cursors import read_cursor, write_cursor
from shared.database import Database
from shared.described import Items, answered, reads, schema_of
from shared.errors import Forbidden, InvalidEvent
from shared.settings import Settings
from shared.web import Caller, read_body

_ENTRY = schema_of(Entry)
_BODY = reads(
    {
        "application/json": {"oneOf": [_ENTRY, {"type": "array", "items": _ENTRY}, schema_of(Items[Entry])]},
        "text/csv": {"type": "string", "description": ",".join(form.COLUMNS)},
    }
)


def alignments_router(
    database: Database, alignments: Alignments, published: Callable[[], None], settings: Settings
) -> APIRouter:
    """Return the routes on the alignment map; `published` is called after each publication."""
    router = APIRouter(tags=["alignments"])

    @router.post("/v1/alignments", responses=answered(Published), openapi_extra=_BODY)
    async def publish(request: Request, caller: Caller) -> Response:
        """
        Publish entries: what an activity, line item, criterion or outcome says about which competencies.

        JSON (an entry, an array, or `{"items"}`) or `text/csv`. All or nothing; what is said already is no news. What was
        parked for lack of an entry flows, and what stands by an earlier one is recorded anew.
        """
        caller.require("policy:write", "admin")
        body = await read_body(request, settings)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/csv":
            entries = await asyncio.to_thread(form.read_csv, _text(body))
        else:
            entries = await asyncio.to_thread(form.read_json, body)
        for place, entry in enumerate(entries):
            if caller.source is not None and entry.source != caller.source:
                raise Forbidden(f"the token may align {caller.source} only", pointer=f"/{place}/source")
        made = await alignments.publish(caller.tenant, entries, origin="api", by=caller.subject)
        published()
        return answer(made)

    @router.get("/v1/alignments", responses=answered(AlignedPage))
    async def page(
        caller: Caller, source: Text | None = None, id: Text | None = None,
        after: Annotated[str, Query(max_length=4096)] = "", limit: Limit = 1000,
    ) -> Response:  # fmt: skip
        """All versions of the entries, in the order of their ids; `next` is the next `after`."""
        caller.require("records:read", "policy:write", "admin")
        start = read_cursor(after, tuple[str, str, str, int]) or ("", "", "", 0)
        async with database.connection() as connection:
            rows = await table.page(connection, caller.tenant, source=source, id=id, after=start, limit=limit)
        items = [{**dict(row), "competencies": table.decode_targets(row["targets"])} for row in rows]
        for item in items:
            del item["targets"]
        key = [rows[-1][name] for name in ("id", "source", "effective_from", "version")] if rows else []
        return answer({"items": items, "next": write_cursor(*key) if rows else after})

    @router.get("/v1/alignments/missing", responses=answered(Items[Unaligned]))
    async def missing(caller: Caller, limit: Limit = 1000) -> Response:
        """
        The activities that no entry names while something waits for one, the most first.

        `parked` is evidence that counts once there is an entry, `handed_in` work that waits for a grade: nobody is asked for
        one until an entry says what it counts for.
        """
        caller.require("records:read", "policy:write", "admin")
        async with database.connection() as connection:
            rows = await table.missing(connection, caller.tenant, limit)
        return answer({"items": [dict(row) for row in rows]})

    return router


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidEvent("the CSV is not UTF-8", reason="malformed_csv", pointer="") from error
