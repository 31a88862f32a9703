"""How far the fold is, for who follows one event through the services."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.progression.handlers.logs import CONSUMER
from services.progression.tables import published
from shared.database import Database
from shared.settings import Settings
from shared.web import Caller


def positions_router(database: Database, settings: Settings) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["operations"])

    @router.get("/v1/positions")
    async def positions(caller: Caller, shard: Annotated[int, Query(ge=0, lt=settings.shards)]) -> dict[str, int]:
        """Up to which position of the evidence log a shard is folded."""
        caller.require("service")
        async with database.connection() as connection:
            generation, pos, _ = (await published.folded_positions(connection, CONSUMER))[shard]
        return {"generation": generation, "evidence": pos}

    return router
