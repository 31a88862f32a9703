"""Routes for the audit: the rows of the read models of all tenants, with scope `service`."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from services.reporting.entrypoints.asking import Reads, Waited
from services.reporting.handlers.reading import StateRow
from shared.described import lines_of

router = APIRouter(tags=["audit"])


@router.get("/v1/states", response_class=Response, responses=lines_of(StateRow))
async def states(
    caller: Waited, reads: Reads, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000, tenant: str | None = None
) -> Response:
    """Every state of all tenants, or of one, as NDJSON in key order; `Attain-Next` is the next `after`."""
    rows, cursor = await reads.states(caller, tenant, after, limit)
    lines = msgspec.json.Encoder().encode_lines(rows)
    return Response(lines, headers={"Attain-Next": cursor}, media_type="application/x-ndjson")


@router.get("/v1/rows/{table}", response_class=Response, responses=lines_of(dict[str, Any]))
async def rows(
    caller: Waited, reads: Reads, table: str, after: str = "", limit: Annotated[int, Query(ge=1)] = 1000,
    tenant: str | None = None,
) -> Response:  # fmt: skip
    """Every row of a read-model table, as NDJSON in key order; `Attain-Next` is the next `after`."""
    found, cursor = await reads.rows(caller, table, tenant, after, limit)
    lines = msgspec.json.Encoder().encode_lines(found)
    return Response(lines, headers={"Attain-Next": cursor}, media_type="application/x-ndjson")
