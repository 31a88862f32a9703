"""The school calendars of tenants, asked of progression, where they are set."""

import asyncio
import contextlib
import datetime
import logging
import time

import msgspec

from shared.errors import Unavailable
from shared.peer import Peer
from shared.school_calendar import SchoolCalendar, breaks_of
from shared.tasks import Pulse

log = logging.getLogger(__name__)
FRESH_S = 60.0
"""So long a calendar is used before it is asked for again; what is set shows that much later."""
RETRY_S = 5.0
"""So long nobody is asked again who did not tell."""
FIRST_S = 1.0
"""So long a reader waits for a calendar, once; what waits longer is as good as away."""


class _Break(msgspec.Struct):
    first: datetime.date
    last: datetime.date


class _Settings(msgspec.Struct):
    time_zone: str
    breaks: list[_Break]


class Calendars:
    """
    What is set of each tenant's school days. While progression is away what it said last holds; before it has said anything
    days are those of UTC without breaks.
    """

    def __init__(self, progression: Peer) -> None:
        self._progression = progression
        self._known: dict[str, tuple[SchoolCalendar, float]] = {}
        self._wanted: set[str] = set()
        self._waited: set[str] = set()
        self._wake = asyncio.Event()
        self.pulse = Pulse(slower=10)

    async def of(self, tenant: str) -> SchoolCalendar | None:
        """Return a tenant's calendar; None where progression does not tell it and never has."""
        calendar, asked_at = self._known.get(tenant, (None, 0.0))
        if calendar is not None and time.monotonic() - asked_at < FRESH_S:
            return calendar
        try:
            return await self._ask(tenant)
        except Unavailable as error:
            log.warning("the school calendar is not told: %s", error, extra={"tenant": tenant})
            if calendar is not None:
                self._known[tenant] = calendar, time.monotonic() - FRESH_S + RETRY_S
            return calendar

    async def soon(self, tenant: str) -> SchoolCalendar:
        """
        Return a tenant's calendar as `known` does; who asks for one that was never asked for waits for it, `FIRST_S` at most.
        """
        if tenant not in self._known and tenant not in self._waited:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await self.of(tenant)
            self._waited.add(tenant)
        return self.known(tenant)

    def known(self, tenant: str) -> SchoolCalendar:
        """Return a tenant's calendar as it is known now, for those who cannot wait; `run` asks for what is not known."""
        calendar, asked_at = self._known.get(tenant, (None, 0.0))
        if calendar is None or time.monotonic() - asked_at >= FRESH_S:
            self._wanted.add(tenant)
            self._wake.set()
        return calendar or SchoolCalendar()

    async def run(self) -> None:
        """Ask for the calendars that `known` wants, for ever."""
        while True:
            self.pulse.rest()
            await self._wake.wait()
            self.pulse.beat()
            self._wake.clear()
            wanted, self._wanted = self._wanted, set()
            if any([await self.of(tenant) is None for tenant in wanted]):
                await asyncio.sleep(RETRY_S)

    async def _ask(self, tenant: str) -> SchoolCalendar:
        answer = await self._progression.ask("/v1/settings", {"tenant": tenant})
        told = msgspec.json.decode(answer.content, type=_Settings)
        calendar = SchoolCalendar(told.time_zone, breaks_of((each.first, each.last) for each in told.breaks))
        self._known[tenant] = calendar, time.monotonic()
        return calendar


def in_words(calendar: SchoolCalendar | None) -> str:
    """Say which days are school days by a calendar, None being one that is not known."""
    if calendar is None:
        return "Monday to Friday, in UTC; the school calendar is not known"
    return f"Monday to Friday but for breaks, in {calendar.time_zone}"
