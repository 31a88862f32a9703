"""Decisions of people on their learners: what progression takes, for those to whom the roster gives rows."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import AfterValidator, StringConstraints

from services.reporting.entrypoints.answered import Decided
from services.reporting.entrypoints.asking import Waited, part
from services.reporting.handlers.deciding import Deciding, Kind
from shared.described import Items, answered
from shared.web import Key, needs

router = APIRouter(tags=["decisions"], dependencies=[needs("decisions:write")])
Decides = Annotated[Deciding, part("deciding")]


def _sayable(body: dict[str, Any]) -> dict[str, Any]:
    """Refuse what Python reads as JSON and JSON has not: it could not be passed on."""
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("the body has a value that JSON does not have") from error
    return body


Decision = Annotated[dict[str, Any], AfterValidator(_sayable), Body(description="the body as progression takes it", examples=[
    {"learner": "6a1c0b0e-6b57-4d8a-9d5e-0f6f3b7f3c11", "competency": "math:c5", "status": "mastered",
     "reason": "shown in a talk about the work"},
])]  # fmt: skip
_DECIDED = answered(Items[Decided], "durable", status=201)
Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]


@router.post("/v1/decisions/{id}/lift", status_code=201, responses=_DECIDED)
async def lift(caller: Waited, decides: Decides, id: Id, body: Decision, key: Key = "") -> Any:
    """Undo a sign-off, override, credit or presumption of a competency of a learner whom the roster gives the caller."""
    return await decides.lift(caller, id, body, key)


@router.post("/v1/plans/{id}/end", status_code=201, responses=_DECIDED)
async def end_plan(caller: Waited, decides: Decides, id: Id, body: Decision, key: Key = "") -> Any:
    """End an individual plan of a learner whom the roster gives the caller; for those who may make one."""
    return await decides.end_plan(caller, id, body, key)


@router.post("/v1/decisions/{kind}", status_code=201, responses=_DECIDED)
async def decide(caller: Waited, decides: Decides, kind: Kind, body: Decision, key: Key = "") -> Any:
    """
    Decide of learners whom the roster gives the caller, in the role in which it lists the caller; needs decisions:write.

    Bodies and answers are those of progression's `POST /v1/{kind}`; `plans` are for those who may make
    one. 404 where the caller has nothing to do with a learner.
    """
    return await decides.decide(caller, kind, body, key)
