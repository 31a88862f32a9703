"""Routes on names: asked of evidence in the caller's name, because names are kept nowhere else."""

from typing import Annotated
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Query, Request, Response

from services.reporting.entrypoints.asking import Waited
from services.reporting.handlers.access import READ_SCOPES
from shared.errors import Unavailable

PEOPLE_TIMEOUT_S = 10
router = APIRouter(tags=["people"])


@router.get("/v1/people")
async def people(request: Request, caller: Waited, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
    """Learners by name or source id: asked of evidence in the caller's name, because names are kept nowhere else."""
    caller.require(*READ_SCOPES)
    return await _ask_evidence(request, "/v1/learners", {"q": q})


@router.get("/v1/people/{learner}")
async def person(request: Request, caller: Waited, learner: str) -> Response:
    """The name and source ids of a learner, asked of evidence in the caller's name."""
    caller.require(*READ_SCOPES)
    return await _ask_evidence(request, f"/v1/learners/{quote(learner, safe='')}", {})


async def _ask_evidence(request: Request, path: str, parameters: dict[str, str]) -> Response:
    client: httpx.AsyncClient = request.app.state.evidence
    headers = {"Authorization": request.headers["authorization"]}
    try:
        answer = await client.get(path, params=parameters, headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable(f"evidence does not answer: {type(error).__name__}") from error
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
