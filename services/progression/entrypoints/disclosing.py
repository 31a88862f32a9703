"""Who was told what of learners by HTTP, and the register of who reads public events."""

import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator

from services.progression.domain.disclosing import Reader
from services.progression.entrypoints.answered_subscribers import ReaderDeclared, ToldOfLearner, ToldOfTenant
from services.progression.entrypoints.explaining import tenant_of
from services.progression.entrypoints.webhooks import Kind, Name
from services.progression.handlers.disclosing import Disclosures
from shared.database import Database
from shared.described import Items, answered
from shared.event_log import EventLog
from shared.settings import Settings
from shared.web import Caller, Key, Strict, needs


class Declared(Strict):
    """
    Who reads public events by Kafka, or by the feed and its stream with tokens of the subject `reader`, what for (`purpose`)
    and what of (`types`, `frameworks`; empty is all). Webhooks stand in the register by themselves.
    """

    via: Literal["kafka", "feed"]
    name: Name
    purpose: Annotated[str, Field(min_length=10, max_length=1000)]
    reader: Annotated[str, Field(max_length=512)] = ""
    types: list[Kind] = Field(default_factory=list, max_length=50)
    frameworks: list[Name] = Field(default_factory=list, max_length=200)

    @model_validator(mode="after")
    def _named(self) -> "Declared":
        if (self.via == "feed") != bool(self.reader):
            raise ValueError("`reader` is the subject of the tokens of who reads the feed, and of nobody else")
        if self.via == "feed" and (self.types or self.frameworks):
            raise ValueError("whoever reads the feed is given all types and frameworks")
        return self


def disclosing_router(database: Database, settings: Settings, requests: EventLog) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["disclosures"])
    told = Disclosures(database, settings, requests)

    @router.get("/v1/learners/{learner}/disclosures", responses=answered(ToldOfLearner))
    async def of_learner(
        learner: str, caller: Caller, tenant: str | None = None, after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1)] = 100,
    ) -> dict[str, Any]:  # fmt: skip
        """
        Who was told what of a learner by webhook, feed, stream or standings, on which day (UTC) and what for, the latest
        first; before them who can read it from Kafka, of whom nobody here sees how far they have read. `next` goes on as
        `after`.

        An empty `purpose` is one that nobody has declared. `tenant` is for a service that has checked who may see this.
        """
        of = tenant_of(caller, learner, tenant, "record")
        items, more = await told.of_learner(of, learner, after, min(limit, settings.page_rows_max))
        return {"items": [msgspec.to_builtins(item) for item in items], "next": after + len(items) if more else None}

    @router.get("/v1/disclosures", responses=answered(ToldOfTenant))
    async def of_tenant(
        caller: Caller, tenant: str | None = None, after: datetime.date | None = None,
        days: Annotated[int, Query(ge=1, le=366)] = 31,
    ) -> dict[str, Any]:  # fmt: skip
        """
        Which readers were given anything of the tenant on which days (UTC), the latest first, and what for.

        A page is of whole days; `next` goes on as `after`, with the days before it.
        """
        items, following = await told.of_tenant(caller.tenant_asked(tenant, "records:read"), after, days)
        return {"items": items, "next": following}

    @router.post(
        "/v1/subscribers", status_code=201, responses=answered(ReaderDeclared, "declared", status=201),
        dependencies=[needs("admin")],
    )  # fmt: skip
    async def declare(body: Declared, caller: Caller, key: Key = "") -> dict[str, str]:
        """Declare who reads public events by Kafka, or by the feed, and what for."""
        given = Reader(
            "", caller.tenant, body.via, body.reader, body.name, body.purpose, tuple(body.types), tuple(body.frameworks)
        )
        return {"id": (await told.declare(given, caller.subject, key)).id}

    @router.get("/v1/subscribers", responses=answered(Items[Reader]))
    async def register(caller: Caller) -> dict[str, Any]:
        """The register of readers: webhooks and who was declared, those that read no more (`until`) with it."""
        caller.require("admin")
        return {"items": [msgspec.to_builtins(reader) for reader in await told.readers(caller.tenant)]}

    @router.delete("/v1/subscribers/{id}", status_code=204)
    async def end(id: str, caller: Caller) -> Response:
        """Note that a declared reader reads no more; what it was told stays in the log."""
        caller.require("admin")
        await told.end(caller.tenant, id)
        return Response(status_code=204)

    return router
