"""Corrections by HTTP: what taking evidence back would do; it is then taken back as any evidence is, by retractions."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.progression.correction import Selection
from services.progression.handlers.correcting import forecast, forecast_of
from shared.database import Database
from shared.errors import InvalidEvent
from shared.events import utc
from shared.settings import Settings
from shared.web import Caller

Text = Annotated[str, Field(max_length=512)]


class Selected(BaseModel):
    """Which pieces: of a source, and of an activity, with an id (`item`), or within a time; at least one of these."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(min_length=1, max_length=512)]
    activity: Text = ""
    item: Text = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Chosen(BaseModel):
    """One piece, by its id at its source."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(min_length=1, max_length=512)]
    id: Annotated[str, Field(min_length=1, max_length=512)]


def correcting_router(database: Database, settings: Settings) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["corrections"])

    @router.post("/v1/corrections/preview")
    async def preview(body: Selected, caller: Caller) -> dict[str, Any]:
        """What retracting these pieces would do: events by type, statuses, schools (small numbers null), and the pieces."""
        caller.require("admin")
        if not (body.activity or body.item or body.since or body.until):
            raise InvalidEvent("say which pieces: by activity, item or time", pointer="/activity")
        since, until = (utc(moment) if moment is not None else "" for moment in (body.since, body.until))
        selection = Selection(body.source, body.activity, body.item, since, until)
        return await forecast(database, settings, caller.tenant, selection)

    @router.post("/v1/learners/{learner}/corrections/preview")
    async def preview_of(learner: str, body: Chosen, caller: Caller, tenant: str) -> dict[str, Any]:
        """Every status and event that retracting one piece would change; for a service that has checked who asks."""
        caller.require("service")
        return await forecast_of(database, tenant, learner, Selection(body.source, item=body.id))

    return router
