"""
Removing what is kept beside the record for a limited time: originals that became no evidence, and who looked or sent.

Evidence, what follows from it, and what certifies an erasure are never among it: those go when their learner is erased.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.expiry import Days, Expire
from shared.leading import lead
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import bound_to
from shared.tenant_limits import TenantLimits

log = logging.getLogger(__name__)
EVERY_S = 3600.0
ROWS = 5_000
"""Rows that one statement removes."""


class Retention:
    """Removes what is too old once an hour, in one replica at a time; `expiries` are by the name of the limit."""

    def __init__(self, database: Database, limits: TenantLimits, expiries: Mapping[str, Sequence[Expire]]) -> None:
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
        for name, expiries in self._expiries.items():
            days = Days(*self._limits.each(name))
            if not days.others and not any(days.days):
                continue
            for expire in expiries:
                removed += await self._all_of(expire, days)
        if removed:
            log.info("removed %s rows that were kept for their time", removed)
        return removed

    async def _all_of(self, expire: Expire, days: Days) -> int:
        removed, last = 0, ROWS
        while last == ROWS:
            self.pulse.beat()
            try:
                async with self._database.transaction() as connection:
                    last = await expire(connection, days, ROWS)
            except Unavailable as error:
                log.warning("what is too old cannot be removed now: %s", error)
                return removed
            removed += last
        return removed
