"""Learners by HTTP: who is meant by a source's id."""

from fastapi import APIRouter, Response

from services.evidence.entrypoints.answered_people import Found, LearnerId, MergedInto, Named
from services.evidence.entrypoints.answers import Id, Text, answer, as_uuid
from services.evidence.tables import merges, people
from shared.database import Database
from shared.described import answered
from shared.errors import InvalidEvent, NotFound
from shared.web import Caller

SEARCH_ROWS = 50
_MOVED = answered(MergedInto, "merged into another learner", status=308, headers={"Location": "where that learner is"})


def learners_router(database: Database) -> APIRouter:
    """Return the routes that say who a learner is."""
    router = APIRouter(tags=["learners"])

    @router.get("/v1/learners", responses=answered(LearnerId | list[Found]))
    async def find(
        caller: Caller, source: Text | None = None, source_id: Text | None = None, q: Text | None = None
    ) -> Response:
        """The learner of a source's own id, or with `q` those whose name or source id starts so."""
        caller.require_sight("names")
        if q is not None:
            async with database.connection() as connection:
                rows = await people.search(connection, caller.tenant, q, SEARCH_ROWS)
            return answer([dict(row) for row in rows])
        if source is None or source_id is None:
            raise InvalidEvent("give source and source_id, or q", pointer="/source")
        async with database.connection() as connection:
            learner = await people.find(connection, caller.tenant, source, source_id)
        if learner is None:
            raise NotFound("no such learner")
        return answer({"learner": learner})

    @router.get("/v1/learners/{learner}", responses=answered(Named) | _MOVED)
    async def show(learner: Id, caller: Caller) -> Response:
        """The name and source ids of a learner."""
        caller.require_sight("names")
        learner = as_uuid(learner, "learner")
        async with database.connection() as connection:
            rows = await people.identities(connection, caller.tenant, learner)
        if not rows:
            return await _moved_to(database, caller.tenant, learner)
        name = next((row["name"] for row in rows if row["name"] is not None), None)
        identities = [{"source": row["source"], "source_id": row["source_id"]} for row in rows]
        return answer({"learner": learner, "name": name, "identities": identities})

    return router


async def _moved_to(database: Database, tenant: str, learner: str) -> Response:
    """Send the reader of a learner who was merged to whom that learner became."""
    async with database.connection() as connection:
        for row in await merges.in_force(connection, tenant, [learner]):
            if row["merged"] == learner:
                headers = {"Location": f"/v1/learners/{row['kept']}"}
                return answer({"learner": learner, "merged_into": row["kept"]}, 308, headers)
    raise NotFound("no such learner")
