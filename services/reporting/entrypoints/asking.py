"""What the routes have in common: whom they ask, `?wait=`, sparse fields, ETags."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials

from services.reporting.domain.given_often import GivenOften, digest
from services.reporting.handlers.positions import Positions
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.sessions import Sessions
from shared.auth import Identity
from shared.calendars import Calendars
from shared.csv_answers import Table, csv_answer
from shared.described import BEARER, CSV, answered, headers_of
from shared.errors import InvalidEvent
from shared.events import Position
from shared.parameters import refuse_unknown
from shared.web import Authorization, confined, identify, wait_for

COOKIE = "attain"
"""Where the pages keep the token of who has signed in with one."""
SESSION = "attain-session"
"""Where they keep the session of who has signed in by an identity provider."""
After = Annotated[str, Query(max_length=512, description="the `next` of the page before; empty for the first")]
Limit = Annotated[int, Query(ge=1, description="items a page, at most the setting page_rows_max")]
Fields = Annotated[
    str,
    Query(max_length=2000, description="members to answer alone, comma-separated; `items.status` reaches into a list"),
]
Format = Annotated[str, Query(pattern="^(json|csv)$", description="json, or csv for the table")]
ETAG = {"ETag": "to be sent as If-None-Match, which is answered with 304 as long as nothing has changed"}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "as the caller has it, by If-None-Match", "headers": headers_of(ETAG)}
}
TABLE = (CSV,)
"""The files of a route that answers by `answer_in`."""
Part = TypeVar("Part")


def part(name: str) -> Any:
    """Return the dependency that lends a part of the running service, by its name in the application's state."""

    async def lend(request: Request) -> Any:  # a plain function would be run in a thread
        return getattr(request.app.state, name)

    return Depends(lend)


def token_of(request: Request) -> str:
    """Return the token that a request came with, in its header or in the cookie of the pages; empty for a session."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    return token or request.cookies.get(COOKIE, "")


async def _identify(
    request: Request,
    authorization: Authorization = None,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None,
) -> Identity:
    """Return the caller: by the header, or of a read by the cookies of the pages; these change something by forms alone."""
    cookies = request.cookies if authorization is None and request.method == "GET" else {}
    if SESSION in cookies:
        sessions: Sessions = request.app.state.sessions
        caller = await sessions.identify(cookies[SESSION])
        request.app.state.rate_limit.check(caller)
        refuse_unknown(request)
        return await on_its_day(request, confined(caller))
    if COOKIE in cookies:
        authorization = f"Bearer {cookies[COOKIE]}"
    return await on_its_day(request, await identify(request, authorization))


async def on_its_day(request: Request, caller: Identity) -> Identity:
    """Return the caller with the local day of the tenant, by which holds what the roster dates, and where its days begin."""
    if "service" in caller.scopes:
        return caller
    calendars: Calendars = request.app.state.calendars
    calendar = await calendars.soon(caller.tenant)
    day = calendar.day_of(datetime.datetime.now(datetime.UTC))
    return msgspec.structs.replace(caller, day=str(day), time_zone=calendar.time_zone)


async def _caller_after_wait(
    request: Request,
    caller: Annotated[Identity, Depends(_identify)],
    wait: Annotated[str | None, Query(description="a position to be folded first")] = None,
) -> Identity:
    if wait is not None:
        positions: Positions = request.app.state.positions
        await wait_for(positions.reaching(Position.parse(wait)), request.app.state.settings)
    return caller


Waited = Annotated[Identity, Depends(_caller_after_wait)]
Reads = Annotated[Reader, part("reader")]


def kept(
    of: Any, *, example: Any = None, files: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers a read of a type by `answer`; the rest as in `answered`."""
    return answered(of, example=example, files=files, headers=ETAG | dict(headers or {})) | NOT_MODIFIED


def answer(
    request: Request, body: object, *, fields: str = "", volatile: Mapping[str, object] | None = None
) -> Response:
    """
    Return a body as JSON; to who reads it with an ETag, or 304 where the caller has it.

    Args:
        fields: as in `Fields`.
        volatile: members with values of no weight, that are no part of what a client has cached: they move with others.

    Raises:
        InvalidEvent: a field that is not there.
    """
    if isinstance(body, GivenOften) and not fields and not volatile:
        content, told = body.content, body.digest
    else:
        chosen = _only(msgspec.to_builtins(body), fields) if fields else body
        content = msgspec.json.encode(chosen)
        told = digest(_weighed(chosen, volatile) if volatile else content)
    if request.method != "GET":
        # What was done is told whatever the caller has.
        return Response(content, media_type="application/json")
    etag = f'W/"{told}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if _is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def answer_in(
    format: str, request: Request, body: object, name: str, table: Table, *, fields: str = "",
    volatile: Mapping[str, object] | None = None,
) -> Response:  # fmt: skip
    """Return a body as `answer` does, or its table as a CSV download of that name where the caller asks for it."""
    return _as_csv(request, name, table) if format == "csv" else answer(request, body, fields=fields, volatile=volatile)


def _as_csv(request: Request, name: str, table: Table) -> Response:
    """Return a table as a CSV download with an ETag, or 304 where the caller has it."""
    answered = csv_answer(name, table)
    answered.headers["ETag"] = etag = f'W/"{digest(bytes(answered.body))}"'
    if _is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": answered.headers["Cache-Control"]})
    return answered


def _weighed(body: Any, volatile: Mapping[str, object]) -> bytes:
    if isinstance(body, dict):
        return msgspec.json.encode(body | dict(volatile))
    return msgspec.json.encode(msgspec.structs.replace(body, **volatile))


def _is_known(request: Request, etag: str) -> bool:
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {etag, etag[2:], "*"})


def _only(body: Any, fields: str) -> Any:
    wanted: dict[str, list[str]] = {}
    for path in filter(None, (path.strip() for path in fields.split(","))):
        first, _, rest = path.partition(".")
        wanted.setdefault(first, []).append(rest)
    if isinstance(body, list):
        return [_only(item, fields) for item in body]
    unknown = [name for name in wanted if not isinstance(body, dict) or name not in body]
    if unknown:
        raise InvalidEvent(f"no member {unknown[0][:60]!r} in the answer", pointer="/fields")
    return {name: body[name] if "" in rests else _only(body[name], ",".join(rests)) for name, rests in wanted.items()}
