"""Other formats by HTTP: each at its own address, and all at `/v1/intake/{form}` with one status a message."""

import functools
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.evidence.entrypoints.answers import ANSWERED, answer, answer_one
from services.evidence.entrypoints.evidence import split
from services.evidence.formats import ags
from services.evidence.formats.reading import Reader
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.formats import FORMS, Formats
from services.evidence.handlers.intake import Item
from services.evidence.handlers.limits import BadSources
from services.evidence.handlers.signatures import Signatures
from services.evidence.handlers.xapi import Sender, Statements
from shared.auth import Identity
from shared.described import NDJSON, Items, answered, reads
from shared.errors import Forbidden, NotFound
from shared.settings import Settings
from shared.web import Caller, read_body

Source = Annotated[str | None, Query(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
LineItem = Annotated[str, Path(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
XML = ("application/xml", "text/xml")
_MESSAGE = {"description": "a message of the format, as the system that sends it writes it"}
_JSON: dict[str, dict[str, Any]] = {
    "application/json": {"anyOf": [{"type": "object", **_MESSAGE}, {"type": "array", "items": _MESSAGE}]},
    NDJSON: {"type": "string"},
}
_ANY_BODY = reads(_JSON | {kind: {"type": "string", "description": "Ed-Fi interchange"} for kind in XML})
_JSON_BODY = reads(_JSON)
_CANVAS_BODY = reads(_JSON | {"application/jwt": {"type": "string", "description": "signed, as Canvas signs it"}})


def formats_router(
    formats: Formats, statements: Statements, limits: BadSources, accesses: Accesses, settings: Settings
) -> APIRouter:
    """Return the routes of the other formats; all need scope evidence:write."""
    router = APIRouter(tags=["formats"])
    signatures = Signatures(settings)

    async def take(
        request: Request, caller: Identity, form: str, asked: str | None, read: Reader | None = None
    ) -> list[Item]:
        caller.require_of_all("evidence:write")
        source = _source(caller, asked, form)
        limits.check(caller.tenant, source)
        await accesses.note_sender(caller.tenant, caller.subject, form, source)
        payloads = await _payloads(request, settings)
        if form == "xapi":
            items = await statements.take_each(payloads, Sender(caller.tenant, source, caller.subject, "1.0.3"))
        else:
            if form == "canvas":
                payloads = [await signatures.verified(one) for one in payloads]
            items = await formats.take(payloads, form, caller.tenant, source, read=read)
        limits.note(caller.tenant, source, items)
        return items

    @router.post("/v1/intake/{form}", responses=answered(Items[Item]), openapi_extra=_ANY_BODY)
    async def intake(form: str, request: Request, caller: Caller, source: Source = None) -> Response:
        """
        Take in messages of a format: xapi, caliper, canvas, ags, oneroster, edfi; JSON, an array, NDJSON or, Ed-Fi, XML.

        Answers 200 with one status a message, which may hold several pieces; a bad one harms no other.
        """
        if form not in ("xapi", *FORMS):
            raise NotFound(f"no format {form[:40]!r}; there are xapi, {', '.join(FORMS)}")
        return answer({"items": await take(request, caller, form, source)})

    @router.post("/caliper/v1p1/events", responses=ANSWERED, openapi_extra=_JSON_BODY)
    @router.post("/caliper/v1p2/events", responses=ANSWERED, openapi_extra=_JSON_BODY)
    async def caliper(request: Request, caller: Caller, source: Source = None) -> Response:
        """Caliper 1.1 and 1.2 envelopes, events and entities."""
        return _answer(await take(request, caller, "caliper", source))

    @router.post("/canvas/events", responses=ANSWERED, openapi_extra=_CANVAS_BODY)
    async def canvas(request: Request, caller: Caller, source: Source = None) -> Response:
        """Canvas Live Events, as JSON or as a signed token; what is refused is quarantined, since nobody reads answers."""
        return _answer(await take(request, caller, "canvas", source))

    @router.post("/lti/lineitems/{line_item:path}/scores", responses=ANSWERED, openapi_extra=_JSON_BODY)
    async def scores(line_item: LineItem, request: Request, caller: Caller, source: Source = None) -> Response:
        """One LTI AGS score of a line item."""
        read = functools.partial(ags.read, line_item=line_item)
        return _answer(await take(request, caller, "ags", source, read))

    @router.post("/oneroster/v1p2/results", responses=ANSWERED, openapi_extra=_JSON_BODY)
    async def results(request: Request, caller: Caller, source: Source = None) -> Response:
        """OneRoster 1.2 results and assessment results, with the line items whose maximum they need."""
        return _answer(await take(request, caller, "oneroster", source))

    @router.put("/oneroster/v1p2/results/{sourced_id}", responses=ANSWERED, openapi_extra=_JSON_BODY)
    async def result(sourced_id: LineItem, request: Request, caller: Caller, source: Source = None) -> Response:
        """One OneRoster 1.2 result."""
        return _answer(await take(request, caller, "oneroster", source))

    @router.post("/edfi/studentAssessments", responses=ANSWERED, openapi_extra=_ANY_BODY)
    async def student_assessments(request: Request, caller: Caller, source: Source = None) -> Response:
        """Ed-Fi student assessments, and the metadata that they need, as JSON of the API or interchange XML."""
        return _answer(await take(request, caller, "edfi", source))

    return router


async def _payloads(request: Request, settings: Settings) -> Sequence[bytes]:
    """Return the payloads of a request: XML and tokens whole, of JSON each element or line."""
    body = await read_body(request, settings)
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() in (*XML, "application/jwt") or body.lstrip()[:1] == b"<":
        return [body]
    payloads, _ = split(body, content_type, settings.batch_items_max)
    return payloads


def _source(caller: Identity, asked: str | None, form: str) -> str:
    """
    Return the source that messages are of: the token's, the one asked for, else one of the token's subject.

    Raises:
        Forbidden: the token is bound to another source.
    """
    if caller.source is None:
        return asked or f"urn:attain:{form}:{caller.subject}"
    if asked not in (None, caller.source):
        raise Forbidden(f"the token may write as {caller.source} only", pointer="/source")
    return caller.source


def _answer(items: Sequence[Item]) -> Response:
    """Answer one message by its status, several with one status each."""
    return answer_one(items[0]) if len(items) == 1 else answer({"items": items})
