"""Routes on exports: every table for a warehouse, and results for a student information system."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.reporting.domain.oneroster import CSV_COLUMNS, csv_row, line_item, results
from services.reporting.entrypoints.answered import Results, TablePage, Tables
from services.reporting.entrypoints.asking import TABLE, After, Format, Waited, answer, kept, part
from services.reporting.entrypoints.examples import EXPORT, ONEROSTER
from services.reporting.handlers.exporting import TABLES, Exporter, parquet, table_rows
from shared.csv_answers import csv_answer
from shared.described import NEXT
from shared.settings import Settings

router = APIRouter(tags=["exports"])
Exports = Annotated[Exporter, part("exporter")]
Rows = Annotated[int, Query(ge=1, description="rows a page, at most the setting page_rows_max")]
Kind = Annotated[str, Query(pattern="^(json|csv|parquet)$", description="parquet needs the extra of that name")]
PARQUET = "application/vnd.apache.parquet"
_ROWS = {"Attain-Rows": "how many rows it has, with CSV"}


@router.get("/v1/exports", responses=kept(Tables))
async def tables(request: Request, caller: Waited) -> Response:
    """The tables that can be exported."""
    caller.require("records:read")
    return answer(request, {"tables": TABLES})


@router.get(
    "/v1/exports/oneroster/assessmentResults", responses=kept(Results, example=ONEROSTER, files=TABLE, headers=NEXT)
)
async def oneroster(
    request: Request, caller: Waited, exports: Exports, source: Annotated[str, Query(min_length=1, max_length=512)],
    after: After = "", limit: Rows = 1000, format: Format = "json",
) -> Response:  # fmt: skip
    """
    Every state as a OneRoster 1.2 result, by the ids that `source` has of its learners; whom it does not know is left out.

    References begin with the address at which others reach this service, and are relative where the setting public_url has none.
    """
    page = await exports.results(caller, source, after, limit)
    settings: Settings = request.app.state.settings
    base = f"{settings.public_url}/v1/exports/oneroster"
    told = [
        one for state in page.states for one in results(state, page.students[state.learner], base, caller.time_zone)
    ]
    if format == "csv":
        answered = csv_answer("results", (CSV_COLUMNS, (csv_row(one) for one in told)))
    else:
        items = {state.competency: line_item(state) for state in page.states}
        answered = answer(request, {"assessmentLineItems": list(items.values()), "assessmentResults": told})
    return _with_next(answered, page.next)


@router.get(
    "/v1/exports/{table}",
    responses=kept(TablePage, example=EXPORT, files=(*TABLE, PARQUET), headers=NEXT | _ROWS),
)
async def export(
    request: Request, caller: Waited, exports: Exports, table: str, after: After = "", limit: Rows = 10_000,
    format: Kind = "json",
) -> Response:  # fmt: skip
    """
    A page of a table in key order.

    Tables are as they are held: `term` has a row for each shard in which a term is closed, of `of_shards`, with the position that
    orders it there. `GET /v1/terms` tells each term once.
    The header Attain-Next is the next `after`, and absent on the last page; with CSV, Attain-Rows says how many rows it has.
    """
    page = await exports.table(caller, table, after, limit)
    if format == "csv":
        answered = _with_next(csv_answer(table, (list(page.columns), table_rows(page))), page.next)
        answered.headers["Attain-Rows"] = str(len(page.rows))
        return answered
    if format == "parquet":
        headers = {
            "Content-Disposition": f'attachment; filename="{table}.parquet"',
            "Cache-Control": "private, no-cache",
        }
        content = await asyncio.to_thread(parquet, page)
        return _with_next(Response(content, headers=headers, media_type=PARQUET), page.next)
    return _with_next(answer(request, {"items": page.rows, "next": page.next}), page.next)


def _with_next(answered: Response, cursor: str | None) -> Response:
    if cursor is not None:
        answered.headers["Attain-Next"] = cursor
    return answered
