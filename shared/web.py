"""What every service's HTTP has in common: identity, problem+json, bounded bodies, documents, waiting for a position."""

import asyncio
import functools
import math
import operator
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Depends, FastAPI, Header, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials
from fastapi_offline import FastAPIOffline
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, field_validator
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Scope

from shared.auth import ApiKeys, Authenticator, Identity, api_key_of
from shared.described import BEARER, PROBLEM, REFUSED, with_components
from shared.errors import AttainError, InvalidEvent, TooLarge, TooManyRequests, Unavailable
from shared.every_request import EveryRequest, secure
from shared.parameters import refuse_unknown
from shared.plain_words import in_words, named
from shared.rate_limit import RateLimit
from shared.settings import Settings
from shared.tenancy import bind, log_as_of
from shared.texts import UNKEPT, can_be_kept

RETRY_AFTER_S = 2


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
        dependencies=[Depends(addressed_without_nul)],
        responses=REFUSED,
        generate_unique_id_function=_operation_id,
    )
    described = app.openapi
    app.openapi = functools.cache(lambda: with_components(described()))  # type: ignore[method-assign]
    app.state.authenticator = authenticator
    app.state.rate_limit = RateLimit(authenticator.settings.requests_per_s)
    app.add_middleware(EveryRequest, settings=authenticator.settings, admit=_admit)
    app.add_exception_handler(AttainError, attain_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(Exception, _bug_problem)
    return app


def _operation_id(route: APIRoute) -> str:
    """Return what a generated client calls a route: by its method and path, so that no renaming in the code breaks it."""
    parts = [part for part in route.path_format.split("/") if part not in ("", "v1")]
    words = [f"by_{part[1:-1]}" if part.startswith("{") else part for part in parts]
    return re.sub(r"\W", "_", "_".join([*sorted(method.lower() for method in route.methods or ()), *words]))


async def addressed_without_nul(request: Request) -> None:
    """Refuse a NUL in a path or a query, which no text of PostgreSQL can hold; every route depends on it."""
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise InvalidEvent("the address has a NUL (%00), which no text may hold")


def problem(status: int, title: str, detail: str, **members: object) -> Response:
    """Return an RFC 9457 problem; members that are None are left out."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {name: member for name, member in members.items() if member is not None}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 408:
        # What is left of the body is no request of its own.
        headers["Connection"] = "close"
    return Response(msgspec.json.encode(body), status, headers, PROBLEM)


async def attain_problem(_: Request, error: Exception) -> Response:
    """Answer an expected error as a problem."""
    assert isinstance(error, AttainError)
    answer = problem(error.status, error.title, error.detail, pointer=error.pointer, **error.members)
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return answer


async def _validation_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    pointer = "/" + "/".join(str(part) for part in first["loc"][1:])
    where = first["loc"][1:] if first["type"] != "json_invalid" else ()
    return problem(422, InvalidEvent.title, in_words(first, named(where)), pointer=pointer, where=str(first["loc"][0]))


async def http_problem(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: no such route, no such method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, AttainError):
        # FastAPI wraps what is raised while it reads a body.
        return await attain_problem(request, error.__cause__)
    answer = problem(error.status_code, str(error.detail), str(error.detail))
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    return answer


def _methods_at(request: Request) -> set[str]:
    """Return the methods that a path answers, whichever of its routes each belongs to."""
    routes = [
        each for each in request.app.routes if isinstance(each, Route) and each.path_regex.match(request.url.path)
    ]
    methods = {method for route in routes for method in route.methods or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


async def _bug_problem(request: Request, error: Exception) -> Response:
    answer = problem(500, "Internal error", f"{type(error).__name__}; the log of the service has the rest")
    # Bugs are answered outside of all middleware.
    secure(answer.headers, request.url.path)
    return answer


Authorization = Annotated[str | None, Header(include_in_schema=False)]
"""The header of a request; documents speak of it as a security scheme."""


async def identify(
    request: Request,
    authorization: Authorization = None,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None,
) -> Identity:
    """
    Return the caller, or refuse with 401 or 429, or 422 for a parameter that the route does not have; every route but health,
    metrics and documents depends on it.

    From then on the request is confined. It is found once a request, whoever asks again.
    """
    known: Identity | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    authenticator: Authenticator = request.app.state.authenticator
    keys: ApiKeys | None = getattr(request.app.state, "api_keys", None)
    api_key = api_key_of(authorization)
    caller = authenticator.identify(authorization) if keys is None or api_key is None else await keys.identify(api_key)
    rate_limit: RateLimit = request.app.state.rate_limit
    rate_limit.check(caller)
    refuse_unknown(request)
    request.state.caller = confined(caller)
    return caller


def confined(caller: Identity) -> Identity:
    """Let the rest of the request reach rows of the caller's tenant only, unless another service asks; return the caller."""
    log_as_of(caller.tenant)
    if "service" not in caller.scopes:
        bind(caller.tenant)
    return caller


Caller = Annotated[Identity, Depends(identify)]


class Admission:
    """A dependency on who calls and on what a check says of that caller, which raises where it may not."""

    def __init__(self, check: Callable[[Identity], object]) -> None:
        self.check = check

    async def __call__(self, caller: Caller) -> None:
        """Check the caller of a request that has no body; of others that is done before the body is read."""
        self.check(caller)


def admits(check: Callable[[Identity], object]) -> Any:
    """
    Return the dependency that lets those pass of whom a check raises nothing, by their token alone.

    Every route that takes a model has one, because the framework reads and decodes a model before it asks dependencies.
    """
    return Depends(Admission(check))


def needs(*scopes: str) -> Any:
    """Return the dependency that lets those pass who have any one of the scopes."""
    return admits(operator.methodcaller("require", *scopes))


KNOWN = admits(lambda _: None)
"""Lets everybody pass who is known: where the roster gives the rights, or what is sent says which are asked for."""


async def _admit(scope: Scope) -> None:
    """Ask the dependencies on who calls, before the body of a route that takes a model is read."""
    route = scope.get("route")
    if not isinstance(route, APIRoute) or route.body_field is None:
        return
    request = Request(scope)
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Admission):
            dependency.call.check(await identify(request, request.headers.get("authorization")))


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="The caller's own name for this request, such as a UUID. Sent again under it, the request has no second"
        " effect and is answered as the first time; another request under it is refused (409).",
    ),
]
"""What makes a request that decides safe to repeat; empty where it bears none, and is then another each time."""
Count = Annotated[int, Query(ge=0, le=(1 << 63) - 1)]
"""A number that PostgreSQL can hold against a position."""


