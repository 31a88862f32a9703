"""What a tenant sets for all of its policies."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.progression.handlers.decisions import Decisions
from shared.settings import Settings
from shared.web import Caller, wait_for


class TenantSettings(BaseModel):
    """The settings of a tenant; `time_zone` (IANA name) is where its school days begin and end."""

    model_config = ConfigDict(extra="forbid")

    time_zone: Annotated[str, Field(min_length=1, max_length=100)]


def settings_router(decisions: Decisions, settings: Settings) -> APIRouter:
    """Return the routes for settings."""
    router = APIRouter(tags=["settings"])

    @router.get("/v1/settings")
    async def read(caller: Caller) -> TenantSettings:
        """What is set, or its default."""
        caller.require("records:read", "policy:write", "admin")
        return TenantSettings(time_zone=await decisions.time_zone(caller.tenant))

    @router.put("/v1/settings")
    async def put(body: TenantSettings, caller: Caller) -> TenantSettings:
        """Set them; answers when all shards have folded it. What is on the record stays as it was decided."""
        caller.require("policy:write", "admin")
        positions = await decisions.set_time_zone(caller.tenant, body.time_zone)
        await wait_for(lambda: decisions.folded(positions), settings)
        return body

    return router
