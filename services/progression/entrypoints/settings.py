"""What a tenant sets for all of its policies."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, model_validator

from services.progression.entrypoints.answered_rules import Set
from services.progression.handlers.decisions import Decisions
from shared.described import answered
from shared.school_calendar import BREAKS_MAX, FIRST_DAY, LAST_DAY, breaks_of, days_of
from shared.web import Caller, Strict, needs

Day = Annotated[datetime.date, Field(ge=FIRST_DAY, le=LAST_DAY)]


class Break(Strict):
    """Days, the first and the last among them."""

    first: Day
    last: Day

    @model_validator(mode="after")
    def _in_order(self) -> "Break":
        if self.last < self.first:
            raise ValueError("must end on its first day or later")
        return self


Breaks = Annotated[list[Break], Field(max_length=BREAKS_MAX)]


class TenantSettings(Strict):
    """
    The settings of a tenant; what is left out stays as it is.

    `time_zone` (IANA name) is where its school days begin and end. In `breaks` nothing ages and nobody is late. In `freezes`
    no policy is adopted, but by two people of whom one says why it must be now.
    """

    time_zone: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    breaks: Breaks | None = None
    freezes: Breaks | None = None


def settings_router(decisions: Decisions) -> APIRouter:
    """Return the routes for settings."""
    router = APIRouter(tags=["settings"])

    @router.get("/v1/settings", responses=answered(Set))
    async def read(caller: Caller, tenant: str | None = None) -> dict[str, Any]:
        """What is set, or its default. `tenant` is for another service."""
        return _shown(await decisions.settings(caller.tenant_asked(tenant, "records:read", "policy:write", "admin")))

    @router.put("/v1/settings", responses=answered(Set), dependencies=[needs("policy:write", "admin")])
    async def put(body: TenantSettings, caller: Caller) -> dict[str, Any]:
        """Set some; answers with all when every shard has folded it. What is on the record stays as it was decided."""
        known, positions = await decisions.set_settings(
            caller.tenant, body.time_zone, _written(body.breaks), _written(body.freezes)
        )
        await decisions.until_folded(positions)
        return _shown(known)

    return router


def _written(days: list[Break] | None) -> str | None:
    return breaks_of((each.first, each.last) for each in days) if days is not None else None


def _shown(known: dict[str, str]) -> dict[str, Any]:
    return {"time_zone": known["time_zone"]} | {
        name: [{"first": str(first), "last": str(last)} for first, last in days_of(known[name])]
        for name in ("breaks", "freezes")
    }
