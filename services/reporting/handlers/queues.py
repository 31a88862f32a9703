"""Answers on what waits for somebody: of a class, a school, a district or the tenant, with age and owner."""

import datetime
import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from services.reporting.domain.digest import MONTH_DAYS, WEEK_DAYS
from services.reporting.domain.needs import OpenRow, Waits, waits_of
from services.reporting.domain.waiting import QUEUES, Queue
from services.reporting.handlers import review_requests, support
from services.reporting.handlers.access import (
    AccessLog,
    check_class,
    check_learner,
    check_school,
    check_tenant,
    if_permitted,
)
from services.reporting.handlers.cached import Cached
from services.reporting.tables.happened import learners_in, open_entries
from services.reporting.tables.reads import Rows, Snapshot, snapshot
from services.reporting.tables.review_requests import open_requests
from services.reporting.tables.support import open_suggestions
from shared.auth import Identity
from shared.cursors import Page, read_cursor, write_cursor
from shared.database import Database
from shared.errors import InvalidEvent
from shared.permissions import RESTRICTED, Role, View
from shared.settings import Settings

SUMMED_S = 10.0
"""For so long a sum over a school or more is told before it is computed anew: of 2,000 learners that takes half a second."""


class QueueReader:
    """Answers on the queues; each from one snapshot of the read models."""

    def __init__(self, database: Database, settings: Settings, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._log = log
        self._cached = Cached(min(SUMMED_S, settings.aggregate_s))

    async def entries(
        self, caller: Identity, queue: str, *, class_id: str | None, school: str | None, after: str, limit: int
    ) -> Page[Waits]:
        """
        Return a page of what waits in a queue, the oldest first; a page may be short, what is no longer so is left out.

        What families ask is told in their own words to those alone who may see it.

        Raises:
            InvalidEvent: no such queue or cursor.
            NotFound, Forbidden: the class or school is not there, or not the caller's, or the queue is not for the caller.
        """
        _check_queue(queue)
        what: View = "support" if queue == "support" else "queues"
        tenant = caller.tenant
        key = read_cursor(after, tuple[str, str, str, str]) or ("", "", "", "")
        limit = min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            role = await _role(view, caller, class_id, school, what)
            learners = await _learners(view, tenant, class_id, school)
            if queue == "support":
                rows = await open_suggestions(view, tenant, learners=learners, after=key, limit=limit + 1)
                items = await support.presented(view, tenant, caller.now, rows[:limit])
            elif queue == "asked":
                reads = await if_permitted(_role(view, caller, class_id, school, "asked"))
                rows = await open_requests(view, tenant, learners=learners, after=key, limit=limit + 1)
                items = await review_requests.presented(view, tenant, rows[:limit], with_text=reads is not None)
            else:
                rows = await open_entries(view, tenant, queues=[queue], learners=learners, after=key, limit=limit + 1)
                items = await _present(view, tenant, caller.now, rows[:limit])
        looked, at = f"queue {queue}", sorted({item.learner for item in items})
        if what in RESTRICTED:
            # At everybody who is asked about: who is in the log must not tell families of whom something is suggested.
            looked, at = what, at if learners is None else learners
        await self._log.note(caller, role, looked, class_id or school or tenant, at)
        last = rows[limit - 1] if len(rows) > limit else None
        if last is None:
            return Page(items, None)
        within = last["cause"] if queue == "support" else queue
        return Page(items, write_cursor(last["opened_at"], last["learner"], last["scope"], within))

    async def summary(self, caller: Identity, *, class_id: str | None, school: str | None) -> list[dict[str, Any]]:
        """
        Return of every queue that the caller sees how much waits, for how long, and for whom.

        A class is summed up as it is now; to sum up a school, a district or a tenant is costly, and may be a minute or two ago.
        """
        async with snapshot(self._database) as view:
            await _role(view, caller, class_id, school, "queues")
            sees = await if_permitted(_role(view, caller, class_id, school, "support")) is not None
        summed = functools.partial(self._summed, caller.tenant, caller.now, class_id, school, with_support=sees)
        if class_id is not None:
            return await summed()
        return await self._cached.get((caller.tenant, school, sees), summed)

    async def summary_of(self, caller: Identity, learners: Sequence[str]) -> list[dict[str, Any]] | None:
        """
        Return the same of those learners of whom the caller sees the queues, now; None where of nobody.

        Support is told where the caller sees it of all of them.
        """
        async with snapshot(self._database) as view:
            seen = [each for each in learners if await if_permitted(check_learner(view, caller, each, "queues"))]
            sees = [await if_permitted(check_learner(view, caller, each, "support")) for each in seen]
        if not seen:
            return None
        return await self._summed(caller.tenant, caller.now, None, None, seen, with_support=None not in sees)

    async def _summed(
        self, tenant: str, now: datetime.datetime, class_id: str | None, school: str | None,
        own: list[str] | None = None, *, with_support: bool,
    ) -> list[dict[str, Any]]:  # fmt: skip
        async with snapshot(self._database) as view:
            learners = own or await _learners(view, tenant, class_id, school)
            items = await _present(
                view, tenant, now, await open_entries(view, tenant, queues=list(QUEUES), learners=learners)
            )
            items += await review_requests.asked(view, tenant, learners, with_text=False)
            found = [_summary(queue, items) for queue in QUEUES if queue != "support"]
            if with_support:
                prompts = await support.suggested(view, tenant, now, learners)
                causes = dict(Counter(item.cause for item in prompts))
                more = {"causes": causes, "response": await support.response(view, tenant, learners)}
                found.append(_summary("support", prompts) | more)
        return found

    async def support_of(self, caller: Identity, learner: str) -> list[Waits]:
        """Return what is suggested of a learner; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "support")
            items = await support.suggested(view, caller.tenant, caller.now, [learner])
        await self._log.note(caller, role, "support", learner, [learner])
        return items


async def _role(view: Snapshot, caller: Identity, class_id: str | None, school: str | None, what: View) -> Role:
    """Return the role in which the caller sees queues of a class, of a school or of all of the tenant."""
    if class_id is not None and school is not None:
        raise InvalidEvent("ask of a class or of a school, not of both", pointer="/school")
    if class_id is not None:
        return (await check_class(view, caller, class_id, what))[1]
    if school is not None:
        return await check_school(view, caller, school, what)
    return check_tenant(caller, what)


async def _learners(view: Snapshot, tenant: str, class_id: str | None, school: str | None) -> list[str] | None:
    """Return the learners that are asked about, None for all of the tenant."""
    if class_id is not None:
        return await view.class_learners(tenant, class_id)
    return None if school is None else await learners_in(view, tenant, school=school)


def _check_queue(queue: str) -> None:
    if queue not in QUEUES:
        raise InvalidEvent(f"no queue {queue[:60]!r}; there are {', '.join(QUEUES)}", pointer="/queue")


def _summary(queue: Queue, items: Iterable[Waits]) -> dict[str, Any]:
    """Return how much of what waits is in a queue, how much of it is new, for how long, and for whom."""
    own = [item for item in items if item.queue == queue]
    new_in = {days: sum(item.age_days < days for item in own) for days in (WEEK_DAYS, MONTH_DAYS)}
    return {
        "queue": queue, "meaning": QUEUES[queue], "waiting": len(own), "learners": len({item.learner for item in own}),
        "new_in_week": new_in[WEEK_DAYS], "new_in_month": new_in[MONTH_DAYS], "overdue": sum(item.overdue for item in own),
        "oldest_days": max((item.age_days for item in own), default=None),
        "owners": dict(Counter(item.owner for item in own)),
    }  # fmt: skip


async def _present(view: Snapshot, tenant: str, now: datetime.datetime, rows: Rows) -> list[Waits]:
    titles = await view.titles(tenant, {row["scope"] for row in rows if "#" not in row["scope"]})
    return [each for row in rows if (each := waits_of(OpenRow(*row), titles, now)) is not None]
