"""What the audit reads, of all tenants: every state and standing, and the journal."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from services.progression.domain.describing import describe
from services.progression.domain.journal import in_order, origin_of
from services.progression.handlers.memory import unpack_key, unpack_learner
from services.progression.handlers.rules import policies_of
from services.progression.tables import journals, key_states
from shared.database import Database
from shared.described import NDJSON, NEXT, lines_of
from shared.events import encode_json
from shared.web import Caller, Count


def audit_router(database: Database) -> APIRouter:
    """Return the routes of the audit; all need scope service."""
    router = APIRouter(tags=["audit"])

    @router.get("/v1/states", response_class=Response, responses=lines_of(dict[str, Any], NEXT))
    async def states(
        caller: Caller, after: str = "", limit: Annotated[int, Query(ge=1)] = 5000, tenant: str | None = None
    ) -> Response:
        """Every state as NDJSON in (tenant, learner, competency) order; header Attain-Next goes on from here."""
        caller.require("service")
        start = [*after.split("\t"), "", "", ""][:3]
        async with database.instant() as connection:
            policies = await policies_of(connection, tenant)
            rows = await key_states.all_states(connection, tenant, (start[0], start[1], start[2]), min(limit, 10_000))
        lines = []
        for row in rows:
            key = (row["tenant"], row["learner"], row["competency"])
            state = describe(key, unpack_key(row["state"]), policies)
            lines.append(msgspec.json.encode({"tenant": row["tenant"], **msgspec.to_builtins(state)}))
        last = "\t".join((rows[-1]["tenant"], rows[-1]["learner"], rows[-1]["competency"])) if rows else ""
        return Response(b"\n".join(lines), headers={"Attain-Next": last}, media_type=NDJSON)

    @router.get("/v1/learner-states", response_class=Response, responses=lines_of(list[Any], NEXT))
    async def learner_states(
        caller: Caller, after: str = "", limit: Annotated[int, Query(ge=1)] = 5000, tenant: str | None = None
    ) -> Response:
        """What every learner has on the record and was told, as NDJSON arrays: tenant, learner, and the members in the
        order in which they are stored; by tenant and learner, header Attain-Next goes on from here."""
        caller.require("service")
        start = [*after.split("\t"), "", ""][:2]
        async with database.connection() as connection:
            rows = await key_states.all_standings(connection, tenant, (start[0], start[1]), min(limit, 10_000))
        lines = [encode_json([of, learner, unpack_learner(state)]) for of, learner, state in rows]
        last = f"{rows[-1][0]}\t{rows[-1][1]}" if rows else ""
        return Response(b"\n".join(lines), headers={"Attain-Next": last}, media_type=NDJSON)

    @router.get("/v1/journal", response_class=Response, responses=lines_of(list[Any]))
    async def journal(
        caller: Caller,
        shard: Annotated[int, Query(ge=0, le=1024)],
        after: Count = 0,
        limit: Annotated[int, Query(ge=1)] = 10_000,
    ) -> Response:
        """The input journal of a shard behind a position, as NDJSON arrays: pos, tenant, learner, competencies, type,
        input id and position, time, and the body of decisions."""
        caller.require("service")
        async with database.connection() as connection:
            rows = await journals.read_journal(connection, shard, after, min(limit, 50_000))
        # The bodies of evidence stand in the evidence log.
        lines = [
            msgspec.json.encode(
                [entry.pos, tenant, learner, competencies, entry.type, entry.id, entry.input_pos, entry.time,
                 None if origin_of(entry.type) == "evidence" else bytes(entry.data).decode()]
            )
            for entry, tenant, learner, competencies in in_order(rows)
            if entry.pos > after
        ]  # fmt: skip
        return Response(b"\n".join(lines), media_type=NDJSON)

    return router
