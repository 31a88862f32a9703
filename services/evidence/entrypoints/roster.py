"""The roster by HTTP: import, and the classes it has."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from services.evidence.domain.roster import Roster
from services.evidence.entrypoints.answered_people import Classes, Members
from services.evidence.entrypoints.answers import Limit, answer
from services.evidence.formats.json_text import NOT_JSON, check, unreadable
from services.evidence.handlers.rollover import Ended, Rollovers
from services.evidence.handlers.roster import Counts, Rosters
from services.evidence.tables import roster as table
from shared.contracts.roster_events import RosterClass
from shared.database import Database
from shared.described import answered, reads, schema_of
from shared.settings import Settings
from shared.web import Caller, needs, read_body

SESSION_FORM = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Session = Annotated[str, Field(pattern=SESSION_FORM)]
SessionPath = Annotated[str, Path(pattern=SESSION_FORM)]
_decode_roster = msgspec.json.Decoder(Roster).decode
_decode_class = msgspec.json.Decoder(RosterClass).decode


class Rollover(BaseModel):
    """A school year that begins: its name, the classes that go on, and the share of the enrolments that may end."""

    session: Session
    goes_on: list[str] = Field(max_length=1_000_000)
    share_max: float = Field(0.1, ge=0, le=1)


def rollover_router(rollovers: Rollovers) -> APIRouter:
    """Return the routes that begin a school year and undo it."""
    router = APIRouter(tags=["roster"], dependencies=[needs("admin")])

    @router.post("/v1/roster/rollovers", responses=answered(Ended))
    async def begin(body: Rollover, caller: Caller, dry_run: bool = False) -> Response:
        """
        End who is in classes that do not go on, learners and staff; with `dry_run` only say how many.

        409 `large_change` where more than `share_max` of the enrolments would end.
        """
        ended = await rollovers.end(
            caller.tenant, body.session, frozenset(body.goes_on), share_max=body.share_max, by=caller.subject,
            dry_run=dry_run,
        )  # fmt: skip
        return answer(ended)

    @router.post("/v1/roster/rollovers/{session}/undo", responses=answered(Ended))
    async def undo(session: SessionPath, caller: Caller) -> Response:
        """Let what the begin of a session ended go on again."""
        return answer(await rollovers.undo(caller.tenant, session))

    return router


def roster_router(database: Database, rosters: Rosters, settings: Settings) -> APIRouter:
    """Return the routes on the roster."""
    router = APIRouter(tags=["roster"])

    @router.post("/v1/roster", responses=answered(Counts), openapi_extra=reads({"application/json": schema_of(Roster)}))
    async def submit(request: Request, caller: Caller) -> Response:
        """Add or change schools, classes, learners, enrolments, staff with their names, and groups; twice is as once."""
        caller.require("admin")
        body = await read_body(request, settings)
        try:
            given = _decode_roster(body)
            # In a thread: a district's roster takes a second.
            await asyncio.to_thread(check, body)
        except NOT_JSON as error:
            raise unreadable(error) from error
        return answer(await rosters.take(caller.tenant, given))

    @router.get("/v1/roster/classes", responses=answered(Classes))
    async def classes(
        caller: Caller, after: Annotated[str, Query(max_length=512)] = "", limit: Limit = 1000
    ) -> Response:
        """The classes of the tenant in the order of their ids; `next` is the next `after`."""
        caller.require("records:read", "admin")
        async with database.connection() as connection:
            rows = await table.classes(connection, caller.tenant, after, limit)
        items = []
        for row in rows:
            told = _decode_class(row["data"])
            items.append({"class": told.class_id, "title": told.title, "school": told.school,
                          "subject": told.subject, "source": row["source"]})  # fmt: skip
        return answer({"items": items, "next": rows[-1]["key"] if rows else after})

    @router.get("/v1/roster/schools", responses=answered(dict[str, str]))
    async def schools(caller: Caller, tenant: Annotated[str, Query(max_length=63)]) -> Response:
        """The school of every enrolled learner of a tenant, for figures by school."""
        caller.require("service")
        async with database.connection() as connection:
            return answer(await table.schools_of_learners(connection, tenant))

    @router.get("/v1/roster/groups", responses=answered(Members))
    async def groups(
        caller: Caller, tenant: str, after: Annotated[str, Query(max_length=64)] = "", limit: Limit = 1000
    ) -> Response:
        """The group memberships of a tenant's learners, for reporting; `next` is the next `after`, and bounds learners."""
        caller.require("service")
        async with database.connection() as connection:
            rows = await table.groups(connection, tenant, after, limit)
        items = [{"learner": row["learner"], "group": row["group_id"], "value": row["value"]} for row in rows]
        return answer({"items": items, "next": items[-1]["learner"] if items else after})

    return router
