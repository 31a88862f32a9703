"""Routes on districts and schools: numbers that tell nothing about single learners."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec.structs import astuple

from services.reporting.domain.completeness import SchoolCompleteness
from services.reporting.domain.district import HOW_FAR, DistrictTesting, SchoolWatch
from services.reporting.domain.equity import Group
from services.reporting.domain.own_growth import LearnerGrowth, SchoolGrowth
from services.reporting.entrypoints.asking import After, Fields, Format, Limit, Waited, answer, as_csv, part
from services.reporting.entrypoints.examples import (
    COMPLETENESS,
    DISTRICT_GROWTH,
    EQUITY,
    LEARNERS_GROWTH,
    LEVELS,
    SCHOOL_GROWTH,
    TESTING,
    WATCH,
    example,
)
from services.reporting.entrypoints.flat import flat_table
from services.reporting.handlers.districts import DistrictReader
from shared.contracts import STATUSES
from shared.errors import NotFound

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
        return as_csv(request, "district", (("competency", "title", "school", *STATUSES), rows))
    return answer(request, found, fields=fields)


@router.get("/v1/districts/{district:path}/levels", responses=example(LEVELS))
async def district_levels(
    request: Request, caller: Waited, reads: Districts, district: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A district's distribution over the levels of each subject, in all and by school."""
    found = await reads.levels(caller, district)
    if format == "csv":
        rows = (
            (row.framework, row.subject, row.level, school, *told.values())
            for row in found.levels
            for school, told in (("", row.counts), *row.schools.items())
        )
        return as_csv(request, "levels", (("framework", "subject", "level", "school", *HOW_FAR), rows))
    return answer(request, found, fields=fields, volatile={"as_of": ""})


@router.get("/v1/districts/{district:path}/testing", responses=example(TESTING))
async def district_testing(
    request: Request, caller: Waited, reads: Districts, district: str, format: Format = "json"
) -> Response:
    """How much evidence came after mastery was confirmed, and how many pieces a confirmation takes."""
    found = await reads.testing(caller, district)
    if format == "csv":
        return as_csv(request, "testing", flat_table(DistrictTesting, [found]))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/districts/{district:path}/watch", responses=example(WATCH))
async def district_watch(
    request: Request, caller: Waited, reads: Districts, district: str, format: Format = "json"
) -> Response:
    """
    By school: whether evidence comes, what is set by hand, what falls due after it was shown, and what was mastered by evidence
    that is less deep than the competency asks for.
    """
    found = await reads.watch(caller, district)
    if format == "csv":
        return as_csv(request, "watch", flat_table(SchoolWatch, found.schools))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/districts/{district:path}/completeness", responses=example(COMPLETENESS))
async def district_completeness(
    request: Request, caller: Waited, reads: Districts, district: str, format: Format = "json"
) -> Response:
    """By school: learners with a class, with and without evidence lately; null where a number is too small to be told."""
    found = await reads.completeness(caller, district)
    if format == "csv":
        return as_csv(request, "completeness", (SchoolCompleteness.__struct_fields__, map(astuple, found.schools)))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/districts/{district:path}/equity", responses=example(EQUITY))
async def district_equity(
    request: Request, caller: Waited, reads: Districts, district: str, group: str | None = None,
    format: Format = "json",
) -> Response:  # fmt: skip
    """How the groups of a grouping fare: time to mastery, statuses, pieces, waits and judgements, with intervals."""
    found = await reads.equity(caller, district, group)
    if format == "csv":
        return as_csv(request, "equity", flat_table(Group, found.groups))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/districts/{district:path}/growth", responses=example(DISTRICT_GROWTH))
async def district_growth(
    request: Request, caller: Waited, reads: Districts, district: str, format: Format = "json"
) -> Response:
    """By school: learners against their own past, the median of their change, and how many have something to show yet."""
    found = await reads.growth(caller, district)
    if format == "csv":
        return as_csv(request, "growth", flat_table(SchoolGrowth, [found.all, *found.schools]))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/schools/{school:path}/growth", responses=example(SCHOOL_GROWTH))
async def school_growth(
    request: Request, caller: Waited, reads: Districts, school: str, format: Format = "json"
) -> Response:
    """A school's learners against their own past, hidden where its district's table hides them."""
    found = await reads.school_growth(caller, school)
    if found is None:
        raise NotFound("no numbers are told of this school")
    if format == "csv":
        return as_csv(request, "growth", flat_table(SchoolGrowth, [found.row]))
    return answer(request, found, volatile={"as_of": ""})


@router.get("/v1/schools/{school:path}/growth/learners", responses=example(LEARNERS_GROWTH))
async def growth_of_learners(
    request: Request, caller: Waited, reads: Districts, school: str, after: After = "", limit: Limit = 100,
    format: Format = "json",
) -> Response:  # fmt: skip
    """Who is behind a school's growth: each learner's own change, and what is not yet shown; for whom the roster lists there."""
    page = await reads.growth_of_learners(caller, school, after, limit)
    if format == "csv":
        rows = ((*astuple(each)[:-1], " ".join(each.not_yet)) for each in page.items)
        return as_csv(request, "growth", (LearnerGrowth.__struct_fields__, rows))
    return answer(request, page)


@router.get("/v1/schools/{school:path}/mastery")
async def school_mastery(
    request: Request, caller: Waited, reads: Districts, school: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A school: counts by status and competency, hidden where its district's table hides them."""
    found = await reads.school_mastery(caller, school)
    if format == "csv":
        rows = (
            (row.competency, row.title, *(row.counts.get(status, 0) for status in STATUSES))
            for row in found.competencies
        )
        return as_csv(request, "school", (("competency", "title", *STATUSES), rows))
    return answer(request, found, fields=fields)


@router.get("/v1/schools/{school:path}/levels")
async def school_levels(
    request: Request, caller: Waited, reads: Districts, school: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A school's distribution over the levels of each subject, hidden where its district's table hides it."""
    found = await reads.school_levels(caller, school)
    if format == "csv":
        rows = ((row.framework, row.subject, row.level, *row.counts.values()) for row in found.levels)
        return as_csv(request, "levels", (("framework", "subject", "level", *HOW_FAR), rows))
    return answer(request, found, fields=fields, volatile={"as_of": ""})
