"""Routes on one learner: record, plans, timeline, who looked, who was told."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.reporting.domain.growth import Growth
from services.reporting.domain.record import Record, texts_of
from services.reporting.domain.timeline import Happened
from services.reporting.entrypoints.answered import Look, Plans, ToldOfLearner, ToldOfTenant
from services.reporting.entrypoints.asking import (
    TABLE,
    After,
    Fields,
    Format,
    Limit,
    Reads,
    Waited,
    answer,
    answer_in,
    kept,
    part,
)
from services.reporting.entrypoints.examples import (
    ACCESSES,
    DISCLOSURES,
    GROWTH,
    PAGE_OF_EVENTS,
    PLANS,
    READERS_TOLD,
    RECORD,
)
from services.reporting.handlers.disclosures import DisclosureReader
from services.reporting.handlers.plans import PlanReader
from shared.csv_answers import Table
from shared.cursors import Page
from shared.web import Instant

router = APIRouter(tags=["records"])
Disclosures = Annotated[DisclosureReader, part("disclosures")]
OfPlans = Annotated[PlanReader, part("plans")]
AsOf = Annotated[Instant | None, Query(description="an instant of the past, with its offset")]
RECORD_COLUMNS = (
    "competency", "title", "subject", "level", "status", "score", "evidence_count", "last_evidence_at", "mastered_at",
    "why",
)  # fmt: skip
LOOK_COLUMNS = ("id", "at", "person", "role", "view", "target")
TOLD_COLUMNS = ("day", "via", "reader", "name", "purpose", "source", "since", "until", "events", "kinds", "scopes")
READER_COLUMNS = ("day", "via", "reader", "name", "purpose", "since", "until")
EVENT_COLUMNS = ("decided_at", "effective_at", "learner", "kind", "scope", "title", "reason", "id", "by")


@router.get("/v1/learners/{learner}/record", responses=kept(Record, example=RECORD, files=TABLE))
async def learner_record(
    request: Request, caller: Waited, reads: Reads, learner: str, as_of: AsOf = None, fields: Fields = "",
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    A learner's record: every competency, the place on the continuum, what is next, what needs a re-check.

    As of an instant it has what events had told by then, in the frameworks of today. `statements` are what learner or family
    state about what the school refused to change; whoever passes that part of the record on passes them on too.
    """
    record = await reads.record(caller, learner, as_of)
    stated = texts_of(record.statements)
    rows = (
        [*(getattr(item, column) for column in RECORD_COLUMNS), stated.get(item.competency)] for item in record.items
    )
    table = ((*RECORD_COLUMNS, "statement"), rows)
    return answer_in(format, request, record, "record", table, fields=fields, volatile={"position": ""})


@router.get("/v1/learners/{learner}/plans", responses=kept(Plans, example=PLANS))
async def plans(request: Request, caller: Waited, reads: OfPlans, learner: str) -> Response:
    """The individual plans of a learner that are in force: for the learner, guardians, and the staff who carry them out."""
    return answer(request, await reads.of_learner(caller, learner))


@router.get("/v1/learners/{learner}/timeline", responses=kept(Page[Happened], example=PAGE_OF_EVENTS, files=TABLE))
async def timeline(
    request: Request, caller: Waited, reads: Reads, learner: str, after: After = "", limit: Limit = 100,
    fields: Fields = "", format: Format = "json",
) -> Response:  # fmt: skip
    """What happened to a learner, the latest first."""
    page = await reads.timeline(caller, learner, after, limit)
    return answer_in(format, request, page, "timeline", _events(page), fields=fields)


@router.get("/v1/learners/{learner}/growth", responses=kept(Growth, example=GROWTH, files=TABLE))
async def growth(request: Request, caller: Waited, reads: Reads, learner: str, format: Format = "json") -> Response:
    """How fast competencies came onto the record, against the learner's own past; a projection is for staff only."""
    found = await reads.growth(caller, learner)
    return answer_in(format, request, found, "growth", (("day", "on_record"), found.points))


