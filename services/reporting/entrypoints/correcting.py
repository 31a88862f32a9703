"""Routes that give a piece of evidence to the learner whose it is, for those to whom the roster gives both learners."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.reporting.entrypoints.answered import ForeseenMove, MovedTo
from services.reporting.entrypoints.asking import Waited, answer, part
from services.reporting.entrypoints.examples import MOVE_PREVIEW, MOVED
from services.reporting.handlers.correcting import REASON_MAX, Correcting
from shared.described import answered
from shared.web import needs

router = APIRouter(tags=["corrections"], dependencies=[needs("evidence:write")])
Corrects = Annotated[Correcting, part("correcting")]
Learner = Annotated[str, Field(min_length=1, max_length=64, description="the learner whose it is")]


class Looked(BaseModel):
    """Whose the piece is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": MOVED["learner"]}]})

    to: Learner


class Moved(Looked):
    """Whose the piece is, and why it is moved."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to": MOVED["learner"], "reason": "tapped in the wrong row"}]}
    )

    reason: Annotated[str, Field(min_length=1, max_length=REASON_MAX)]


@router.post(
    "/v1/learners/{learner}/evidence/{evidence_id}/move/preview", responses=answered(ForeseenMove, example=MOVE_PREVIEW)
)
async def preview(
    request: Request, caller: Waited, corrects: Corrects, learner: str, evidence_id: str, body: Looked
) -> Response:
    """Every status and event that moving a piece to another learner would change, for each of both; nothing is changed."""
    foreseen = await corrects.foresee_move(caller, learner=learner, evidence_id=evidence_id, to=body.to)
    return answer(request, foreseen)


@router.post(
    "/v1/learners/{learner}/evidence/{evidence_id}/move", status_code=201,
    responses=answered(MovedTo, "moved", status=201, example=MOVED),
)  # fmt: skip
async def move(
    request: Request, caller: Waited, corrects: Corrects, learner: str, evidence_id: str, body: Moved
) -> Response:
    """
    Move a piece, as it is, to the learner whose it is; needs evidence:write, and the right to correct both learners.

    It answers the id that the piece has there. 403 where somebody else assessed it, 404 where the caller has nothing to do with
    one of the learners, 409 where the source of the piece does not know the other one.
    """
    moved = answer(
        request, await corrects.move(caller, learner=learner, evidence_id=evidence_id, to=body.to, reason=body.reason)
    )
    moved.status_code = 201
    return moved
