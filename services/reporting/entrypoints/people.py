"""Routes on names: asked of evidence in the caller's name, because names are kept nowhere else."""

from typing import Annotated

import httpx
from fastapi import APIRouter, Query, Request, Response

from services.reporting.entrypoints.answered import MergedInto, Named, Person
from services.reporting.entrypoints.asking import Waited, part, token_of
from services.reporting.handlers.finding import Finder
from shared.described import answered

Finds = Annotated[Finder, part("finder")]
router = APIRouter(tags=["people"])
_MOVED = answered(MergedInto, "merged into another learner", status=308, headers={"Location": "where that learner is"})
_PASSED_ON = ("Retry-After", "WWW-Authenticate")


@router.get("/v1/people", responses=answered(list[Person]))
async def people(
    request: Request, caller: Waited, finds: Finds, q: Annotated[str, Query(min_length=1, max_length=200)]
) -> Response:
    """Learners by name or source id; needs scope records:read, in a role that sees names."""
    return _passed_on(await finds.find(caller, q, token_of(request)))


@router.get("/v1/people/{learner}", responses=answered(Named) | _MOVED)
async def person(request: Request, caller: Waited, finds: Finds, learner: str) -> Response:
    """The name and source ids of a learner; needs scope records:read, in a role that sees names."""
    return _passed_on(await finds.person(caller, learner, token_of(request)))


def _passed_on(answer: httpx.Response) -> Response:
    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    if answer.status_code == 308:
        headers["Location"] = f"/v1/people/{answer.json()['merged_into']}"
    return Response(answer.content, answer.status_code, headers, answer.headers.get("content-type"))