@router.get("/v1/learners/{learner}/accesses", responses=kept(Page[Look], example=ACCESSES, files=TABLE))
async def accesses_to(
    request: Request, caller: Waited, reads: Reads, learner: str, after: After = "", limit: Limit = 100,
    format: Format = "json",
) -> Response:  # fmt: skip
    """
    Who looked at what of a learner, for the learner and the guardians; the latest first.

    Also for `admin`, who gives people what is held of them.
    """
    return _looks(request, await reads.accesses(caller, learner, after, limit), format)


@router.get("/v1/accesses", responses=kept(Page[Look], example=ACCESSES, files=TABLE))
async def accesses(
    request: Request, caller: Waited, reads: Reads, after: After = "", limit: Limit = 100, format: Format = "json"
) -> Response:
    """Who looked at what in the tenant, for auditors; the latest first."""
    return _looks(request, await reads.accesses(caller, None, after, limit), format)


@router.get("/v1/learners/{learner}/disclosures", responses=kept(ToldOfLearner, example=DISCLOSURES, files=TABLE))
async def disclosures_of(
    request: Request, caller: Waited, told: Disclosures, learner: str, after: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 100, format: Format = "json",
) -> Response:  # fmt: skip
    """
    Which systems were told what of a learner, on which day and what for, for the learner and the guardians; the latest first.

    By webhook, feed, stream or Kafka; of Kafka without a day: who reads it is declared, and how far is seen by nobody here.
    """
    found = await told.of_learner(caller, learner, after, limit)
    return _told(request, TOLD_COLUMNS, found, format)


@router.get("/v1/disclosures", responses=kept(ToldOfTenant, example=READERS_TOLD, files=TABLE))
async def disclosures(
    request: Request, caller: Waited, told: Disclosures, after: datetime.date | None = None,
    days: Annotated[int, Query(ge=1, le=366)] = 31, format: Format = "json",
) -> Response:  # fmt: skip
    """Which systems were told anything of the tenant on which days (UTC), and what for, for auditors; the latest first."""
    return _told(request, READER_COLUMNS, await told.of_tenant(caller, after, days), format)


@router.get("/v1/advancements", responses=kept(Page[Happened], example=PAGE_OF_EVENTS, files=TABLE))
async def advancements(
    request: Request, caller: Waited, reads: Reads, class_id: str | None = None, kind: str = "", after: After = "",
    limit: Limit = 100, fields: Fields = "", format: Format = "json",
) -> Response:  # fmt: skip
    """The advancement log of a class or of the tenant, the latest first; `kind` is as `level.advanced,level.ready`."""
    kinds = [name.strip() for name in kind.split(",") if name.strip()] or None
    page = await reads.happened(caller, class_id=class_id, kinds=kinds, after=after, limit=limit)
    return answer_in(format, request, page, "advancements", _events(page), fields=fields)


def _events(page: Page[Happened]) -> Table:
    return EVENT_COLUMNS, ([getattr(item, column) for column in EVENT_COLUMNS] for item in page.items)


def _told(request: Request, columns: tuple[str, ...], found: dict[str, Any], format: str) -> Response:
    rows = ([_cell(item[column]) for column in columns] for item in found["items"])
    return answer_in(format, request, found, "disclosures", (columns, rows))


def _cell(value: Any) -> Any:
    """Return a value as one cell: kinds with their numbers, or names, separated by blanks."""
    if isinstance(value, dict):
        return " ".join(f"{name}:{number}" for name, number in value.items())
    return " ".join(value) if isinstance(value, list) else value


def _looks(request: Request, page: Page[dict[str, Any]], format: str) -> Response:
    rows = ([look[name] for name in LOOK_COLUMNS] for look in page.items)
    return answer_in(format, request, page, "accesses", (LOOK_COLUMNS, rows))
