"""What all pages have in common: who looks, in which language; an answer is a page, the form to sign in, or a problem."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.reporting.entrypoints.asking import COOKIE, SESSION, on_its_day
from services.reporting.entrypoints.forms import OTHER_SESSION, form_key
from services.reporting.handlers.access import sees_in_tenant
from services.reporting.handlers.sessions import Sessions
from services.reporting.web.rendering import Words, choose_language, render
from shared.auth import Authenticator, Identity
from shared.errors import AttainError, Unauthorized
from shared.events import now
from shared.rate_limit import RateLimit
from shared.sealing import pseudonyms
from shared.web import attain_problem, confined, http_problem

LANGUAGE = "attain-language"
YEAR_S = 365 * 24 * 3600
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
IN_WORDS = (403, 404, 409, 422)
"""Problems that the pages have words for; the others are `503`: a part is away."""
OF_FORMS = {422: "unsent", 413: "unsent"}
"""What these are where a form was sent: something of it is not right."""
_OF_NOBODY: dict[str, Any] = {"signed_in": False, "may_find": False, "person": []}
"""What a page has around it where it is not known who looks."""
Context = Callable[[Identity], Awaitable[dict[str, Any]]]


async def words_of(request: Request, lang: str | None = None) -> Words:
    """Return the messages in the language of the reader."""
    kept, accepted = request.cookies.get(LANGUAGE), request.headers.get("accept-language")
    return Words(choose_language(lang, kept, accepted))


async def caller_of(request: Request) -> Identity | None:
    """Return who has signed in with this browser; None where nobody has, or for too long."""
    authenticator: Authenticator = request.app.state.authenticator
    sessions: Sessions = request.app.state.sessions
    rate_limit: RateLimit = request.app.state.rate_limit
    try:
        if SESSION in request.cookies:
            caller = await sessions.identify(request.cookies[SESSION])
        else:
            caller = authenticator.identify(f"Bearer {request.cookies.get(COOKIE, '')}")
    except Unauthorized:
        return None
    rate_limit.check(caller)
    return await on_its_day(request, confined(caller))


In = Annotated[Words, Depends(words_of)]
Who = Annotated[Identity | None, Depends(caller_of)]


def page(request: Request, template: str, words: Words, status: int = 200, **context: Any) -> Response:
    """Return a page; a language that was asked for is kept."""
    context |= {"form_key": form_key(request)}
    answer = HTMLResponse(render(template, words, **context), status, PAGE_HEADERS)
    if request.query_params.get("lang") == words.language:
        answer.set_cookie(LANGUAGE, words.language, max_age=YEAR_S, httponly=True, samesite="lax")
    return answer


def sign_in_page(request: Request, words: Words, *, refused: str = "", to: str = "", ends_at: str = "") -> Response:
    """
    Return the form to sign in; `to` is where to go on, `refused` the key of the message why not, `ends_at` where who has just
    signed out ends the session of the identity provider.
    """
    to = to or request.url.path
    return page(request, "sign_in.html", words, 401 if refused else 200, refused=refused, to=to, ends_at=ends_at,
                provider=bool(request.app.state.settings.oidc_issuer), **_OF_NOBODY)  # fmt: skip


async def not_there(request: Request, error: Exception) -> Response:
    """Answer an address at which there is nothing: a browser with a page, the same whoever asks, others with a problem."""
    if "text/html" not in request.headers.get("accept", ""):
        return await http_problem(request, error)
    words = await words_of(request, request.query_params.get("lang"))
    return page(request, "problem.html", words, 404, kind="404", field="", **_OF_NOBODY)


async def refused(request: Request, error: Exception) -> Response:
    """Answer what is refused before it is known who asks: a browser on the pages with a page, others with a problem."""
    assert isinstance(error, AttainError)
    if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith("/v1/"):
        return await attain_problem(request, error)
    return _problem_page(request, await words_of(request), error, _OF_NOBODY)


def _problem_page(request: Request, words: Words, error: AttainError, around: dict[str, Any]) -> Response:
    """Return a problem in words, with the field of the form that it is about."""
    kind = str(error.status) if error.status in IN_WORDS else "503"
    if request.method == "POST":
        kind = "session" if error.members.get("reason") == OTHER_SESSION else OF_FORMS.get(error.status, kind)
    field = words.get(f"field.{(error.pointer or '').lstrip('/')}", "")
    return page(request, "problem.html", words, error.status, kind=kind, field=field, **around)


async def shown(request: Request, caller: Identity | None, words: Words, template: str, context: Context) -> Response:
    """Answer a page with the tenant's days, the form to sign in, or a problem in words."""
    if caller is None:
        return sign_in_page(request, words)
    words = words.within(caller.time_zone)
    around: dict[str, Any] = {
        "signed_in": True, "may_find": sees_in_tenant(caller, "names"), "now": now(), "person": _queue_of(request, caller),
    }  # fmt: skip
    try:
        found = await context(caller)
    except AttainError as error:
        return _problem_page(request, words, error, around)
    if "redirect" in found:
        return RedirectResponse(found["redirect"], 303, PAGE_HEADERS)
    return page(request, found.pop("template", template), words, **around, **found)


def _queue_of(request: Request, caller: Identity) -> list[str]:
    """Return by which names the browser keeps what the caller has observed and not sent; none of who observes nothing."""
    if "evidence:write" not in caller.scopes:
        return []
    return pseudonyms(request.app.state.settings, "waiting", caller.tenant, caller.subject)
