"""Learners by HTTP: who is meant by a source's id, and forgetting one."""

import base64
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from services.evidence.entrypoints.answers import Id, Limit, Text, answer, as_uuid
from services.evidence.formats.native import misfit
from services.evidence.handlers.directory import Learners
from services.evidence.handlers.erasure import erase_learner
from services.evidence.handlers.holdings import holdings_of
from services.evidence.handlers.merging import Merging
from services.evidence.tables import merges, people
from shared.database import Database
from shared.errors import InvalidEvent, NotFound
from shared.event_log import EventLog
from shared.settings import Settings
from shared.web import Caller, read_body

SEARCH_ROWS = 50


class _Merge(msgspec.Struct, forbid_unknown_fields=True):
    into: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]*\Z")]


_decode_merge = msgspec.json.Decoder(_Merge).decode


def _merge(body: bytes) -> _Merge:
    try:
        return _decode_merge(body)
    except msgspec.ValidationError as error:
        raise misfit(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"the body is not JSON: {error}", pointer="", reason="malformed_json") from error


async def _moved_to(database: Database, tenant: str, learner: str) -> Response:
    """Send the reader of a learner who was merged to whom that learner became."""
    async with database.connection() as connection:
        for row in await merges.in_force(connection, tenant, [learner]):
            if str(row["merged"]) == learner:
                headers = {"Location": f"/v1/learners/{row['kept']}"}
                return answer({"learner": learner, "merged_into": str(row["kept"])}, 308, headers)
    raise NotFound("no such learner")


def learners_router(
    database: Database, logs: Sequence[EventLog], directory: Learners, merging: Merging, settings: Settings
) -> APIRouter:
    """Return the routes on learners."""
    router = APIRouter(tags=["learners"])

    @router.get("/v1/learners")
    async def find(
        caller: Caller, source: Text | None = None, source_id: Text | None = None, q: Text | None = None
    ) -> Response:
        """The learner of a source's own id, or with `q` those whose name or source id starts so."""
        caller.require("records:read")
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

    @router.get("/v1/learners/{learner}")
    async def show(learner: Id, caller: Caller) -> Response:
        """The name and source ids of a learner."""
        caller.require("records:read")
        learner = as_uuid(learner, "learner")
        async with database.connection() as connection:
            rows = await people.identities(connection, caller.tenant, learner)
        if not rows:
            return await _moved_to(database, caller.tenant, learner)
        name = next((row["name"] for row in rows if row["name"] is not None), None)
        identities = [{"source": row["source"], "source_id": row["source_id"]} for row in rows]
        return answer({"learner": learner, "name": name, "identities": identities})

    @router.get("/v1/learners/{learner}/holdings")
    async def holdings(learner: Id, caller: Caller) -> Response:
        """Everything that this service holds of a learner: for a learner's request to see it."""
        caller.require("admin")
        return answer(await holdings_of(database, caller.tenant, as_uuid(learner, "learner")))

    @router.post("/v1/learners/{learner}/merge")
    async def merge(learner: Id, request: Request, caller: Caller) -> Response:
        """Give the identities and evidence of a learner to another, who is the same person; can be undone."""
        caller.require("admin")
        learner = as_uuid(learner, "learner")
        asked = _merge(await read_body(request, settings))
        into = as_uuid(asked.into, "into")
        return answer(await merging.merge(caller.tenant, learner, into, reason=asked.reason, by=caller.subject))

    @router.post("/v1/merges/{merge}/undo")
    async def undo(merge: Id, caller: Caller) -> Response:
        """Give back what a merge moved, and what came since by the identities that it moved."""
        caller.require("admin")
        return answer(await merging.undo(caller.tenant, as_uuid(merge, "merge"), by=caller.subject))

    @router.delete("/v1/learners/{learner}")
    async def erase(learner: Id, caller: Caller) -> Response:
        """Forget a learner for good; positions stay, bodies go."""
        caller.require("admin")
        return answer(await erase_learner(database, logs, directory, caller.tenant, as_uuid(learner, "learner")))

    @router.get("/v1/identities")
    async def identities(
        caller: Caller, after: Annotated[str, Query(max_length=4096)] = "", limit: Limit = 1000
    ) -> Response:
        """Who is who, of all tenants, as NDJSON in key order; the header Attain-Next is the next `after`."""
        caller.require("service")
        async with database.connection() as connection:
            rows = await people.page(connection, _key(after), limit)
        body = b"".join(msgspec.json.encode(dict(row)) + b"\n" for row in rows)
        cursor = _cursor((rows[-1]["tenant"], rows[-1]["source"], rows[-1]["source_id"])) if rows else after
        return Response(body, headers={"Attain-Next": cursor}, media_type="application/x-ndjson")

    return router


def _cursor(key: people.Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode()


def _key(cursor: str) -> people.Key:
    if not cursor:
        return ("", "", "")
    try:
        key: people.Key = msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=people.Key)
        return key
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidEvent("not a cursor of this list", pointer="/after") from error
