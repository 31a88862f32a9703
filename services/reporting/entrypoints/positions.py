"""How far the read models are, for who follows one event through the services."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.reporting.entrypoints.asking import part
from services.reporting.handlers.positions import Positions
from shared.web import Caller

router = APIRouter(tags=["operations"])


@router.get("/v1/positions")
async def positions(
    caller: Caller, shown: Annotated[Positions, part("positions")], shard: Annotated[int, Query(ge=0)]
) -> dict[str, int]:
    """Up to which position of the evidence log the states that follow from it are shown, of a shard."""
    caller.require("service")
    head = await shown.evidence_position(shard)
    return {"generation": head.generation, "evidence": head.pos}
