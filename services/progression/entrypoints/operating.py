"""What operators do and see of the fold: how far it is, and a learner who was set apart."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.progression.entrypoints.answered import Redriven
from services.progression.handlers.decisions import Decisions
from services.progression.tables import published
from shared.database import Database
from shared.described import answered
from shared.settings import Settings
from shared.web import Caller


def operating_router(decisions: Decisions, database: Database, settings: Settings) -> APIRouter:
    """Return the routes of operators and of other services."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/positions")
    async def positions(caller: Caller, shard: Annotated[int, Query(ge=0, lt=settings.shards)]) -> dict[str, int]:
        """Up to which position of the evidence log a shard is folded, for who follows one event through the services."""
        caller.require("service")
        async with database.connection() as connection:
            generation, pos, _ = (await published.folded_positions(connection))[shard]
        return {"generation": generation, "evidence": pos}

    @router.post("/v1/learners/{learner}/redrive", responses=answered(Redriven))
    async def redrive(learner: str, caller: Caller) -> dict[str, Any]:
        """Fold a blocked learner again from where it stopped, each input under the rules that were in force at it."""
        caller.require("admin")
        positions = await decisions.redrive(caller.tenant, learner)
        return {"positions": await decisions.until_folded(positions)}

    @router.post("/v1/redrive", responses=answered(Redriven))
    async def redrive_all(caller: Caller) -> dict[str, Any]:
        """Fold all blocked learners of the tenant again, each as `/v1/learners/{learner}/redrive` does."""
        caller.require("admin")
        positions = await decisions.redrive(caller.tenant)
        return {"positions": await decisions.until_folded(positions)}

    return router
