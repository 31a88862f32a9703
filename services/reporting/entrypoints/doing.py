"""
What is done on the pages: quick capture, signing off, correcting a mistake, answering support, and asking for a review with
the answer to it.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from services.reporting.domain.page_paths import page_of
from services.reporting.entrypoints.asking import part
from services.reporting.entrypoints.forms import Form, read_form
from services.reporting.entrypoints.page_answers import PAGE_HEADERS, In, Who, shown
from services.reporting.handlers.answering import Answering
from services.reporting.handlers.capturing import Capturing
from services.reporting.handlers.correcting import Correcting
from services.reporting.handlers.review_requests import ReviewRequests
from services.reporting.handlers.signing_off import SigningOff
from services.reporting.web.rendering import Words
from shared.auth import Identity
from shared.errors import AttainError, InvalidEvent, Unauthorized
from shared.web import problem

router = APIRouter(include_in_schema=False)
Captures = Annotated[Capturing, part("capturing")]
SignsOff = Annotated[SigningOff, part("signing_off")]
Corrects = Annotated[Correcting, part("correcting")]
Answers = Annotated[Answering, part("answering")]
Requests = Annotated[ReviewRequests, part("review_requests")]
Made = TypeVar("Made")


@router.get("/classes/{class_id:path}/capture")
async def capture(
    request: Request, caller: Who, words: In, captures: Captures, class_id: str,
    competency: Annotated[list[str] | None, Query()] = None, done: str = "",
) -> Response:  # fmt: skip
    """The class by the standards that are observed."""
    make = functools.partial(captures.page, class_id=class_id, competencies=competency or [], done=done)
    return await shown(request, caller, words, "capture.html", make)


@router.post("/classes/{class_id:path}/capture")
async def observe(request: Request, caller: Who, words: In, captures: Captures, class_id: str) -> Response:
    """Write one observation."""
    form = await read_form(request, caller)

    async def write(who: Identity) -> dict[str, Any]:
        return await captures.observe(
            who, class_id=class_id, learner=form.one("learner"), competency=form.one("competency"),
            mark=_number(form.one("mark")), id=form.one("id"), replaces=form.one("replaces"), at=form.one("at"),
        )  # fmt: skip

    back = functools.partial(_capture_path, class_id, form)
    return await _done(request, caller, words, write, lambda made: f"{back()}&done={made['evidence_id']}")


@router.post("/classes/{class_id:path}/capture/undo")
async def undo_observation(request: Request, caller: Who, words: In, captures: Captures, class_id: str) -> Response:
    """Take one observation back."""
    form = await read_form(request, caller)

    act = functools.partial(captures.undo, class_id=class_id, evidence_id=form.one("evidence_id"))
    return await _done(request, caller, words, act, lambda _: _capture_path(class_id, form))


@router.get("/classes/{class_id:path}/sign-offs")
async def sign_offs(request: Request, caller: Who, words: In, signs: SignsOff, class_id: str) -> Response:
    """What waits for a signature in a class."""
    return await shown(request, caller, words, "sign_offs.html", functools.partial(signs.page, class_id=class_id))


@router.post("/classes/{class_id:path}/sign-offs")
async def sign_off(request: Request, caller: Who, words: In, signs: SignsOff, class_id: str) -> Response:
    """Show what is chosen before it is signed, or sign it."""
    form = await read_form(request, caller)
    chosen = form.all("item")
    if form.one("step") == "sign":
        roles = dict(zip(chosen, form.all("role"), strict=False))
        make = functools.partial(
            signs.sign, class_id=class_id, chosen=chosen, reason=form.one("reason"), roles=roles, once=form.one("once")
        )
        return await shown(request, caller, words, "signed.html", make)
    make = functools.partial(signs.page, class_id=class_id, chosen=chosen)
    if chosen:
        return await shown(request, caller, words, "sign_offs_preview.html", make)

    async def say_so(who: Identity) -> dict[str, Any]:
        return await make(who) | {"unchosen": True}

    return await shown(request, caller, words, "sign_offs.html", say_so)


@router.post("/classes/{class_id:path}/sign-offs/undo")
async def undo_sign_off(request: Request, caller: Who, words: In, signs: SignsOff, class_id: str) -> Response:
    """Take back what was signed a moment ago."""
    form = await read_form(request, caller)

    async def undo(who: Identity) -> None:
        try:
            await signs.undo(who, class_id=class_id, undo=form.one("undo"))
        except Unauthorized as error:
            raise InvalidEvent("the time to undo this is over") from error

    return await _gone_on(request, caller, words, undo, lambda _: f"{page_of('class', class_id)}/sign-offs")


@router.get("/learners/{learner}/evidence/{evidence_id}")
async def correction(
    request: Request, caller: Who, words: In, corrects: Corrects, learner: str, evidence_id: str, to: str = ""
) -> Response:
    """A piece of evidence, and every status and event that would change without it, or were it another learner's."""
    make = functools.partial(corrects.page, learner=learner, evidence_id=evidence_id, to=to)
    return await shown(request, caller, words, "correction.html", make)


