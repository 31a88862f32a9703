"""The roster by HTTP: import, and the classes it has."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from services.evidence.domain.roster import Roster
from services.evidence.entrypoints.answers import Limit, answer
from services.evidence.formats.native import misfit
from services.evidence.handlers.roster import Rosters
from services.evidence.tables import roster as table
from shared.contracts import RosterClass
from shared.database import Database
from shared.errors import InvalidEvent
from shared.settings import Settings
from shared.web import Caller, read_body

_decode_roster = msgspec.json.Decoder(Roster).decode
_decode_class = msgspec.json.Decoder(RosterClass).decode


def roster_router(database: Database, rosters: Rosters, settings: Settings) -> APIRouter:
    """Return the routes on the roster."""
    router = APIRouter(tags=["roster"])

    @router.post("/v1/roster")
    async def submit(request: Request, caller: Caller) -> Response:
        """Add or change schools, classes, learners, enrolments, staff and groups; twice is as once."""
        caller.require("admin")
        body = await read_body(request, settings)
        try:
            given = _decode_roster(body)
        except msgspec.ValidationError as error:
            raise misfit(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidEvent(f"the body is not JSON: {error}", pointer="", reason="malformed_json") from error
        return answer(await rosters.take(caller.tenant, given))

    @router.get("/v1/roster/classes")
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

    @router.get("/v1/roster/schools")
    async def schools(caller: Caller, tenant: Annotated[str, Query(max_length=63)]) -> Response:
        """The school of every enrolled learner of a tenant, for figures by school."""
        caller.require("service")
        async with database.connection() as connection:
            return answer(await table.schools_of_learners(connection, tenant))

    @router.get("/v1/roster/groups")
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
