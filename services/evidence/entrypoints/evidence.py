"""Evidence by HTTP: one item, a batch, and what became of each."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.evidence.entrypoints.answered_evidence import Beneath, Piece, Traced
from services.evidence.entrypoints.answers import ANSWERED, Id, answer, answer_one, as_uuid
from services.evidence.formats import batches
from services.evidence.formats.json_text import NOT_JSON, unreadable
from services.evidence.formats.native import Native
from services.evidence.handlers import reading, taking_back
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.intake import Intake
from services.evidence.handlers.limits import BadSources
from services.evidence.handlers.tracing import Tracing
from shared.database import Database
from shared.described import NDJSON, answered, reads, schema_of
from shared.settings import Settings
from shared.web import Caller, needs, read_body

_decode_object = msgspec.json.Decoder(msgspec.Raw).decode
RETRACTIONS_MAX = 10_000
_NDJSON = (NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines")
_ITEM = schema_of(Native)
_BODY = reads({"application/json": {"oneOf": [_ITEM, {"type": "array", "items": _ITEM}]}, NDJSON: _ITEM})


class Retractions(BaseModel):
    """Pieces of a source that are to be taken back, by its own ids, in the order in which."""

    tenant: str
    source: str
    ids: list[Annotated[str, Field(max_length=512)]] = Field(max_length=RETRACTIONS_MAX)


def evidence_router(
    intake: Intake, limits: BadSources, accesses: Accesses, database: Database, tracing: Tracing, settings: Settings
) -> APIRouter:
    """Return the routes on evidence."""
    router = APIRouter(tags=["evidence"])

    @router.post("/v1/evidence", status_code=201, responses=ANSWERED, openapi_extra=_BODY)
    async def submit(request: Request, caller: Caller) -> Response:
        """
        Take in native evidence: one object, an array, or NDJSON.

        One object answers 201 accepted or corrected, 200 duplicate, 202 parked, 409 same id with other content, 422
        rejected. A batch answers 200 with one status an item; a bad item harms no other. 429 stops a source of mostly bad
        items for a while.
        """
        caller.require_of_all("evidence:write")
        sender = caller.source or caller.subject
        limits.check(caller.tenant, sender)
        body = await read_body(request, settings)
        items, is_batch = split(body, request.headers.get("content-type", ""), settings.batch_items_max)
        await accesses.note_sender(caller.tenant, caller.subject, "native", caller.source)
        results = await intake.take(items, caller.tenant, way="http", only_source=caller.source)
        limits.note(caller.tenant, sender, results)
        return answer({"items": results}) if is_batch else answer_one(results[0])

    @router.get("/v1/evidence/{evidence_id}", responses=answered(Piece))
    async def show(evidence_id: Id, caller: Caller) -> Response:
        """A piece of evidence: content, validity, position."""
        caller.require_sight("record")
        return answer(await reading.evidence(database, caller.tenant, as_uuid(evidence_id, "evidence_id")))

    @router.get("/v1/evidence/{evidence_id}/trace", responses=answered(Traced))
    async def trace(evidence_id: Id, caller: Caller) -> Response:
        """Where a piece is between here and the read models, what it corrects, what voids it, what it waits for."""
        caller.require_sight("record")
        return answer(await tracing.trace(caller.tenant, as_uuid(evidence_id, "evidence_id")))

    @router.post("/v1/retractions/preview", responses=answered(dict[str, Beneath]), dependencies=[needs("service")])
    async def preview(body: Retractions) -> Response:
        """How pieces stand, and what would count again were they taken back; for a service that has checked who asks."""
        return answer(await taking_back.foreseen(database, body.tenant, body.source, body.ids))

    return router


def split(body: bytes, content_type: str, items_max: int) -> tuple[Sequence[bytes], bool]:
    """
    Return the items of a body, undecoded, and whether they are a batch.

    Raises:
        TooLarge: there are more than `items_max`.
        InvalidEvent: the body as a whole is not JSON; in NDJSON a bad line is an item of its own.
    """
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if content_type.partition(";")[0].strip().lower() in _NDJSON:
        return batches.lines(body, items_max), True
    if start == b"[":
        return batches.elements(body, items_max), True
    try:
        return [bytes(_decode_object(body))], False
    except NOT_JSON as error:
        if start == b"{" and "trailing characters" in str(error):
            lines = batches.lines(body, items_max)
            if len(lines) > 1:
                return lines, True
        raise unreadable(error) from error
