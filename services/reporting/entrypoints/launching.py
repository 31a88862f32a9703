"""Signing in from a learning platform, which opens the pages in a window of their own: LTI 1.3."""

import logging
import secrets
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.reporting.domain.signed_in import identity_of
from services.reporting.entrypoints.asking import on_its_day, part
from services.reporting.entrypoints.forms import own_path, posted
from services.reporting.entrypoints.page_answers import PAGE_HEADERS, In, sign_in_page
from services.reporting.entrypoints.signing_in import Keeps, Lands, signed_in
from services.reporting.handlers.id_tokens import LEEWAY_S
from services.reporting.handlers.lti import LAUNCH, LOGIN, Launched, Platforms
from services.reporting.handlers.oidc import FLOW_S
from shared.auth import Identity
from shared.errors import Unauthorized, Unavailable
from shared.settings import Settings
from shared.web import confined

log = logging.getLogger(__name__)
BROWSER = "attain-launch"
"""A cookie that says that it is the same browser which comes back."""
NO_PAGE = ("/", LOGIN, LAUNCH)
"""Links that say nothing of where to go on: then it follows from the course."""
router = APIRouter(include_in_schema=False)
Asks = Annotated[Platforms, part("platforms")]


@router.get(LOGIN)
async def begin(request: Request, words: In, platforms: Asks) -> Response:
    """Go to the platform that asks for it, to come back with a launch."""
    return _begun(request, words, platforms, request.query_params)


@router.post(LOGIN)
async def begin_by_form(request: Request, words: In, platforms: Asks) -> Response:
    """Do the same, as a platform's form asks for it."""
    return _begun(request, words, platforms, (await posted(request)).first)


def _begun(request: Request, words: In, platforms: Platforms, asked: Mapping[str, str]) -> Response:
    browser = request.cookies.get(BROWSER) or secrets.token_urlsafe(32)
    try:
        _page(request, asked.get("target_link_uri", ""))
        to = platforms.begin(browser, asked)
    except Unauthorized as error:
        log.warning("launch refused: %s", error)
        return sign_in_page(request, words, refused="launch.unregistered", to="/")
    answer = RedirectResponse(to, 303, PAGE_HEADERS)
    # The platform lets the browser post from its site: only a cookie for all sites comes along, and only with TLS. In a window of
    # its own no browser takes it for a third party's.
    answer.set_cookie(BROWSER, browser, max_age=FLOW_S, path=LOGIN, httponly=True, samesite="none", secure=True)
    return answer


@router.post(LAUNCH)
async def launch(request: Request, words: In, platforms: Asks, sessions: Keeps, landing: Lands) -> Response:
    """Come back from the platform: begin a session, once, on the page of the course."""
    form = (await posted(request)).first
    try:
        done = await platforms.finish(request.cookies.get(BROWSER, ""), form)
        page = _page(request, done.launch.target_link_uri)
        if not await sessions.use_up(done.nonce, FLOW_S + LEEWAY_S):
            raise Unauthorized("this launch was used before")
        caller = await landing.with_learner(_identity(request, done), done.deployment.learner_source)
        caller = await on_its_day(request, confined(caller))
        if await landing.is_known(caller):
            to = await landing.page_of(caller, done.launch.classes) if page in NO_PAGE else page
            answer = signed_in(request, sessions.begin(caller), to)
        else:
            log.warning("launch refused: the roster of %s does not list who is launched", caller.tenant)
            answer = sign_in_page(request, words, refused="launch.unknown", to="/")
    except Unauthorized as error:
        log.warning("launch refused: %s", error)
        answer = sign_in_page(request, words, refused="launch.refused", to="/")
    except Unavailable as error:
        log.warning("launch: %s", error)
        answer = sign_in_page(request, words, refused="sign_in.away", to="/")
    return answer


def _page(request: Request, link: str) -> str:
    """Return the page that a platform's link leads to; raises `Unauthorized` where it is none of this site."""
    path = own_path(link, request.app.state.settings.public_url)
    if path is None:
        raise Unauthorized("the link leads to another site than ATTAIN_PUBLIC_URL")
    return path


def _identity(request: Request, done: Launched) -> Identity:
    settings: Settings = request.app.state.settings
    return identity_of(
        {"person": done.person},
        subject_claim="person",
        tenant=done.deployment.tenant,
        scopes=settings.oidc_scope.split(),
    )
