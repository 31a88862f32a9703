"""Computing a district's numbers of a day before somebody asks for them, so that nobody waits who asks most days."""

import asyncio
import datetime
import logging

from services.reporting.handlers.district_numbers import DistrictNumbers
from services.reporting.tables import told_daily
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.leading import lead
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import bound_to

log = logging.getLogger(__name__)
EVERY_S = 120.0
"""How often it is looked whether a day has begun somewhere; until then the numbers of the day before are given."""


class ToldAhead:
    """
    Answers each day anew what was asked within the last days, one question after the other, in one replica at a time.

    What cannot be computed now is tried again after `EVERY_S`, and keeps no other question waiting.
    """

    def __init__(self, database: Database, numbers: DistrictNumbers) -> None:
        self._database = database
        self._numbers = numbers
        # A statement may take as long as a loop that evidence passes through, and an answer needs several.
        self.pulse = Pulse(slower=10)

    async def run(self) -> None:
        """Work until cancelled."""
        await lead(self._database, "told ahead", self._work, self.pulse)

    async def _work(self, _: Connection) -> None:
        while True:
            raise_if_cancelled()
            await self.tell()
            self.pulse.rest()
            await asyncio.sleep(EVERY_S)

    async def tell(self) -> int:
        """Answer what is not told of today yet; return how many questions."""
        with bound_to(None):
            async with self._database.connection() as connection:
                await told_daily.forget_unasked(connection)
                asked = await told_daily.questions(connection)
        told = 0
        for row in asked:
            raise_if_cancelled()
            self.pulse.beat()
            with bound_to(row["tenant"]):
                today = await self._numbers.daily.today(row["tenant"])
                if row["day"] < today <= row["asked_on"] + datetime.timedelta(days=told_daily.KEPT_DAYS):
                    told += await self._answer(row["tenant"], today, row["question"])
        return told

    async def _answer(self, tenant: str, today: datetime.date, question: str) -> bool:
        try:
            return await self._numbers.answer_ahead(tenant, today, question)
        except Unavailable as error:
            log.warning("what is told of today cannot be computed now: %s", error)
        except Exception:
            # Who asks for it is told so; the other questions, and the service, go on.
            log.exception("what is told of today cannot be computed: %s", question)
        return False
