"""Who is who by HTTP, for the other services: names, a source's own ids, and all identities in pages."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.evidence.entrypoints.answered_people import FormerReference, IdentityLine, Reference
from services.evidence.entrypoints.answers import Limit, answer, as_uuid
from services.evidence.tables import merges, people, rollovers, roster
from shared.cursors import read_cursor, write_cursor
from shared.database import Connection, Database
from shared.described import NDJSON, NEXT, answered, lines_of
from shared.events import utc
from shared.web import needs

LEARNERS_MAX = 10_000
NAMES_MAX = 1000


class LearnersAsked(BaseModel):
    """Learners whose names, or who is merged into them, are asked for."""

    tenant: str
    learners: list[str] = Field(max_length=NAMES_MAX)


class References(BaseModel):
    """
    Learners whose ids at one source are asked for; and what is asked for too: where the roster places them, or which ids they
    have since a merge or its undoing.
    """

    tenant: str
    source: str
    placed: bool = False
    returned: bool = False
    learners: list[str] = Field(max_length=LEARNERS_MAX)


def identities_router(database: Database) -> APIRouter:
    """Return the routes on names and ids; all need scope service, and take the tenant that the other service has checked."""
    router = APIRouter(tags=["learners"], dependencies=[needs("service")])

    @router.post("/v1/names", responses=answered(dict[str, str]))
    async def names(asked: LearnersAsked) -> Response:
        """The names of learners of a tenant, for a service that has checked who may see them."""
        learners = [as_uuid(learner, "learners") for learner in asked.learners]
        async with database.connection() as connection:
            rows = await people.names(connection, asked.tenant, learners)
        return answer({row["learner"]: row["name"] for row in rows})

    @router.post("/v1/learners/references", responses=answered(dict[str, list[str] | Reference]))
    async def references(body: References) -> Response:
        """One source's own ids of learners, for delivery to that source alone; who it does not know is left out."""
        learners = [as_uuid(learner, "learners") for learner in body.learners]
        async with database.connection() as connection:
            found = await people.references(connection, body.tenant, body.source, learners)
            placed = await _placements(connection, body.tenant, body.learners) if body.placed else {}
        ids: dict[str, list[str]] = {}
        for learner, source_id in found:
            ids.setdefault(learner, []).append(source_id)
        if not body.placed:
            return answer(ids)
        return answer({learner: {"ids": own, "placement": placed.get(learner)} for learner, own in ids.items()})

    @router.post("/v1/learners/references/former", responses=answered(dict[str, list[FormerReference]]))
    async def former_references(body: References) -> Response:
        """
        One source's ids that learners had until they were merged, or that was undone: whose it told apart then.

        With `returned` those as well that they have since, marked so.
        """
        learners = [as_uuid(learner, "learners") for learner in body.learners]
        async with database.connection() as connection:
            rows = [
                (row, False) for row in await merges.former_references(connection, body.tenant, body.source, learners)
            ]
            if body.returned:
                back = await merges.returned_references(connection, body.tenant, body.source, learners)
                rows += [(row, True) for row in back]
        found: dict[str, list[FormerReference]] = {}
        for row, returned in rows:
            one = FormerReference(row["source_id"], utc(row["since"]), returned)
            found.setdefault(row["learner"], []).append(one)
        return answer(found)

    @router.post("/v1/learners/named-by-id", responses=answered(list[str]))
    async def named_by_id(body: References) -> Response:
        """Let a source that the installation is itself name these learners by their opaque ids; returns those that are."""
        learners = [as_uuid(learner, "learners") for learner in body.learners]
        async with database.transaction() as connection:
            known = await people.know_by_id(connection, body.tenant, body.source, learners)
        return answer(known)

    @router.get("/v1/identities", response_class=Response, responses=lines_of(IdentityLine, NEXT))
    async def identities(after: Annotated[str, Query(max_length=4096)] = "", limit: Limit = 1000) -> Response:
        """Who is who, of all tenants, as NDJSON in key order; the header Attain-Next is the next `after`."""
        async with database.connection() as connection:
            rows = await people.page(connection, read_cursor(after, tuple[str, str, str]) or ("", "", ""), limit)
        body = b"".join(msgspec.json.encode(dict(row)) + b"\n" for row in rows)
        cursor = write_cursor(rows[-1]["tenant"], rows[-1]["source"], rows[-1]["source_id"]) if rows else after
        return Response(body, headers={"Attain-Next": cursor}, media_type=NDJSON)

    return router


async def _placements(connection: Connection, tenant: str, learners: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the school, the classes and the session of learners who are in a class now."""
    session = await rollovers.latest(connection, tenant)
    return {
        row["learner"]: {"school": row["school"], "classes": row["classes"], "session": session}
        for row in await roster.placements(connection, tenant, learners)
    }
