"""Answers that a tenant is told once a day, so that asking again and again tells nothing about one learner's change."""

import datetime
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from services.reporting.tables import told_daily
from shared.calendars import Calendars
from shared.database import Database
from shared.school_calendar import SchoolCalendar

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Daily:
    """
    Keeps the first answer of a tenant's local day and gives it to all who ask on that day, of every replica.

    Args:
        frozen: with False every answer is computed anew.
    """

    def __init__(self, database: Database, calendars: Calendars, *, frozen: bool) -> None:
        self._database = database
        self._calendars = calendars
        self._frozen = frozen

    async def today(self, tenant: str) -> datetime.date:
        """Return the local day of a tenant; in UTC where its calendar is not known."""
        calendar = await self._calendars.of(tenant) or SchoolCalendar()
        return calendar.day_of(datetime.datetime.now(datetime.UTC))

    async def get(
        self,
        tenant: str,
        day: datetime.date,
        question: str,
        *,
        kind: type[Answer],
        compute: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Return the answer of a day to a question; one that an older version has kept in another shape is computed again."""
        if not self._frozen:
            return await compute()
        async with self._database.connection() as connection:
            kept = await told_daily.told_on(connection, tenant, day, question)
        if kept is not None:
            try:
                return msgspec.json.decode(kept, type=kind)
            except msgspec.ValidationError:
                log.warning("the answer of %s to %s has another shape", day, question)
                async with self._database.connection() as connection:
                    await told_daily.forget(connection, tenant, day, question)
        answer = msgspec.json.encode(await compute())
        async with self._database.transaction() as connection:
            await told_daily.tell(connection, tenant, day, question, answer)
            # Of two replicas that computed at once the first has told it.
            kept = await told_daily.told_on(connection, tenant, day, question)
        return msgspec.json.decode(kept or answer, type=kind)
