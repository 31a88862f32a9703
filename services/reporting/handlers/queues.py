"""Answers on what waits for somebody: of a class, a school, a district or the tenant, with age and owner."""

import datetime
from collections import Counter
from typing import Any

from services.reporting.domain.needs import OpenRow, Waits, waits_of
from services.reporting.domain.waiting import QUEUES
from services.reporting.handlers.access import AccessLog, check_class, check_school, check_tenant
from services.reporting.handlers.cursors import Page, read_cursor, write_cursor
from services.reporting.tables.happened import learners_in, open_entries
from services.reporting.tables.reads import Rows, Snapshot, snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import InvalidEvent
from shared.settings import Settings


class QueueReader:
    """Answers on the queues; each from one snapshot of the read models."""

    def __init__(self, database: Database, settings: Settings, log: AccessLog) -> None:
        self._database = database
        self._settings = settings
        self._log = log

    async def entries(
        self, caller: Identity, queue: str, *, class_id: str | None, school: str | None, after: str, limit: int
    ) -> Page:
        """
        Return a page of what waits in a queue, the oldest first; a page may be short, what is no longer so is left out.

        Raises:
            InvalidEvent: no such queue or cursor.
            NotFound, Forbidden: the class or school is not there, or not the caller's.
        """
        _check_queue(queue)
        key = read_cursor(after, tuple[str, str, str, str]) or ("", "", "", "")
        limit = min(limit, self._settings.page_rows_max)
        async with snapshot(self._database) as view:
            role, learners = await self._whose(view, caller, class_id, school)
            rows = await open_entries(
                view, caller.tenant, queues=[queue], learners=learners, after=key, limit=limit + 1
            )
            items = await _present(view, caller.tenant, rows[:limit])
        await self._log.note(caller, role, f"queue {queue}", class_id or school or caller.tenant,
                             sorted({item.learner for item in items}))  # fmt: skip
        last = rows[limit - 1] if len(rows) > limit else None
        cursor = write_cursor(last["opened_at"], last["learner"], last["scope"], last["queue"]) if last else None
        return Page(items, cursor)

    async def summary(self, caller: Identity, *, class_id: str | None, school: str | None) -> list[dict[str, Any]]:
        """Return of every queue how much waits, for how long, and for whom."""
        async with snapshot(self._database) as view:
            _, learners = await self._whose(view, caller, class_id, school)
            items = await _present(
                view, caller.tenant, await open_entries(view, caller.tenant, queues=list(QUEUES), learners=learners)
            )
        found = []
        for queue, meaning in QUEUES.items():
            own = [item for item in items if item.queue == queue]
            found.append({
                "queue": queue, "meaning": meaning, "waiting": len(own),
                "overdue": sum(item.overdue for item in own),
                "oldest_days": max((item.age_days for item in own), default=None),
                "owners": dict(Counter(item.owner for item in own)),
            })  # fmt: skip
        return found

    async def _whose(
        self, view: Snapshot, caller: Identity, class_id: str | None, school: str | None
    ) -> tuple[Any, list[str] | None]:
        """Return the caller's role and the learners that are asked about, None for all of the tenant."""
        if class_id is not None and school is not None:
            raise InvalidEvent("ask of a class or of a school, not of both", pointer="/school")
        if class_id is not None:
            _, role = await check_class(view, caller, class_id, "queues")
            return role, await view.class_learners(caller.tenant, class_id)
        if school is not None:
            role = await check_school(view, caller, school, "queues")
            return role, await learners_in(view, caller.tenant, school=school)
        return check_tenant(caller, "queues"), None


def _check_queue(queue: str) -> None:
    if queue not in QUEUES:
        raise InvalidEvent(f"no queue {queue[:60]!r}; there are {', '.join(QUEUES)}", pointer="/queue")


async def _present(view: Snapshot, tenant: str, rows: Rows) -> list[Waits]:
    titles = await view.titles(tenant, {row["scope"] for row in rows if "#" not in row["scope"]})
    now = datetime.datetime.now(datetime.UTC)
    return [each for row in rows if (each := waits_of(OpenRow(*row), titles, now)) is not None]
