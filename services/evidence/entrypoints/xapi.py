"""
The statement resource of xAPI 1.0.3 and 2.0, for taking statements in.

Not a learning record store: a statement that is kept is given back by its id; queries, documents and the alternate
request syntax are not offered, and say so.
"""

import base64
import binascii
import functools
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.security.http import HTTPBase

from services.evidence.entrypoints.answered_evidence import About, Counted
from services.evidence.formats.lexical import is_uuid
from services.evidence.formats.xapi import Taken
from services.evidence.formats.xapi_attachments import Part, check_parts, split_parts, split_statements
from services.evidence.formats.xapi_statement import Version, read_statement
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.limits import BadSources
from services.evidence.handlers.xapi import Sender, Statements
from shared.auth import Identity
from shared.described import BEARER, answered, answers, headers_of, named, reads
from shared.errors import InvalidEvent
from shared.events import now
from shared.settings import Settings
from shared.web import identify, read_body

VERSION_HEADER = "X-Experience-API-Version"
VERSIONS: tuple[Version, ...] = ("1.0.3", "2.0.0")
BASIC = HTTPBase(
    scheme="basic", scheme_name="HTTPBasic", auto_error=False, description="the token or API key as the password"
)
_VERSION = {"name": VERSION_HEADER, "in": "header", "required": True, "schema": {"type": "string", "example": "1.0.3"}}
_STATEMENT = named(
    "XapiStatement",
    {
        "type": "object",
        "required": ["actor", "verb", "object"],
        "properties": {"id": {"type": "string", "format": "uuid"}}
        | {part: {"type": "object"} for part in ("actor", "verb", "object")},
        # All else that the specification has.
        "additionalProperties": {},
        "description": "a statement of xAPI",
    },
)