@router.post("/learners/{learner}/evidence/{evidence_id}")
async def correct(
    request: Request, caller: Who, words: In, corrects: Corrects, learner: str, evidence_id: str
) -> Response:
    """Take the piece back."""
    form = await read_form(request, caller)
    act = functools.partial(corrects.take_back, learner=learner, evidence_id=evidence_id, reason=form.one("reason"))
    return await _gone_on(request, caller, words, act, lambda _: page_of("learner", learner))


@router.post("/learners/{learner}/evidence/{evidence_id}/move")
async def move(
    request: Request, caller: Who, words: In, corrects: Corrects, learner: str, evidence_id: str
) -> Response:
    """Give the piece to the learner whose it is."""
    form = await read_form(request, caller)
    to, reason = form.one("to"), form.one("reason")
    act = functools.partial(corrects.move, learner=learner, evidence_id=evidence_id, to=to, reason=reason)
    return await _gone_on(request, caller, words, act, lambda _: page_of("learner", to))


@router.post("/learners/{learner}/support")
async def answer_support(request: Request, caller: Who, words: In, answers: Answers, learner: str) -> Response:
    """Close what is suggested."""
    form = await read_form(request, caller)
    scope, cause, outcome, reason = map(form.one, ("scope", "cause", "outcome", "reason"))
    act = functools.partial(
        answers.close, learner=learner, scope=scope, cause=cause, outcome=outcome, reason=reason, once=form.one("once")
    )
    return await _gone_on(request, caller, words, act, lambda _: page_of("learner", learner))


@router.post("/learners/{learner}/review-requests")
async def ask_for_review(request: Request, caller: Who, words: In, requests: Requests, learner: str) -> Response:
    """Ask that a standing is looked at again."""
    form = await read_form(request, caller)
    act = functools.partial(
        requests.ask, learner=learner, competency=form.one("competency"), text=form.one("text"), key=form.one("once")
    )
    return await _gone_on(request, caller, words, act, lambda _: f"{page_of('learner', learner)}#asked")


@router.post("/learners/{learner}/review-requests/{id}/done")
async def finish_review(
    request: Request, caller: Who, words: In, requests: Requests, learner: str, id: str
) -> Response:
    """Say what was done about it."""
    form = await read_form(request, caller)
    act = functools.partial(
        requests.finish, learner=learner, id=id, done=form.one("done"), refused=bool(form.one("refused"))
    )
    return await _gone_on(request, caller, words, act, lambda _: page_of("learner", learner))


@router.post("/learners/{learner}/review-requests/{id}/statement")
async def state_beside_the_record(
    request: Request, caller: Who, words: In, requests: Requests, learner: str, id: str
) -> Response:
    """State something about what was refused, or take it back."""
    form = await read_form(request, caller)
    act = functools.partial(requests.withdraw, learner=learner, id=id)
    if not form.one("withdraw"):
        act = functools.partial(
            requests.state, learner=learner, id=id, text=form.one("statement"), key=form.one("once")
        )
    return await _gone_on(request, caller, words, act, lambda _: f"{page_of('learner', learner)}#statements")


async def _gone_on(
    request: Request, caller: Identity | None, words: Words, act: Callable[[Identity], Awaitable[Made]],
    to: Callable[[Made], str],
) -> Response:  # fmt: skip
    """Do what a form says and go on, to where what was made says."""

    async def act_and_go_on(who: Identity) -> dict[str, Any]:
        return {"redirect": to(await act(who))}

    return await shown(request, caller, words, "problem.html", act_and_go_on)


async def _done(
    request: Request, caller: Identity | None, words: Words, act: Callable[[Identity], Awaitable[Made]],
    to: Callable[[Made], str],
) -> Response:  # fmt: skip
    """Answer scripts with JSON, a plain form by going on."""
    if "application/json" not in request.headers.get("accept", ""):
        return await _gone_on(request, caller, words, act, to)
    try:
        if caller is None:
            raise Unauthorized("sign in again")
        return JSONResponse(await act(caller) or {}, headers=PAGE_HEADERS)
    except AttainError as error:
        return problem(error.status, error.title, error.detail)


def _capture_path(class_id: str, form: Form) -> str:
    shown_now = urlencode([("competency", name) for name in form.all("shown")])
    return f"{page_of('class', class_id)}/capture?{shown_now}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidEvent("a mark is a number", pointer="/mark") from error
