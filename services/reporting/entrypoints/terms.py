"""Routes on terms that are closed."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.reporting.entrypoints.asking import Fields, Format, Waited, answer, part
from services.reporting.entrypoints.classes import class_table
from services.reporting.entrypoints.examples import TERM_CLASS, TERM_RECORD, TERMS, example
from services.reporting.entrypoints.records import RECORD_COLUMNS
from services.reporting.handlers.terms import TermReader
from shared.csv_answers import csv_answer

router = APIRouter(tags=["terms"])
Terms = Annotated[TermReader, part("terms")]
Term = Annotated[str, Path(max_length=80, description="the name of a term")]


@router.get("/v1/terms", responses=example(TERMS))
async def terms(request: Request, caller: Waited, reads: Terms) -> Response:
    """The terms that are closed, the latest first."""
    return answer(request, {"items": await reads.terms(caller)})


@router.get("/v1/terms/{term}/learners/{learner}", responses=example(TERM_RECORD))
async def learner_at_the_end(
    request: Request, caller: Waited, reads: Terms, term: Term, learner: str, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    A learner's competencies as they were when the term was closed, in the frameworks of today.

    They stay as they were. What was found out later of what had been shown by then is listed beside them: withdrawn,
    reinstated, or shown by evidence that came late.
    """
    found = await reads.record(caller, term, learner)
    if format == "csv":
        rows = ([getattr(item, column) for column in RECORD_COLUMNS] for item in found.items)
        return csv_answer("term-record", (RECORD_COLUMNS, rows))
    return answer(request, found, fields=fields)


@router.get("/v1/terms/{term}/classes/{class_id:path}", responses=example(TERM_CLASS))
async def class_at_the_end(
    request: Request, caller: Waited, reads: Terms, term: Term, class_id: str, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """The learners who are in a class today, as they were when the term was closed; and what amends that."""
    found = await reads.class_(caller, term, class_id)
    if format == "csv":
        return csv_answer("term-class", class_table(found.mastery))
    return answer(request, found, fields=fields)
