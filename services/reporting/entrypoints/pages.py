"""The pages: signing in with a token that stays in a cookie of this browser, and what each role sees."""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from services.reporting.entrypoints.asking import COOKIE
from services.reporting.handlers.pages import Pages
from services.reporting.web.rendering import STATIC, Words, choose_language, render
from shared.auth import Authenticator, Identity
from shared.errors import AttainError, Forbidden, Unauthorized
from shared.web import confined, read_body

LANGUAGE = "attain-language"
YEAR_S = 365 * 24 * 3600
FILES = {"page.js": "text/javascript", "style.css": "text/css"}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter(include_in_schema=False)


def _words(request: Request, lang: str | None = None) -> Words:
    kept, accepted = request.cookies.get(LANGUAGE), request.headers.get("accept-language")
    return Words(choose_language(lang, kept, accepted))


async def _caller(request: Request) -> Identity | None:
    """Return who has signed in with this browser; None where nobody has, or for too long."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        return confined(authenticator.identify(f"Bearer {request.cookies.get(COOKIE, '')}"))
    except Unauthorized:
        return None


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


In = Annotated[Words, Depends(_words)]
Who = Annotated[Identity | None, Depends(_caller)]
Shows = Annotated[Pages, Depends(_pages)]


def _page(request: Request, template: str, words: Words, status: int = 200, **context: Any) -> Response:
    answer = HTMLResponse(render(template, words, **context), status, PAGE_HEADERS)
    if request.query_params.get("lang") == words.language:
        answer.set_cookie(LANGUAGE, words.language, max_age=YEAR_S, httponly=True, samesite="lax")
    return answer


def _sign_in(request: Request, words: Words, *, refused: bool = False, to: str = "") -> Response:
    to = to or request.url.path
    return _page(request, "sign_in.html", words, 401 if refused else 200, signed_in=False, may_find=False,
                 refused=refused, to=to)  # fmt: skip


async def _shown(
    request: Request, caller: Identity | None, words: Words, template: str,
    context: Callable[[Identity], Awaitable[dict[str, Any]]],
) -> Response:  # fmt: skip
    """Answer a page, the form to sign in, or a problem in words."""
    if caller is None:
        return _sign_in(request, words)
    around = {"signed_in": True, "may_find": "records:read" in caller.scopes}
    try:
        found = await context(caller)
    except AttainError as error:
        kind = error.status if error.status in (403, 404, 422) else 503
        return _page(request, "problem.html", words, error.status, kind=str(kind), **around)
    if "redirect" in found:
        return RedirectResponse(found["redirect"], 303, PAGE_HEADERS)
    return _page(request, found.pop("template", template), words, **around, **found)


@router.get("/")
async def home(request: Request, caller: Who, words: In, shows: Shows) -> Response:
    """The start: classes, districts and what waits, or the learner's own page."""
    return await _shown(request, caller, words, "home.html", shows.home)


@router.get("/learners/{learner}")
async def learner(request: Request, caller: Who, words: In, shows: Shows, learner: str) -> Response:
    """A learner's page: for staff with evidence and reasons, for learner and family in plain words."""
    as_family = request.query_params.get("as") == "family"
    make = functools.partial(shows.learner, learner=learner, as_family=as_family)
    return await _shown(request, caller, words, "learner.html", make)


@router.get("/learners/{learner}/why/{competency:path}")
async def why(request: Request, caller: Who, words: In, shows: Shows, learner: str, competency: str) -> Response:
    """Why a competency stands where it does: evidence, rules, the smallest change."""
    make = functools.partial(shows.why, learner=learner, competency=competency)
    return await _shown(request, caller, words, "why.html", make)


@router.get("/classes/{class_id:path}")
async def class_page(request: Request, caller: Who, words: In, shows: Shows, class_id: str) -> Response:
    """A class: what needs attention, where everyone stands, who is ready for what."""
    return await _shown(request, caller, words, "class.html", functools.partial(shows.class_, class_id=class_id))


@router.get("/districts/{district:path}")
async def district(
    request: Request, caller: Who, words: In, shows: Shows, district: str, group: str | None = None
) -> Response:
    """A district for its leaders: levels, what waits, testing, schools, groups."""
    make = functools.partial(shows.district, district=district, group=group)
    return await _shown(request, caller, words, "district.html", make)


@router.get("/schools/{school:path}")
async def school(request: Request, caller: Who, words: In, shows: Shows, school: str) -> Response:
    """A school for its leaders: levels, and what waits."""
    return await _shown(request, caller, words, "school.html", functools.partial(shows.school, school=school))


@router.get("/find")
async def find(request: Request, caller: Who, words: In, shows: Shows, q: str = "") -> Response:
    """Learners by name or source id."""
    make = functools.partial(shows.find, q=q[:200], token=request.cookies.get(COOKIE, ""))
    return await _shown(request, caller, words, "find.html", make)


@router.post("/sign-in")
async def sign_in(request: Request, words: In) -> Response:
    """Keep a token in a cookie that scripts do not see and other sites do not send, and go on."""
    _same_origin(request)
    form = parse_qs((await read_body(request, request.app.state.settings)).decode("utf-8", "replace"))
    token, to = form.get("token", [""])[0].strip(), _within(form.get("to", ["/"])[0])
    authenticator: Authenticator = request.app.state.authenticator
    try:
        authenticator.identify(f"Bearer {token}")
    except Unauthorized:
        return _sign_in(request, words, refused=True, to=to)
    answer = RedirectResponse(to, 303, PAGE_HEADERS)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the token."""
    _same_origin(request)
    answer = RedirectResponse("/", 303, PAGE_HEADERS)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/favicon.ico")
async def icon() -> Response:
    """No icon: the mark is drawn by the style."""
    return Response(status_code=204, headers={"Cache-Control": "public, max-age=86400"})


@router.get("/web/{name}")
async def web_file(name: str) -> Response:
    """The script and the style of the pages."""
    if name not in FILES:
        return Response(status_code=404)
    headers = PAGE_HEADERS | {"Cache-Control": "no-cache"}
    return FileResponse(STATIC / name, media_type=FILES[name], headers=headers)


def _same_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden("this form is of another site")


def _within(to: str) -> str:
    """Return a path of this site: what leads elsewhere leads to the start."""
    path = urlsplit(to)
    inside = not path.scheme and not path.netloc and path.path.startswith("/") and not path.path.startswith("//")
    return quote(path.path, safe="/%:") if inside and "\\" not in to else "/"
