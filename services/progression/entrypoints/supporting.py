"""Support by HTTP, for staff alone: never on family pages, transcripts, exports, or among public events."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.progression.handlers.supporting import support_of
from shared.database import Database
from shared.web import Caller

Role = Annotated[str, Query(pattern=r"^[a-z][a-z_]{0,39}$")]


def supporting_router(database: Database) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["support"])

    @router.get("/v1/learners/{learner}/support")
    async def support(
        learner: str,
        caller: Caller,
        ends: Annotated[
            datetime.date | None, Query(description="last day of the school year, else the next 30 June")
        ] = None,
        owner: Role = "teacher",
    ) -> dict[str, Any]:
        """What the record asks of adults now: side, cause, owner, date, weakest prerequisite; enough evidence; what is next."""
        caller.require("decisions:write")
        today = datetime.datetime.now(datetime.UTC).date()
        last = ends or datetime.date(today.year + (today.month > 6), 6, 30)
        over = (last + datetime.timedelta(days=1)).isoformat()
        found = await support_of(database, caller.tenant, learner, today.isoformat(), over, owner)
        return {"learner": learner, "as_of": today.isoformat(), **found}

    return router
