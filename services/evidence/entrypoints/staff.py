"""What people of the staff are called, by HTTP: for those who see whom to ask, and to take it along or forget it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.evidence.entrypoints.answered_people import StaffPage
from services.evidence.entrypoints.answers import Limit, answer
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.staff_names import Forgotten, StaffNames
from services.evidence.tables import staff_names
from shared.database import Database
from shared.described import answered
from shared.web import Caller, needs

ASKED_MAX = 1000


class StaffAsked(BaseModel):
    """People whose names are asked for, by the subjects of their tokens."""

    tenant: str
    people: list[str] = Field(max_length=ASKED_MAX)


def staff_router(database: Database, names: StaffNames, accesses: Accesses) -> APIRouter:
    """Return the routes on names of staff."""
    router = APIRouter(tags=["staff"])

    @router.post("/v1/staff/names", responses=answered(dict[str, str]), dependencies=[needs("service")])
    async def asked(asked: StaffAsked) -> Response:
        """The names of people of a tenant's staff, for a service that has checked who may see them."""
        async with database.connection() as connection:
            rows = await staff_names.of(connection, asked.tenant, asked.people)
        return answer({row["person"]: row["name"] for row in rows})

    @router.get("/v1/staff", responses=answered(StaffPage))
    async def page(caller: Caller, after: Annotated[str, Query(max_length=512)] = "", limit: Limit = 1000) -> Response:
        """The names of the tenant's staff that are kept; `next` is the next `after`."""
        caller.require("admin")
        async with database.connection() as connection:
            items = [dict(row) for row in await staff_names.page(connection, caller.tenant, after, limit)]
        return answer({"items": items, "next": items[-1]["person"] if items else after})

    @router.delete("/v1/staff/{person:path}", responses=answered(Forgotten))
    async def forget(person: str, caller: Caller) -> Response:
        """Forget what a person is called; the subject stays beside what the person did. It is noted who asked."""
        caller.require("admin")
        forgotten = await names.forget(caller.tenant, person, by=caller.subject)
        await accesses.note(caller.tenant, caller.subject, "erasure", forgotten.certificate)
        return answer(forgotten)

    return router
