"""Routes on terms that are closed."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.reporting.domain.amended import TermClass, TermRecord, level_grid, lines_of
from services.reporting.domain.record import texts_of
from services.reporting.domain.term_places import TermDistrict, TermSchool
from services.reporting.entrypoints.answered import ClosedTerm
from services.reporting.entrypoints.asking import TABLE, Fields, Format, Waited, answer, answer_in, kept, part
from services.reporting.entrypoints.classes import class_table
from services.reporting.entrypoints.districts import Districts
from services.reporting.entrypoints.examples import (
    TERM_CLASS,
    TERM_DISTRICT,
    TERM_RECORD,
    TERM_SCHOOL,
    TERMS,
)
from services.reporting.handlers.terms import TermReader
from shared.contracts.internal_events import STATUSES
from shared.csv_answers import Table
from shared.described import Items
from shared.school_calendar import local_day

router = APIRouter(tags=["terms"])
Terms = Annotated[TermReader, part("terms")]
Term = Annotated[str, Path(max_length=80, description="the name of a term")]


@router.get("/v1/terms", responses=kept(Items[ClosedTerm], example=TERMS))
async def terms(request: Request, caller: Waited, reads: Terms) -> Response:
    """The terms that are closed, the latest first."""
    return answer(request, {"items": await reads.terms(caller)})


@router.get("/v1/terms/{term}/learners/{learner}", responses=kept(TermRecord, example=TERM_RECORD, files=TABLE))
async def learner_at_the_end(
    request: Request, caller: Waited, reads: Terms, term: Term, learner: str, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    A learner's competencies and levels as they were when the term was closed, in the frameworks of today.

    They stay as they were. What was found out later of what had been shown by then is listed beside them: withdrawn,
    reinstated, or shown by evidence that came late. As CSV it is one table, in which the last columns of a row say what
    the standing is with all that is known by now; they are empty where nothing amends it.
    """
    found = await reads.record(caller, term, learner)
    return answer_in(format, request, found, "term-record", record_table(found), fields=fields)


@router.get("/v1/terms/{term}/classes/{class_id:path}", responses=kept(TermClass, example=TERM_CLASS, files=TABLE))
async def class_at_the_end(
    request: Request, caller: Waited, reads: Terms, term: Term, class_id: str, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    The learners of a class, as they were when the term was closed; and what amends that, which as CSV is the last column of each
    learner's row. They are those who are in the class today; with `records:read` those as well who were in it.
    """
    found = await reads.class_(caller, term, class_id)
    return answer_in(format, request, found, "term-class", grid_table(found, caller.time_zone), fields=fields)


@router.get(
    "/v1/terms/{term}/districts/{district:path}", responses=kept(TermDistrict, example=TERM_DISTRICT, files=TABLE)
)
async def district_at_the_end(
    request: Request, caller: Waited, reads: Districts, term: Term, district: str, format: Format = "json"
) -> Response:
    """
    A district as it was when the term was closed: by competency and level, by school; null where a number is too small.

    It is counted over what is kept of each learner who was in a class of a school then, and stays; `amended` tells by competency
    of how many learners it is known by now that it was another, and is the last column of the CSV.
    """
    found = await reads.term(caller, term, district)
    amended = {row.competency: {"": row.learners, **row.schools} for row in found.amended}
    rows = (
        (row.competency, row.title, school, *(told.get(status, 0) for status in STATUSES),
         amended.get(row.competency, {}).get(school, 0))
        for row in found.mastery.competencies
        for school, told in (("", row.counts), *row.schools.items())
    )  # fmt: skip
    table = (("competency", "title", "school", *STATUSES, "amended"), rows)
    return answer_in(format, request, found, "term-district", table)


@router.get("/v1/terms/{term}/schools/{school:path}", responses=kept(TermSchool, example=TERM_SCHOOL, files=TABLE))
async def school_at_the_end(
    request: Request, caller: Waited, reads: Districts, term: Term, school: str, format: Format = "json"
) -> Response:
    """A school as it was when the term was closed, hidden where its district's table hides it."""
    found = await reads.school_term(caller, term, school)
    amended = {row.competency: row.learners for row in found.amended}
    rows = (
        (row.competency, row.title, *(row.counts.get(status, 0) for status in STATUSES), amended.get(row.competency, 0))
        for row in found.mastery.competencies
    )
    return answer_in(format, request, found, "term-school", (("competency", "title", *STATUSES, "amended"), rows))


ITEM_COLUMNS = ("subject", "level", "score", "evidence_count", "last_evidence_at", "why")
RECORD_COLUMNS = (
    "kind", "scope", "title", "status", "since", *ITEM_COLUMNS, "amended_status", "amended_at", "amended_reason",
    "statement",
)  # fmt: skip


def record_table(found: TermRecord) -> Table:
    """Return what a term ended with as a table: a row a standing, with its latest amendment and what is stated last."""
    stated = texts_of(found.statements)
    rows = (
        (
            *line[:5],
            *(getattr(line.item, column, None) for column in ITEM_COLUMNS),
            *((line.amended.after, line.amended.decided_at, line.amended.reason) if line.amended else (None,) * 3),
            stated.get(line.scope),
        )
        for line in lines_of(found)
    )
    return RECORD_COLUMNS, rows


def grid_table(found: TermClass, time_zone: str) -> Table:
    """Return the grid of a class with a column a level, and in the last one what amends the row, oldest first, by local days."""
    columns, rows = class_table(found.mastery)
    levels, stands = level_grid(found)
    amended: dict[object, list[str]] = {}
    for each in found.amendments:
        amended.setdefault(each.learner, []).append(
            f"{each.scope} {each.before} -> {each.after} on {local_day(each.decided_at, time_zone)}: {each.reason}"
        )
    return (*columns, *levels, "amendments"), (
        (*row, *(stands.get(str(row[0]), {}).get(level) for level in levels), "; ".join(amended.get(row[0], ())))
        for row in rows
    )
