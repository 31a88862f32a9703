"""Routes on classes, on what waits, and the digest of it."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Request, Response

from services.reporting.domain.counting import ClassMastery
from services.reporting.domain.needs import ClassNeeds, Waits
from services.reporting.entrypoints.answered import Class, Digest, Summary
from services.reporting.entrypoints.asking import (
    TABLE,
    After,
    Fields,
    Format,
    Limit,
    Waited,
    answer,
    answer_in,
    kept,
    part,
)
from services.reporting.entrypoints.examples import CLASS, DIGEST, NEEDS, QUEUE, QUEUES
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.digests import DigestReader
from services.reporting.handlers.queues import QueueReader
from shared.csv_answers import Table
from shared.cursors import Page
from shared.described import Items

router = APIRouter(tags=["classes"])
Classes = Annotated[ClassReader, part("classes")]
Queues = Annotated[QueueReader, part("queues")]
Digests = Annotated[DigestReader, part("digests")]
QUEUE_COLUMNS = (
    "learner", "queue", "scope", "title", "opened_at", "age_days", "due_by", "overdue", "owner", "in_place_of", "side",
    "cause", "waiting_since", "weakest_prerequisite", "asked_as", "detail",
)  # fmt: skip


@router.get("/v1/classes", responses=kept(Items[Class]))
async def classes(request: Request, caller: Waited, reads: Classes) -> Response:
    """The classes that the caller may see."""
    return answer(request, {"items": await reads.classes(caller)})


@router.get("/v1/classes/{class_id:path}/mastery", responses=kept(ClassMastery, example=CLASS, files=TABLE))
async def class_mastery(
    request: Request, caller: Waited, reads: Classes, class_id: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """A class: learners by competencies, and counts by status; a learner without a state counts as no_evidence."""
    found = await reads.mastery(caller, class_id)
    return answer_in(format, request, found, "class", class_table(found), fields=fields)


def class_table(found: ClassMastery) -> Table:
    """Return the grid of a class as a table: a row a learner, a column a competency."""
    rows = (
        (row.learner, *(row.statuses.get(competency, "no_evidence") for competency in found.competencies))
        for row in found.rows
    )
    return ("learner", *found.competencies), rows


@router.get("/v1/classes/{class_id:path}/needs", responses=kept(ClassNeeds, example=NEEDS, files=TABLE))
async def class_needs(
    request: Request, caller: Waited, reads: Classes, class_id: str, fields: Fields = "", format: Format = "json"
) -> Response:
    """
    Who of a class needs what today: what waits, what is next for each learner, who is ready for each competency.

    As a table it is what waits.
    """
    found = await reads.needs(caller, class_id)
    return answer_in(format, request, found, "needs", waits_table(found.attention), fields=fields)


@router.get("/v1/queues", responses=kept(Items[Summary], example=QUEUES))
async def queues(
    request: Request, caller: Waited, reads: Queues, class_id: str | None = None, school: str | None = None
) -> Response:
    """
    How much waits in every queue of a class, a school or district, or the tenant; for how long, and for whom.

    `support` is there for those alone who may see it: with its causes, and the school days that adults took to answer.
    """
    return answer(request, {"items": await reads.summary(caller, class_id=class_id, school=school)})


@router.get("/v1/digest", responses=kept(Digest, example=DIGEST))
async def digest(request: Request, caller: Waited, reads: Digests) -> Response:
    """
    What the caller may look through once a week or a month: what waits in the own classes, schools and districts, and how much
    of it is new; what the own children have shown lately.
    """
    return answer(request, await reads.digest(caller))


@router.get("/v1/queues/{queue}", responses=kept(Page[Waits], example=QUEUE, files=TABLE))
async def queue(
    request: Request, caller: Waited, reads: Queues, queue: str, class_id: str | None = None,
    school: str | None = None, after: After = "", limit: Limit = 100, fields: Fields = "", format: Format = "json",
) -> Response:  # fmt: skip
    """
    What waits in a queue, the oldest first, with its age and owner.

    In `support`, for those alone who may see it, with the cause, since when an adult has let wait, and the prerequisite that
    is weakest; `in_place_of` is the role that the policy asks where nobody has it and the owner stands in.

    In `asked`, `asked_as` is the role in which somebody asks that a standing is looked at again; `detail` has what they wrote for
    those alone who see what is asked.
    """
    page = await reads.entries(caller, queue, class_id=class_id, school=school, after=after, limit=limit)
    return answer_in(format, request, page, f"queue-{queue}", waits_table(page.items), fields=fields)


def waits_table(entries: Iterable[Waits]) -> Table:
    """Return what waits as a table."""
    return QUEUE_COLUMNS, (
        [getattr(entry, column) for column in QUEUE_COLUMNS[:-1]] + ["; ".join(entry.detail)] for entry in entries
    )
