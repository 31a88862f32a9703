"""
What is suggested of learners, with who owns it by the roster of the day; `now` is in the tenant's time zone.

Whoever asks has checked that it may be seen.
"""

import datetime

import asyncpg

from services.reporting.domain.needs import Waits
from services.reporting.domain.support import ANSWERED, RESPONSE_DAYS, OpenSuggestion, waits_for
from services.reporting.handlers.access import roles_in
from services.reporting.tables.reads import Rows, Snapshot
from services.reporting.tables.rights import roles_around
from services.reporting.tables.support import answers, open_suggestions
from shared.events import utc


async def suggested(view: Snapshot, tenant: str, now: datetime.datetime, learners: list[str] | None) -> list[Waits]:
    """Return what is open of learners, or with None of the tenant, the oldest first."""
    return await presented(view, tenant, now, await open_suggestions(view, tenant, learners=learners))


async def presented(view: Snapshot, tenant: str, now: datetime.datetime, rows: Rows) -> list[Waits]:
    """Return open suggestions as the queues tell them."""
    found = [OpenSuggestion(*row) for row in rows]
    named = {name for row in found for name in (row.scope, row.weakest) if name is not None and "#" not in name}
    titles = await view.titles(tenant, named)
    around: dict[str, list[asyncpg.Record]] = {}
    for row in await roles_around(view, tenant, str(now.date()), sorted({row.learner for row in found})):
        around.setdefault(row["learner"], []).append(row)
    return [waits_for(row, roles_in(around.get(row.learner, ())), titles, now) for row in found]


async def response(view: Snapshot, tenant: str, learners: list[str] | None) -> dict[str, float | int | None]:
    """Return how many suggestions adults answered lately, and the median of the school days that it took."""
    since = utc(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=RESPONSE_DAYS))
    answered, median = await answers(view, tenant, learners=learners, outcomes=ANSWERED, since=since)
    return {"in_days": RESPONSE_DAYS, "answered": answered, "median_school_days": median}
