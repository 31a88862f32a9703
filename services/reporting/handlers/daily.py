"""Answers that a tenant is told once a day, so that asking again and again tells nothing about one learner's change."""

import datetime
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from services.reporting.tables import told_daily
from shared.calendars import Calendars
from shared.database import Database
from shared.school_calendar import SchoolCalendar

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class OfDay(NamedTuple, Generic[Answer]):
    """A question of a tenant on a day, as it is kept, with the kind of its answer and what computes that."""

    tenant: str
    day: datetime.date
    question: str
    kind: type[Answer]
    compute: Callable[[], Awaitable[Answer]]


class Daily:
    """
    Keeps the first answer of a tenant's local day and gives it to all who ask on that day, of every replica; until there is
    one, that of the last day.

    Args:
        frozen: with False every answer is computed anew.
    """

    def __init__(self, database: Database, calendars: Calendars, *, frozen: bool) -> None:
        self._database = database
        self._calendars = calendars
        self._frozen = frozen

    async def today(self, tenant: str) -> datetime.date:
        """Return the local day of a tenant; in UTC where its calendar is not known."""
        return await self.day_of(tenant, datetime.datetime.now(datetime.UTC))

    async def day_of(self, tenant: str, instant: datetime.datetime) -> datetime.date:
        """Return the day of an instant where the tenant is."""
        calendar = await self._calendars.of(tenant) or SchoolCalendar()
        return calendar.day_of(instant)

    async def get(self, asked: OfDay[Answer], *, of_day: bool = False) -> Answer:
        """
        Return the last answer to a question: that of the day, or of a day before where `tell` has yet to come to it. Whoever
        asks what nobody has asked for lately waits for it, and for one that an older version has kept in another shape.

        Args:
            of_day: whether no answer of a day before will do: then it is asked for another answer, which nobody need ask again.
        """
        if not self._frozen:
            return await asked.compute()
        place = asked.tenant, asked.day, asked.question
        async with self._database.connection() as connection:
            last = await told_daily.last_told(connection, *place)
            if last is not None and last.asked_on < asked.day and not of_day:
                await told_daily.note_asked(connection, *place)
        if last is not None and (last.day == asked.day or not of_day):
            try:
                return msgspec.json.decode(last.answer, type=asked.kind)
            except msgspec.ValidationError:
                log.warning("the answer of %s to %s has another shape", last.day, asked.question)
                await self.forget(asked.tenant, asked.question)
        return await self.tell(asked)

    async def tell(self, asked: OfDay[Answer]) -> Answer:
        """Compute the answer of a day, and return the one that is kept."""
        place = asked.tenant, asked.day, asked.question
        answer = msgspec.json.encode(await asked.compute())
        async with self._database.transaction() as connection:
            await told_daily.tell(connection, *place, answer)
            # Of two replicas that computed at once the first has told it.
            kept = await told_daily.last_told(connection, *place)
        return msgspec.json.decode(answer if kept is None else kept.answer, type=asked.kind)

    async def forget(self, tenant: str, question: str) -> None:
        """Forget what is told of a question: whoever asks next waits."""
        async with self._database.connection() as connection:
            await told_daily.forget(connection, tenant, question)