def _written(value: Any) -> Any:
    """Refuse a number, which would be taken for seconds since 1970: whoever writes a year means no second of that day."""
    if not isinstance(value, str) or re.fullmatch(r"\s*[+-]?[\d.]*\s*", value):
        raise PydanticCustomError("datetime_parsing", "an instant is written as ISO 8601 has it")
    return value


Written = BeforeValidator(_written)
"""For instants that may be without an offset: only as ISO 8601 writes them."""
Instant: TypeAlias = Annotated[AwareDatetime, Written]
"""An instant as ISO 8601 writes it, with its offset; other than a mere `AwareDatetime` never a number."""


class Strict(BaseModel):
    """
    The base of what requests bring as JSON: a member that is not known is refused by name, since it may be mistyped; so is a
    text that PostgreSQL cannot hold, since in the body of an event it would stop whoever puts that into a table.
    """

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        if not can_be_kept(value):
            raise ValueError(UNKEPT)
        return value


async def read_body(request: Request, settings: Settings) -> bytes:
    """
    Return the request body, unzipped, within the limits.

    Raises:
        TooLarge: over `body_bytes_max`, as of every request, or over `body_inflated_bytes_max` after gzip.
        TooSlow: it took longer than `body_s`, as of every request.
        InvalidEvent: not one whole gzip member although the header says so.
    """
    body = await request.body()
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