def _described(*parameters: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return what the document says of a route of statements, which reads header, query and body itself."""
    asked = [{"name": name, "in": "query", "schema": {"type": "string", "format": "uuid"}} for name in parameters]
    parts = {"type": "string", "description": "the statements, and their attachments behind them"}
    content = {} if body is None else reads({"application/json": body, "multipart/mixed": parts})
    return {"parameters": [_VERSION, *asked], **content}


_HEADERS = {VERSION_HEADER: "of the specification", "X-Experience-API-Consistent-Through": "an instant"}
_ONE_OR_MORE = {"oneOf": [_STATEMENT, {"type": "array", "items": _STATEMENT}]}
SOURCE = "urn:attain:xapi:"
"""Followed by the subject of the token, where that is not bound to a source."""


class BadRequest(InvalidEvent):
    """What the specification answers with 400."""

    status = 400
    title = "Bad request"


async def identify_lrs_client(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None,
    _basic: Annotated[HTTPAuthorizationCredentials | None, Security(BASIC)] = None,
) -> Identity:
    """Return the caller: Bearer, or Basic with the token or API key as password, as LRS clients send it."""
    header = request.headers.get("authorization", "")
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            password = ""
        header = f"Bearer {password}"
    return await identify(request, header)


XapiCaller = Annotated[Identity, Depends(identify_lrs_client)]


def xapi_router(statements: Statements, limits: BadSources, accesses: Accesses, settings: Settings) -> APIRouter:
    """Return the routes of the statement resource."""
    router = APIRouter(tags=["xapi"], prefix="/xapi")

    begin = functools.partial(_begin, limits, accesses)
    take = functools.partial(_take, limits, statements)

    @router.get("/about", responses=answered(About, headers=_HEADERS))
    async def about() -> Response:
        """The versions of the specification that are understood."""
        return _answer({"version": VERSIONS[::-1]}, "2.0.0")

    @router.post(
        "/statements", responses=answered(list[str], headers=_HEADERS), openapi_extra=_described(body=_ONE_OR_MORE)
    )
    async def post(request: Request, caller: XapiCaller) -> Response:
        """
        Take in one statement or an array: 200 with their ids, all or none.

        400 names the member at fault; 409 an id that is known with other content. Scores become evidence, which may wait
        for an alignment of the activity; a voiding statement retracts; the rest is acknowledged and counted. 429 stops a
        source of mostly refused statements for a while.
        """
        sender = await begin(request, caller)
        items, _ = await _read(request, sender.version, settings)
        return _answer([one.id for one in await take(items, sender)], sender.version)

    @router.put(
        "/statements", status_code=204,
        responses={204: {"description": "taken in", "headers": headers_of(_HEADERS)}},
        openapi_extra=_described("statementId", body=_STATEMENT),
    )  # fmt: skip
    async def put(request: Request, caller: XapiCaller) -> Response:
        """Take in one statement under the id in the query: 204."""
        sender = await begin(request, caller, "statementId")
        id = _statement_id(request, "statementId")
        items, is_array = await _read(request, sender.version, settings)
        if is_array:
            raise BadRequest("PUT takes one statement", reason="invalid", pointer="")
        await take([_with_id(items[0], id, sender.version)], sender)
        return Response(status_code=204, headers=_headers(sender.version))

    @router.get(
        "/statements",
        responses={
            200: answers("as it came in", _STATEMENT)
            | {"headers": headers_of(_HEADERS | {"Last-Modified": "when it was stored"})}
        },
        openapi_extra=_described("statementId", "voidedStatementId"),
    )
    async def get(request: Request, caller: XapiCaller) -> Response:
        """One statement by `statementId`, or a voided one by `voidedStatementId`; queries are not offered."""
        caller.require("records:read", "evidence:write")
        sender = _sender(request, caller)
        asked = _asked_by(request)
        body, stored = await statements.show(
            sender.tenant, sender.source, _statement_id(request, asked), voided=asked == "voidedStatementId"
        )
        headers = _headers(sender.version) | {"Last-Modified": stored.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        return Response(body, 200, headers, "application/json")

    @router.get("/counts", responses=answered(Counted, headers=_HEADERS))
    async def counts(caller: XapiCaller) -> Response:
        """How many distinct statements came to what: `evidence`, `voiding`, or why they are no evidence."""
        caller.require("records:read", "admin")
        found = await statements.outcomes(caller.tenant)
        return _answer({"statements": sum(found.values()), "outcomes": found}, "2.0.0")

    return router


async def _begin(
    limits: BadSources, accesses: Accesses, request: Request, caller: Identity, *parameters: str
) -> Sender:
    """Return who sends statements, once noted; raises where the caller may not, or is stopped, or asks for what there is not."""
    caller.require_of_all("evidence:write")
    sender = _sender(request, caller)
    _only(request, *parameters)
    await accesses.note_sender(sender.tenant, sender.subject, "xapi", sender.source)
    limits.check(sender.tenant, sender.source)
    return sender


async def _take(limits: BadSources, statements: Statements, items: list[bytes], sender: Sender) -> list[Taken]:
    """Take statements in, and count for the sender whether they were good."""
    try:
        taken = await statements.take(items, sender)
    except InvalidEvent as error:
        limits.count(sender.tenant, sender.source, bad=len(items))
        raise _bad(error) from error
    limits.count(sender.tenant, sender.source, good=len(items))
    return taken


async def _read(request: Request, version: Version, settings: Settings) -> tuple[list[bytes], bool]:
    """Return the statements of a request, held against its attachments, and whether they are an array."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    body = await read_body(request, settings)
    parts: list[Part] = []
    if kind == "multipart/mixed":
        first, *parts = split_parts(body, content_type)
        if first.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise BadRequest("the first part is not application/json", reason="multipart_first", pointer="")
        body = first.content
    elif kind != "application/json":
        raise BadRequest("send application/json or multipart/mixed", reason="content_type", pointer="")
    items, is_array = split_statements(body, settings.batch_items_max)
    if parts or b'"attachments"' in body:
        _check_attachments(items, parts, version)
    return items, is_array


def _check_attachments(items: list[bytes], parts: list[Part], version: Version) -> None:
    try:
        check_parts([read_statement(raw, version) for raw in items], parts, version)
    except InvalidEvent as error:
        raise _bad(error) from error


def _bad(error: InvalidEvent) -> BadRequest:
    return BadRequest(error.detail, pointer=error.pointer, **error.members)


def _with_id(raw: bytes, id: str, version: Version) -> bytes:
    """Return a statement with the id of the query."""
    try:
        statement = read_statement(raw, version)
    except InvalidEvent as error:
        raise _bad(error) from error
    if not statement.id:
        return msgspec.json.encode(msgspec.structs.replace(statement, id=id))
    if statement.id.lower() != id:
        raise BadRequest("the id is not the statementId of the query", reason="invalid", pointer="/id")
    return raw


def _sender(request: Request, caller: Identity) -> Sender:
    header = request.headers.get(VERSION_HEADER)
    if header is None:
        raise BadRequest(f"the header {VERSION_HEADER} is required", reason="version_missing", pointer="")
    version = _version(header)
    if version is None:
        raise BadRequest(
            f"version {header[:20]!r} is not understood; there are {' and '.join(VERSIONS)}",
            reason="version_unknown", pointer="",
        )  # fmt: skip
    return Sender(caller.tenant, caller.source or SOURCE + caller.subject, caller.subject, version)


def _version(text: str) -> Version | None:
    if text == "1.0" or (text.startswith("1.0.") and text[4:].isdecimal()):
        return "1.0.3"
    return "2.0.0" if text in ("2.0", "2.0.0") else None


def _only(request: Request, *names: str) -> None:
    for name in request.query_params:
        if name == "method":
            raise BadRequest("the alternate request syntax is not offered", reason="not_offered", pointer="/method")
        if name not in names:
            raise BadRequest(f"there is no parameter {name[:60]!r}", reason="unknown_member", pointer=f"/{name[:60]}")


def _asked_by(request: Request) -> str:
    """Return the parameter that names the statement asked for."""
    asked = [name for name in ("statementId", "voidedStatementId") if name in request.query_params]
    if len(asked) != 1:
        raise BadRequest(
            "give one of statementId and voidedStatementId; this is not a learning record store and has no queries",
            reason="not_offered", pointer="",
        )  # fmt: skip
    _only(request, asked[0], "format", "attachments")
    return asked[0]


def _statement_id(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if not is_uuid(text):
        raise BadRequest("is not a UUID", reason="invalid", pointer=f"/{name}")
    return text.lower()


def _headers(version: str) -> dict[str, str]:
    return {VERSION_HEADER: version, "X-Experience-API-Consistent-Through": now()}


def _answer(content: object, version: str) -> Response:
    return Response(msgspec.json.encode(content), 200, _headers(version), "application/json")
