"""Routes on names: asked of evidence in the caller's name, because names are kept nowhere else."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from services.reporting.entrypoints.asking import Waited, token_of
from services.reporting.handlers.access import TENANT
from shared.peer import Peer

PASSED_ON = (200, 308, 401, 403, 404, 422, 429)
router = APIRouter(tags=["people"])


@router.get("/v1/people")
async def people(request: Request, caller: Waited, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
    """Learners by name or source id; needs scope records:read."""
    caller.require(TENANT)
    return await _ask_evidence(request, "/v1/learners", {"q": q})


@router.get("/v1/people/{learner}")
async def person(request: Request, caller: Waited, learner: str) -> Response:
    """The name and source ids of a learner; needs scope records:read."""
    caller.require(TENANT)
    return await _ask_evidence(request, f"/v1/learners/{quote(learner, safe='')}", {})


async def _ask_evidence(request: Request, path: str, parameters: dict[str, str]) -> Response:
    evidence: Peer = request.app.state.evidence
    answer = await evidence.ask(path, parameters, expected=PASSED_ON, token=token_of(request))
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
