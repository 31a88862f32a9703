"""
Removing what is kept beside the record for a limited time: originals that became no evidence, who looked or sent, deliveries.

What was removed is noted for the tenant, in the same transaction.

Evidence, what follows from it, and what certifies an erasure are never among it: those go when their learner is erased.
"""

import asyncio
import datetime
import logging
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from shared import expiry
from shared.database import Connection, Database
from shared.described import answered
from shared.errors import Unavailable
from shared.expiry import Days, Expire
from shared.leading import lead
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import bound_to
from shared.tenant_limits import TenantLimits
from shared.web import Caller

log = logging.getLogger(__name__)
EVERY_S = 3600.0
ROWS = 5_000
"""Rows that one statement removes."""


class Retention:
    """Removes what is too old once an hour, in one replica at a time; `expiries` are by the name of the limit and their kind."""

    def __init__(self, database: Database, limits: TenantLimits, expiries: Mapping[str, Mapping[str, Expire]]) -> None:
        self._database = database
        self._limits = limits
        self._expiries = expiries
        self.pulse = Pulse()

    async def run(self) -> None:
        """Work until cancelled."""
        await lead(self._database, "retention", self._work, self.pulse)

    async def _work(self, _: Connection) -> None:
        while True:
            raise_if_cancelled()
            self.pulse.beat()
            with bound_to(None):
                await self.expire()
            self.pulse.rest()
            await asyncio.sleep(EVERY_S)

    async def expire(self) -> int:
        """Remove what is too old now; return how many rows."""
        removed = 0
        for setting, expiries in self._expiries.items():
            days = Days(*self._limits.each(setting))
            if not days.others and not any(days.days):
                continue
            for kind, expire in expiries.items():
                removed += await self._all_of(kind, expire, setting, days)
        if removed:
            log.info("removed %s rows that were kept for their time", removed)
        return removed

    async def _all_of(self, kind: str, expire: Expire, setting: str, days: Days) -> int:
        removed, last = 0, ROWS
        while last == ROWS:
            self.pulse.beat()
            try:
                async with self._database.transaction() as connection:
                    gone = await expire(connection, days, ROWS)
                    await expiry.note(connection, kind, setting, days, gone)
            except Unavailable as error:
                log.warning("what is too old cannot be removed now: %s", error)
                return removed
            last = sum(each.rows for each in gone)
            removed += last
        return removed


class Removed(msgspec.Struct):
    """How many rows of a kind were removed on a day (UTC), until which day they were from, and by which setting."""

    no: int
    day: datetime.date
    kind: str
    rows: int
    until: datetime.date
    setting: str
    days: int


class RemovedPage(msgspec.Struct):
    """A page of what was removed; `next` is the next `after`."""

    items: list[Removed]
    next: int


def expiries_router(database: Database) -> APIRouter:
    """Return the route that tells a tenant what was removed of it because its days were over."""
    router = APIRouter(tags=["limits"])

    @router.get("/v1/expiries", responses=answered(RemovedPage))
    async def expiries(
        caller: Caller,
        after: Annotated[int, Query(ge=0, le=(1 << 63) - 1, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> dict[str, Any]:
        """
        What was removed here because it was kept for its days: `{items, next}`, an entry a day of removal, kind and setting.

        `rows` is how many there were, `until` the day of the newest of them, `setting` and `days` by what they went.
        """
        caller.require("admin", "service")
        async with database.connection() as connection:
            rows = await expiry.page(connection, caller.tenant, after, limit)
        return {"items": [dict(row) for row in rows], "next": rows[-1]["no"] if rows else after}

    return router
