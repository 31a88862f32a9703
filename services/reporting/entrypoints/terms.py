"""Routes on terms that are closed."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.reporting.domain.amended import Amendment, TermClass, TermRecord, latest
from services.reporting.entrypoints.asking import Fields, Format, Waited, answer, part
from services.reporting.entrypoints.classes import class_table
from services.reporting.entrypoints.examples import TERM_CLASS, TERM_RECORD, TERMS, example
from services.reporting.handlers.terms import TermReader
from shared.csv_answers import Table, csv_answer

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
    A learner's competencies and levels as they were when the term was closed, in the frameworks of today.

    They stay as they were. What was found out later of what had been shown by then is listed beside them: withdrawn,
    reinstated, or shown by evidence that came late. As CSV it is one table, in which the last columns of a row say what
    the standing is with all that is known by now; they are empty where nothing amends it.
    """
    found = await reads.record(caller, term, learner)
    if format == "csv":
        return csv_answer("term-record", record_table(found))
    return answer(request, found, fields=fields)


@router.get("/v1/terms/{term}/classes/{class_id:path}", responses=example(TERM_CLASS))
async def class_at_the_end(
    request: Request, caller: Waited, reads: Terms, term: Term, class_id: str, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    The learners who are in a class today, as they were when the term was closed; and what amends that, which as CSV is the last
    column of each learner's row.
    """
    found = await reads.class_(caller, term, class_id)
    if format == "csv":
        return csv_answer("term-class", grid_table(found))
    return answer(request, found, fields=fields)


ITEM_COLUMNS = (
    "title",
    "subject",
    "level",
    "status",
    "score",
    "evidence_count",
    "last_evidence_at",
    "mastered_at",
    "why",
)
LEVEL_COLUMNS = {"title": "title", "status": "status", "mastered_at": "effective_at"}
AMENDED_COLUMNS = ("amended_status", "amended_at", "amended_reason")


def record_table(found: TermRecord) -> Table:
    """Return what a term ended with as a table: a row a standing, with its latest amendment; at last what came by those alone."""
    amended = {scope: each for (_, scope), each in latest(found.amendments).items()}
    rows: list[list[object]] = []
    for item in found.items:
        own = (getattr(item, column) for column in ITEM_COLUMNS)
        rows.append(["competency", item.competency, *own, *_amended(amended.pop(item.competency, None))])
    for level in found.levels:
        shown = {column: getattr(level, member) for column, member in LEVEL_COLUMNS.items()}
        own = (shown.get(column) for column in ITEM_COLUMNS)
        rows.append(["level", level.level, *own, *_amended(amended.pop(level.level, None))])
    for scope, each in amended.items():
        own = (each.title if column == "title" else None for column in ITEM_COLUMNS)
        rows.append([each.kind, scope, *own, *_amended(each)])
    return ("kind", "scope", *ITEM_COLUMNS, *AMENDED_COLUMNS), rows


def grid_table(found: TermClass) -> Table:
    """Return the grid of a class with a column a level, and in the last one what amends the row, oldest first."""
    columns, rows = class_table(found.mastery)
    stands = {learner: {level.level: level.status for level in levels} for learner, levels in found.levels.items()}
    levels = sorted({level for of_learner in stands.values() for level in of_learner})
    amended: dict[str, list[str]] = {}
    for each in found.amendments:
        amended.setdefault(each.learner, []).append(
            f"{each.scope} {each.before} -> {each.after} on {each.decided_at[:10]}: {each.reason}"
        )
    return (*columns, *levels, "amendments"), (
        (*row, *(stands.get(str(row[0]), {}).get(level) for level in levels), "; ".join(amended.get(str(row[0]), ())))
        for row in rows
    )


def _amended(each: Amendment | None) -> tuple[object, ...]:
    return (None, None, None) if each is None else (each.after, each.decided_at, each.reason)
