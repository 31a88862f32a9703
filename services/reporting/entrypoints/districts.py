"""Routes on districts and schools: numbers that tell nothing about single learners."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from services.reporting.entrypoints.asking import Fields, Format, Waited, answer, csv_answer, part
from services.reporting.handlers.districts import DistrictReader
from shared.contracts import STATUSES

router = APIRouter(tags=["districts"])
Districts = Annotated[DistrictReader, part("districts")]


@router.get("/v1/districts")
async def districts(request: Request, caller: Waited, reads: Districts) -> Response:
    """The districts of the tenant."""
    return answer(request, {"items": await reads.districts(caller)})


@router.get("/v1/districts/{district:path}/mastery")
async def district_mastery(
    request: Request, caller: Waited, reads: Districts, district: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A district: counts by status, competency and school; null where a number is too small to be told."""
    found = await reads.mastery(caller, district)
    if format == "csv":
        rows = (
            (row.competency, row.title, school, *(told.get(status, 0) for status in STATUSES))
            for row in found.competencies
            for school, told in (("", row.counts), *row.schools.items())
        )
        return csv_answer("district", (("competency", "title", "school", *STATUSES), rows))
    return answer(request, found, fields=fields)
