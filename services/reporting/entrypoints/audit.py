"""Routes for the audit: the rows of the read models of all tenants, with scope `service`."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from services.reporting.entrypoints.asking import Waited, part
from services.reporting.handlers.auditing import AuditReader, StateRow
from shared.described import NDJSON, NEXT, lines_of

router = APIRouter(tags=["audit"])
Audits = Annotated[AuditReader, part("audit")]


@router.get("/v1/states", response_class=Response, responses=lines_of(StateRow, NEXT))
async def states(
    caller: Waited, audit: Audits, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000, tenant: str | None = None
) -> Response:
    """Every state of all tenants, or of one, as NDJSON in key order; `Attain-Next` is the next `after`."""
    rows, cursor = await audit.states(caller, tenant, after, limit)
    lines = msgspec.json.Encoder().encode_lines(rows)
    return Response(lines, headers={"Attain-Next": cursor}, media_type=NDJSON)


@router.get("/v1/rows/{table}", response_class=Response, responses=lines_of(dict[str, Any], NEXT))
async def rows(
    caller: Waited, audit: Audits, table: str, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000,
    tenant: str | None = None,
) -> Response:  # fmt: skip
    """Every row of a read-model table, as NDJSON in key order; `Attain-Next` is the next `after`."""
    found, cursor = await audit.rows(caller, table, tenant, after, limit)
    lines = msgspec.json.Encoder().encode_lines(found)
    return Response(lines, headers={"Attain-Next": cursor}, media_type=NDJSON)
