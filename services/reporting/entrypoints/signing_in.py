"""Signing in to the pages and out: by an identity provider, or with a token; either stays in a cookie of this browser."""

import logging
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.reporting.domain.signed_in import identity_of
from services.reporting.entrypoints.asking import COOKIE, SESSION, part
from services.reporting.entrypoints.forms import read_anybodys_form, within
from services.reporting.entrypoints.page_answers import PAGE_HEADERS, In, sign_in_page
from services.reporting.handlers.id_tokens import LEEWAY_S
from services.reporting.handlers.landing import Landing
from services.reporting.handlers.oidc import CALLBACK, FLOW_S, Provider
from services.reporting.handlers.sessions import Sessions
from shared.auth import Authenticator
from shared.errors import Unauthorized, Unavailable
from shared.settings import Settings

log = logging.getLogger(__name__)
FLOW = "attain-sign-in"
router = APIRouter(include_in_schema=False)
Asks = Annotated[Provider, part("provider")]
Keeps = Annotated[Sessions, part("sessions")]
Lands = Annotated[Landing, part("landing")]


@router.post("/sign-in")
async def sign_in(request: Request, words: In) -> Response:
    """Keep a token in a cookie that scripts do not see and other sites do not send, and go on."""
    form = await read_anybodys_form(request, of_session=False)
    token, to = form.one("token"), within(form.one("to") or "/")
    authenticator: Authenticator = request.app.state.authenticator
    try:
        authenticator.identify(f"Bearer {token}")
    except Unauthorized:
        return sign_in_page(request, words, refused="sign_in.refused", to=to)
    answer = RedirectResponse(to, 303, PAGE_HEADERS)
    answer.delete_cookie(SESSION)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=_is_secure(request))
    return answer


@router.get("/sign-in/provider")
async def begin(request: Request, words: In, provider: Asks, to: str = "/") -> Response:
    """Go to the identity provider."""
    if not request.app.state.settings.oidc_issuer:
        return sign_in_page(request, words, to="/")
    try:
        flow = await provider.begin(within(to))
    except Unavailable as error:
        log.warning("sign-in: %s", error)
        return sign_in_page(request, words, refused="sign_in.away", to=within(to))
    answer = RedirectResponse(flow.url, 303, PAGE_HEADERS)
    # The provider sends the browser back from another site: a strict cookie would not come along.
    answer.set_cookie(FLOW, flow.sealed, max_age=FLOW_S, path=CALLBACK, httponly=True, samesite="lax",
                      secure=_is_secure(request))  # fmt: skip
    return answer


@router.get(CALLBACK)
async def finish(request: Request, words: In, provider: Asks, sessions: Keeps, landing: Lands) -> Response:
    """Come back from the identity provider: begin a session, once."""
    settings: Settings = request.app.state.settings
    try:
        done = await provider.finish(request.cookies.get(FLOW, ""), request.query_params)
        identity = identity_of(
            done.claims, subject_claim=settings.oidc_subject_claim, tenant=settings.oidc_tenant,
            scopes=settings.oidc_scope.split(),
        )  # fmt: skip
        if not await sessions.use_up(done.state, FLOW_S + LEEWAY_S):
            raise Unauthorized("this sign-in was used before")
        identity = await landing.with_learner(identity, settings.oidc_learner_source)
        session = sessions.begin(identity, by_provider=True)
    except Unauthorized as error:
        log.warning("sign-in refused: %s", error)
        answer = sign_in_page(request, words, refused="sign_in.not_in", to="/")
    except Unavailable as error:
        log.warning("sign-in: %s", error)
        answer = sign_in_page(request, words, refused="sign_in.away", to="/")
    else:
        answer = signed_in(request, session, within(done.to))
    answer.delete_cookie(FLOW, path=CALLBACK)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, sessions: Keeps) -> Response:
    """Forget the token; end the session, also where a copy of it is kept."""
    await read_anybodys_form(request, of_session=True)
    by_provider = await sessions.end(request.cookies.get(SESSION, ""))
    answer = RedirectResponse("/sign-out" if by_provider else "/", 303, PAGE_HEADERS)
    for cookie in (COOKIE, SESSION):
        answer.delete_cookie(cookie)
    return answer


@router.get("/sign-out")
async def signed_out(request: Request, words: In, provider: Asks) -> Response:
    """Say that the provider's session goes on, and where it ends: by a link, since a form may lead to no other site."""
    ends_at = None
    if request.app.state.settings.oidc_issuer:
        try:
            ends_at = await provider.ends_at()
        except Unavailable as error:
            log.warning("sign-out: %s", error)
    if ends_at is None:
        return RedirectResponse("/", 303, PAGE_HEADERS)
    return sign_in_page(request, words, to="/", ends_at=ends_at)


def signed_in(request: Request, session: str, to: str) -> Response:
    """Go on to a page with a session that has begun, in place of whatever this browser had before."""
    settings: Settings = request.app.state.settings
    answer = RedirectResponse(to, 303, PAGE_HEADERS)
    answer.delete_cookie(COOKIE)
    answer.set_cookie(SESSION, session, max_age=int(settings.session_s), httponly=True, samesite="lax",
                      secure=_is_secure(request))  # fmt: skip
    return answer


def _is_secure(request: Request) -> bool:
    """Tell whether people reach the pages by TLS, here or at a proxy in front."""
    settings: Settings = request.app.state.settings
    return request.url.scheme == "https" or settings.public_url.startswith("https:")
