"""Routes on analyses of districts and schools: numbers that tell nothing about single learners, and who is behind a school's."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec.structs import astuple

from services.reporting.domain.completeness import DistrictCompleteness, SchoolCompleteness
from services.reporting.domain.equity import DistrictEquity, Group
from services.reporting.domain.own_growth import DistrictGrowth, LearnerGrowth, OwnSchoolGrowth, SchoolGrowth
from services.reporting.domain.testing import DistrictTesting
from services.reporting.domain.watch import DistrictWatch, SchoolWatch
from services.reporting.entrypoints.asking import TABLE, After, Format, Limit, Waited, answer_in, kept, part
from services.reporting.entrypoints.examples import (
    COMPLETENESS,
    DISTRICT_GROWTH,
    EQUITY,
    LEARNERS_GROWTH,
    SCHOOL_GROWTH,
    TESTING,
    WATCH,
)
from services.reporting.entrypoints.flat import flat_table
from services.reporting.handlers.analyses import Analyses
from shared.cursors import Page
from shared.errors import NotFound

router = APIRouter(tags=["districts"])
Analysed = Annotated[Analyses, part("analyses")]
MOMENT = {"as_of": ""}
"""When numbers were counted is no change of them."""


@router.get("/v1/districts/{district:path}/testing", responses=kept(DistrictTesting, example=TESTING, files=TABLE))
async def district_testing(
    request: Request, caller: Waited, reads: Analysed, district: str, format: Format = "json"
) -> Response:
    """How much evidence came after mastery was confirmed, and how many pieces a confirmation takes."""
    found = await reads.testing(caller, district)
    return answer_in(format, request, found, "testing", flat_table(DistrictTesting, [found]), volatile=MOMENT)


@router.get("/v1/districts/{district:path}/watch", responses=kept(DistrictWatch, example=WATCH, files=TABLE))
async def district_watch(
    request: Request, caller: Waited, reads: Analysed, district: str, format: Format = "json"
) -> Response:
    """
    By school: whether evidence comes, what is set by hand, what falls due after it was shown, and what was mastered by evidence
    that is less deep than the competency asks for.
    """
    found = await reads.watch(caller, district)
    return answer_in(format, request, found, "watch", flat_table(SchoolWatch, found.schools), volatile=MOMENT)


@router.get(
    "/v1/districts/{district:path}/completeness",
    responses=kept(DistrictCompleteness, example=COMPLETENESS, files=TABLE),
)
async def district_completeness(
    request: Request, caller: Waited, reads: Analysed, district: str, format: Format = "json"
) -> Response:
    """By school: learners with a class, with and without evidence lately; null where a number is too small to be told."""
    found = await reads.completeness(caller, district)
    table = (SchoolCompleteness.__struct_fields__, map(astuple, found.schools))
    return answer_in(format, request, found, "completeness", table, volatile=MOMENT)


@router.get("/v1/districts/{district:path}/equity", responses=kept(DistrictEquity, example=EQUITY, files=TABLE))
async def district_equity(
    request: Request, caller: Waited, reads: Analysed, district: str, group: str | None = None,
    format: Format = "json",
) -> Response:  # fmt: skip
    """How the groups of a grouping fare: time to mastery, statuses, pieces, waits and judgements, with intervals."""
    found = await reads.equity(caller, district, group)
    return answer_in(format, request, found, "equity", flat_table(Group, found.groups), volatile=MOMENT)


@router.get(
    "/v1/districts/{district:path}/growth", responses=kept(DistrictGrowth, example=DISTRICT_GROWTH, files=TABLE)
)
async def district_growth(
    request: Request, caller: Waited, reads: Analysed, district: str, format: Format = "json"
) -> Response:
    """By school: learners against their own past, the median of their change, and how many have something to show yet."""
    found = await reads.growth(caller, district)
    return answer_in(
        format, request, found, "growth", flat_table(SchoolGrowth, [found.all, *found.schools]), volatile=MOMENT
    )


@router.get("/v1/schools/{school:path}/growth", responses=kept(OwnSchoolGrowth, example=SCHOOL_GROWTH, files=TABLE))
async def school_growth(
    request: Request, caller: Waited, reads: Analysed, school: str, format: Format = "json"
) -> Response:
    """A school's learners against their own past, hidden where its district's table hides them."""
    found = await reads.school_growth(caller, school)
    if found is None:
        raise NotFound("no numbers are told of this school")
    return answer_in(format, request, found, "growth", flat_table(SchoolGrowth, [found.row]), volatile=MOMENT)


@router.get(
    "/v1/schools/{school:path}/growth/learners",
    responses=kept(Page[LearnerGrowth], example=LEARNERS_GROWTH, files=TABLE),
)
async def growth_of_learners(
    request: Request, caller: Waited, reads: Analysed, school: str, after: After = "", limit: Limit = 100,
    format: Format = "json",
) -> Response:  # fmt: skip
    """Who is behind a school's growth: each learner's own change, and what is not yet shown; for whom the roster lists there."""
    page = await reads.growth_of_learners(caller, school, after, limit)
    rows = ((*astuple(each)[:-1], " ".join(each.not_yet)) for each in page.items)
    return answer_in(format, request, page, "growth", (LearnerGrowth.__struct_fields__, rows))
