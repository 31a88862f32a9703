"""Frameworks over HTTP: their versions, and the levels put on them."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from services.progression.domain.curriculum import Framework
from services.progression.domain.curriculum.importing import (
    FrameworkImport,
    LevelsImport,
    describe,
    read_import,
    read_levels_import,
)
from services.progression.entrypoints.answered_rules import Imported
from services.progression.handlers.decisions import Decisions
from services.progression.tables import rulebook
from shared.database import Database
from shared.described import Items, answered, reads, schema_of
from shared.events import now
from shared.settings import Settings
from shared.web import Caller, read_body


def frameworks_router(database: Database, decisions: Decisions, settings: Settings) -> APIRouter:
    """Return the routes for frameworks."""
    router = APIRouter(tags=["frameworks"])

    async def published(tenant: str, framework: Framework, problems: list[str]) -> dict[str, Any]:
        migration, positions = await decisions.publish_framework(tenant, framework)
        await decisions.until_folded(positions)
        return describe(framework, migration, problems)

    @router.post(
        "/v1/frameworks",
        responses=answered(Imported),
        openapi_extra=reads({"application/json": schema_of(FrameworkImport)}),
    )
    async def publish_framework(request: Request, caller: Caller) -> dict[str, Any]:
        """Publish a framework version, from CSV or a CASE package; answers when all shards have folded it."""
        caller.require("admin", "policy:write")
        body = await read_body(request, settings)
        # A large package takes seconds to read; shards are folded meanwhile.
        return await published(caller.tenant, *await asyncio.to_thread(read_import, body, now()[:10]))

    @router.post(
        "/v1/frameworks/{framework}/levels",
        responses=answered(Imported),
        openapi_extra=reads({"application/json": schema_of(LevelsImport)}),
    )
    async def put_levels(framework: str, request: Request, caller: Caller) -> dict[str, Any]:
        """Put levels on the version in force, which makes a new one; answers when all shards have folded it."""
        caller.require("admin", "policy:write")
        body = await read_body(request, settings)
        known = await decisions.framework(caller.tenant, framework)
        return await published(caller.tenant, *await asyncio.to_thread(read_levels_import, body, known))

    @router.get("/v1/frameworks", responses=answered(Items[Framework]))
    async def frameworks(caller: Caller, versions: Literal["current", "all"] = "current") -> Response:
        """The framework versions in force, or all that ever were, whole."""
        caller.require("records:read", "policy:write", "admin")
        read = rulebook.frameworks_of if versions == "current" else rulebook.all_frameworks_of
        async with database.connection() as connection:
            bodies = await read(connection, caller.tenant)
        return Response(b'{"items":[%s]}' % b",".join(bodies), media_type="application/json")

    return router
