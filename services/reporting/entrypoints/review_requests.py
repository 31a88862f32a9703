"""Routes on what learners and families ask to have looked at again, and state where that was refused."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.reporting.domain.review_requests import STATEMENT_MAX, TEXT_MAX, ReviewRequest
from services.reporting.entrypoints.asking import After, Fields, Limit, Waited, answer, kept, part
from services.reporting.entrypoints.examples import REFUSED_REQUEST, REVIEW_REQUEST, REVIEW_REQUESTS
from services.reporting.handlers.review_requests import COMPETENCY_MAX, ReviewRequests
from shared.cursors import Page
from shared.described import answered
from shared.web import KNOWN, Caller, Key, needs

router = APIRouter(tags=["review requests"])
Requests = Annotated[ReviewRequests, part("review_requests")]


class Asked(BaseModel):
    """What somebody asks to have looked at again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [
        {"competency": REVIEW_REQUEST["competency"], "text": REVIEW_REQUEST["text"]}
    ]})  # fmt: skip

    competency: Annotated[str, Field(min_length=1, max_length=COMPETENCY_MAX)]
    text: Annotated[str, Field(max_length=TEXT_MAX)] = ""


class Done(BaseModel):
    """
    What was done about it, in words for learner and family.

    `refused` says that the school will not change the record as asked, after the hearing where one was held; then `done` is why.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"done": "I graded the essay again."}]})

    done: Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
    refused: bool = False


class Stated(BaseModel):
    """What learner or family state about what was refused, for everybody who sees the record."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [
        {"statement": REFUSED_REQUEST["statement"]}
    ]})  # fmt: skip

    statement: Annotated[str, Field(min_length=1, max_length=STATEMENT_MAX)]


@router.get("/v1/learners/{learner}/review-requests", responses=kept(Page[ReviewRequest], example=REVIEW_REQUESTS))
async def review_requests(
    request: Request, caller: Waited, requests: Requests, learner: str, after: After = "", limit: Limit = 100,
    fields: Fields = "",
) -> Response:  # fmt: skip
    """
    What was asked to be looked at again for a learner, the latest first, with what was done.

    For the learner, guardians, and the staff who answer; `text` is null where a learner or guardian reads what another wrote.
    """
    return answer(request, await requests.of_learner(caller, learner, after, limit), fields=fields)


@router.post(
    "/v1/learners/{learner}/review-requests", status_code=201,
    responses=answered(ReviewRequest, "asked", status=201, example=REVIEW_REQUEST)
    | answered(ReviewRequest, "one is open already, and stays as it is", example=REVIEW_REQUEST),
    dependencies=[KNOWN],
)  # fmt: skip
async def ask(
    request: Request, caller: Caller, requests: Requests, learner: str, body: Asked, key: Key = ""
) -> Response:
    """Ask that where a learner stands with a competency is looked at again: for the learner and guardians."""
    made, is_new = await requests.ask(caller, learner=learner, competency=body.competency, text=body.text, key=key)
    answered = answer(request, made)
    answered.status_code = 201 if is_new else 200
    return answered


@router.post(
    "/v1/learners/{learner}/review-requests/{id}/done",
    responses=answered(ReviewRequest, example=REVIEW_REQUEST),
    dependencies=[needs("decisions:write")],
)
async def finish(request: Request, caller: Caller, requests: Requests, learner: str, id: str, body: Done) -> Response:
    """Say what was done about a request, once, to learner and family: for the staff who answer for the learner."""
    made = await requests.finish(caller, learner=learner, id=id, done=body.done, refused=body.refused)
    return answer(request, made)


@router.post(
    "/v1/learners/{learner}/review-requests/{id}/statement",
    responses=answered(ReviewRequest, example=REFUSED_REQUEST),
    dependencies=[KNOWN],
)
async def state(
    request: Request, caller: Caller, requests: Requests, learner: str, id: str, body: Stated, key: Key = ""
) -> Response:
    """
    State beside the record what there is to say about a request that was refused: for the learner and guardians.

    It is told wherever the record is, until the learner is erased or it is taken back. There is one a request; who made it may
    replace it.
    """
    made = await requests.state(caller, learner=learner, id=id, text=body.statement, key=key)
    return answer(request, made)


@router.delete(
    "/v1/learners/{learner}/review-requests/{id}/statement", responses=answered(ReviewRequest, example=REFUSED_REQUEST)
)
async def withdraw(request: Request, caller: Caller, requests: Requests, learner: str, id: str) -> Response:
    """
    Take back what one stated: for who made the statement. It is told nowhere any more; that it was taken back, and when, stays.

    What was taken along before, such as a transcript, keeps it.
    """
    return answer(request, await requests.withdraw(caller, learner=learner, id=id))
