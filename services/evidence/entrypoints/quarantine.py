"""Quarantine by HTTP: list, show with the original bytes, try again."""

import base64
from typing import Any, Literal

import asyncpg
from fastapi import APIRouter, Response

from services.evidence.domain.reasons import ACKNOWLEDGED, REFUSED, WAITING
from services.evidence.entrypoints.answered_evidence import Discarded, KeptPage, KeptWhole, Reasons
from services.evidence.entrypoints.answers import After, Id, Limit, Text, answer, as_uuid
from services.evidence.handlers.ending import Ending
from services.evidence.handlers.intake import Item
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.tables import accesses as access_rows
from services.evidence.tables import quarantine as table
from shared.database import Database
from shared.described import answered
from shared.errors import NotFound
from shared.web import Caller


def quarantine_router(database: Database, quarantine: Quarantine, ending: Ending) -> APIRouter:
    """Return the routes on what cannot be used, or not yet; all need scope admin, since bytes name learners."""
    router = APIRouter(tags=["quarantine"])

    @router.get("/v1/quarantine", responses=answered(KeptPage))
    async def page(  # query parameters
        caller: Caller,
        status: Literal["quarantined", "parked", "redriven", "released"] = "quarantined",
        reason: Text | None = None,
        source: Text | None = None,
        after: After = 0,
        limit: Limit = 100,
    ) -> Response:
        """What is kept, in order of receipt, without the bytes; `next` is the next `after`."""
        caller.require("admin")
        async with database.connection() as connection:
            rows = await table.page(
                connection, caller.tenant, status=status, reason=reason, source=source, after=after, limit=limit
            )
        return answer({"items": [_listed(row) for row in rows], "next": rows[-1]["seq"] if rows else after})

    @router.delete("/v1/quarantine", responses=answered(Discarded))
    async def discard(caller: Caller, ended: bool = False) -> Response:  # query parameter
        """
        Delete for good what is quarantined, of which nobody may know whose it is; parked pieces stay. It is noted who asked.

        Erasing a learner deletes what can be told to be of that learner; this is for the end of a tenant. With `ended`
        parked pieces go too, and what is said in kept statements and events, of whomever it is, and keys are revoked; the ids
        stay taken. The ledger of erasures has that the tenant ended then, so a restore brings nothing of it back.
        """
        caller.require("admin")
        if ended:
            return answer({"deleted": await ending.end(caller.tenant, by=caller.subject)})
        async with database.transaction() as connection:
            deleted = await table.discard(connection, caller.tenant)
            await access_rows.add(connection, caller.tenant, caller.subject, "erasure", f"quarantine: {deleted}")
        return answer({"deleted": deleted})

    @router.get("/v1/quarantine/reasons", responses=answered(Reasons))
    async def reasons(caller: Caller) -> Response:
        """Every reason code of intake, with its meaning; the codes are stable."""
        return answer({"refused": REFUSED, "waiting": WAITING, "acknowledged": ACKNOWLEDGED})

    @router.get("/v1/quarantine/{quarantine_id}", responses=answered(KeptWhole))
    async def show(quarantine_id: Id, caller: Caller) -> Response:
        """One piece with its original bytes, as text too where they are UTF-8."""
        caller.require("admin")
        async with database.connection() as connection:
            row = await table.find(connection, caller.tenant, as_uuid(quarantine_id, "quarantine_id"))
        if row is None:
            raise NotFound("no such piece in quarantine")
        original: bytes = row["original"]
        try:
            text = original.decode()
        except UnicodeDecodeError:
            text = None
        return answer(_listed(row) | {"original": base64.b64encode(original).decode(), "text": text})

    @router.post("/v1/quarantine/{quarantine_id}/redrive", responses=answered(Item))
    async def redrive(quarantine_id: Id, caller: Caller) -> Response:
        """Take the original bytes in again; the answer is the item."""
        caller.require("admin")
        return answer(await quarantine.redrive(caller.tenant, as_uuid(quarantine_id, "quarantine_id")))

    return router


def _listed(row: asyncpg.Record) -> dict[str, Any]:
    listed = {name: value for name, value in row.items() if name not in ("seq", "original", "item_id")}
    return listed | {"id": row["item_id"]}
