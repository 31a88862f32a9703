"""Routes on the read models themselves, which are of all tenants: rebuild, go back, how far it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.reporting.entrypoints.answered import Rebuild
from services.reporting.entrypoints.asking import part
from services.reporting.handlers.rebuilding import Rebuilder
from shared.described import answered
from shared.web import Caller

router = APIRouter(tags=["rebuild"])
Rebuilds = Annotated[Rebuilder, part("rebuilder")]


@router.post("/v1/rebuild/{model}", status_code=202, responses=answered(Rebuild, "begun", status=202))
async def rebuild(
    caller: Caller,
    rebuilds: Rebuilds,
    model: str,
    accept_differences: Annotated[bool, Query(description="switch although the contents differ")] = False,
) -> dict[str, Any]:
    """Rebuild a read model from its log beside the live one, then switch."""
    caller.require("service")
    return await rebuilds.begin(model, accept_differences=accept_differences)


@router.post("/v1/rebuild/{model}/rollback", status_code=202, responses=answered(Rebuild, "begun", status=202))
async def roll_back(caller: Caller, rebuilds: Rebuilds, model: str) -> dict[str, Any]:
    """Go back to the version before the live one, once it is brought to the same positions."""
    caller.require("service")
    return await rebuilds.roll_back(model)


@router.get("/v1/rebuild/{model}", responses=answered(Rebuild))
async def rebuild_status(caller: Caller, rebuilds: Rebuilds, model: str) -> dict[str, Any]:
    """The live version of a read model, and how far a rebuild is."""
    caller.require("service")
    return await rebuilds.status(model)
