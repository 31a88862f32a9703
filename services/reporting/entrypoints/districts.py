"""Routes on districts and schools: learners by status and level, in numbers that tell nothing about single ones."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from services.reporting.domain.counting import DistrictMastery, SchoolMastery
from services.reporting.domain.levels import HOW_FAR, DistrictLevels, SchoolLevels
from services.reporting.entrypoints.answered import District
from services.reporting.entrypoints.asking import TABLE, Fields, Format, Waited, answer, answer_in, kept, part
from services.reporting.entrypoints.examples import LEVELS
from services.reporting.handlers.districts import DistrictReader
from shared.contracts.internal_events import STATUSES
from shared.described import Items

router = APIRouter(tags=["districts"])
Districts = Annotated[DistrictReader, part("districts")]


@router.get("/v1/districts", responses=kept(Items[District]))
async def districts(request: Request, caller: Waited, reads: Districts) -> Response:
    """The districts of the tenant."""
    return answer(request, {"items": await reads.districts(caller)})


@router.get("/v1/districts/{district:path}/mastery", responses=kept(DistrictMastery, files=TABLE))
async def district_mastery(
    request: Request, caller: Waited, reads: Districts, district: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A district: counts by status, competency and school; null where a number is too small to be told."""
    found = await reads.mastery(caller, district)
    rows = (
        (row.competency, row.title, school, *(told.get(status, 0) for status in STATUSES))
        for row in found.competencies
        for school, told in (("", row.counts), *row.schools.items())
    )
    table = (("competency", "title", "school", *STATUSES), rows)
    return answer_in(format, request, found, "district", table, fields=fields)


@router.get("/v1/districts/{district:path}/levels", responses=kept(DistrictLevels, example=LEVELS, files=TABLE))
async def district_levels(
    request: Request, caller: Waited, reads: Districts, district: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A district's distribution over the levels of each subject, in all and by school."""
    found = await reads.levels(caller, district)
    rows = (
        (row.framework, row.subject, row.level, school, *told.values())
        for row in found.levels
        for school, told in (("", row.counts), *row.schools.items())
    )
    table = (("framework", "subject", "level", "school", *HOW_FAR), rows)
    return answer_in(format, request, found, "levels", table, fields=fields, volatile={"as_of": ""})


@router.get("/v1/schools/{school:path}/mastery", responses=kept(SchoolMastery, files=TABLE))
async def school_mastery(
    request: Request, caller: Waited, reads: Districts, school: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A school: counts by status and competency, hidden where its district's table hides them."""
    found = await reads.school_mastery(caller, school)
    rows = (
        (row.competency, row.title, *(row.counts.get(status, 0) for status in STATUSES)) for row in found.competencies
    )
    return answer_in(format, request, found, "school", (("competency", "title", *STATUSES), rows), fields=fields)


@router.get("/v1/schools/{school:path}/levels", responses=kept(SchoolLevels, files=TABLE))
async def school_levels(
    request: Request, caller: Waited, reads: Districts, school: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A school's distribution over the levels of each subject, hidden where its district's table hides it."""
    found = await reads.school_levels(caller, school)
    rows = ((row.framework, row.subject, row.level, *row.counts.values()) for row in found.levels)
    table = (("framework", "subject", "level", *HOW_FAR), rows)
    return answer_in(format, request, found, "levels", table, fields=fields, volatile={"as_of": ""})
