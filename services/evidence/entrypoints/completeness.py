"""What each source should have sent and did, by HTTP."""

import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from services.evidence.domain.completeness import Source
from services.evidence.entrypoints.answered_evidence import Sources
from services.evidence.entrypoints.answers import answer
from services.evidence.handlers.completeness import completeness
from shared.calendars import Calendars, in_words
from shared.csv_answers import csv_answer
from shared.database import Database
from shared.described import CSV, answered
from shared.school_calendar import SchoolCalendar
from shared.web import Caller

SOURCES_MAX = 100
DAYS_MAX = 366
_COLUMNS = (
    "source", "first_heard", "last_heard", "last_evidence", "usual_gap", "silent_since", "accepted", "duplicate", "parked",
    "rejected", "parked_now", "quarantined_now", "unaligned_now",
)  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "today": "2026-03-12",
    "days": 28,
    "school_days": in_words(SchoolCalendar("America/Chicago")),
    "items": [
        {
            "source": "https://lms.example.edu", "first_heard": "2025-09-01", "last_heard": "2026-03-06",
            "last_evidence": "2026-03-06", "usual_gap": 1.0, "silent_since": "2026-03-06",
            "waiting": {"parked": 3, "quarantined": 1, "unaligned": 2},
            "sent": {"accepted": 412, "duplicate": 20, "parked": 3, "rejected": 1},
            "days": [{"day": "2026-03-06", "accepted": 412, "duplicate": 20, "parked": 3, "rejected": 1}],
        }
    ],
    "next": None,
}  # fmt: skip


def completeness_router(database: Database, calendars: Calendars) -> APIRouter:
    """Return the route; it takes scope admin or records:read, and tells of sources alone, never of learners."""
    router = APIRouter(tags=["sources"])

    @router.get("/v1/sources/completeness", responses=answered(Sources, example=EXAMPLE, files=(CSV,)))
    async def sources(
        caller: Caller,
        days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="days told, today among them")] = 28,
        after: Annotated[str | None, Query(max_length=512, pattern=r"^[^\x00-\x1f]*$")] = None,
        limit: Annotated[int, Query(ge=1, le=SOURCES_MAX)] = SOURCES_MAX,
        format: Literal["json", "csv"] = "json",
    ) -> Response:
        """
        The sources of the tenant: when they were heard, what came a day, their usual gap, and which are silent.

        A gap counts school days: Monday to Friday but for the tenant's breaks, in its time zone; `school_days` says so. A
        source is silent once more than twice its usual gap has passed without anything new; it has a usual gap after four
        days with evidence. `next` is the next `after`. Counts begin with the version of Attain that first kept them, and
        stay in the days of the time zone that was set when they came.
        """
        caller.require("admin", "records:read")
        known = await calendars.of(caller.tenant)
        calendar = known or SchoolCalendar()
        today = calendar.day_of(datetime.datetime.now(datetime.UTC))
        found = await completeness(
            database, caller.tenant, today, calendar.breaks, window=days, after=after, limit=limit
        )
        if format == "csv":
            return csv_answer("sources", (_COLUMNS, map(_row, found)))
        return answer({
            "today": today, "days": days, "school_days": in_words(known), "items": found,
            "next": found[-1].source if len(found) == limit else None,
        })  # fmt: skip

    return router


def _row(each: Source) -> tuple[object, ...]:
    return (
        each.source, each.first_heard, each.last_heard, each.last_evidence, each.usual_gap, each.silent_since,
        *(each.sent[name] for name in ("accepted", "duplicate", "parked", "rejected")), each.waiting.parked,
        each.waiting.quarantined, each.waiting.unaligned,
    )  # fmt: skip
