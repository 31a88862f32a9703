"""Activities that Attain itself writes standings to, so that they are known when they come back."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from services.evidence.entrypoints.answered_evidence import Noted
from services.evidence.entrypoints.answers import answer
from services.evidence.tables import own_activities
from shared.database import Database
from shared.described import answered
from shared.web import Caller, needs

Activity = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Activities(BaseModel):
    """Activities as evidence of a format would name them."""

    activities: list[Activity] = Field(min_length=1, max_length=10_000)


def own_activities_router(database: Database) -> APIRouter:
    """Return the route that notes them."""
    router = APIRouter(tags=["formats"], dependencies=[needs("admin")])

    @router.post("/v1/own-activities", responses=answered(Noted))
    async def note(body: Activities, caller: Caller) -> Response:
        """Note activities that standings are passed back to; from now on what a format says of them is no evidence."""
        async with database.transaction() as connection:
            await own_activities.add(connection, caller.tenant, body.activities, caller.subject)
        return answer({"noted": len(set(body.activities))})

    return router
