"""
Whether the clock can be believed. Time is an input like any other: a tick of a clock that stands in 2099 would ask every
learner for a re-check, a decision dated so would be the newest for ever, and evidence from the future would be taken in.

Two others speak for it: the database's clock shows about the same, and that is not further from the last instant that was
believed than a closed summer is long. Until both do, nothing is dated by it; what came before is folded all the same.
"""

import asyncio
import datetime
import logging
from collections.abc import Callable
from typing import NamedTuple

from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.events import now
from shared.observability import metrics
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled

log = logging.getLogger(__name__)
LOOK_S = 1.0
BELIEVE_S = 60.0
"""How often what is believed is noted."""


class Reading(NamedTuple):
    """What the database's clock shows, and the latest instant that was believed (None: never looked at)."""

    at: datetime.datetime
    seen: datetime.datetime | None


class Clock:
    """This process's clock, held against the database's; `run` never ends by itself."""

    def __init__(self, database: Database, settings: Settings, reading: Callable[[], str] = now) -> None:
        self._database = database
        self._reading = reading
        self._apart_s_max = settings.clock_apart_s_max
        self._gap_days_max = settings.clock_gap_days_max
        self.doubt = "it has not been compared yet"
        """Why it is not believed; empty while it is."""
        self._said = False
        self.pulse = Pulse()

    @classmethod
    async def compared(cls, database: Database, settings: Settings) -> "Clock":
        """Return a clock that was looked at once."""
        clock = cls(database, settings)
        async with database.connection() as connection:
            await clock.look(connection)
        return clock

    @property
    def believed(self) -> bool:
        """Whether it was believed when it was last looked at."""
        return not self.doubt

    def require(self) -> None:
        """
        Refuse what is dated by it.

        Raises:
            Unavailable: it is not believed.
        """
        if self.doubt:
            raise Unavailable(f"the clock is not believed: {self.doubt}")

    async def look(self, connection: Connection) -> str | None:
        """Return the instant, None where it is not believed."""
        shown = self._reading()
        stored = await read_clocks(connection)
        self._judge(self._doubt(shown, stored))
        if self.doubt:
            return None
        if stored.seen is None or (stored.at - stored.seen).total_seconds() >= BELIEVE_S:
            await _believe(connection, stored.at)
        return shown

    async def run(self) -> None:
        """Look at it every second."""
        while True:
            raise_if_cancelled()
            self.pulse.beat()
            try:
                async with self._database.connection() as connection:
                    await self.look(connection)
            except (Unavailable, OSError) as error:
                log.warning("the clock cannot be compared: %s", error)
            await asyncio.sleep(LOOK_S)

    def _doubt(self, shown: str, stored: Reading) -> str:
        ahead_s = (datetime.datetime.fromisoformat(shown) - stored.at).total_seconds()
        if abs(ahead_s) > self._apart_s_max:
            return f"it shows {shown[:19]}Z, the database's {stored.at:%Y-%m-%dT%H:%M:%S}Z"
        if stored.seen is not None and (stored.at - stored.seen).days > self._gap_days_max:
            return (
                f"it shows {shown[:19]}Z, and was last believed at {stored.seen:%Y-%m-%dT%H:%M:%S}Z;"
                " if it is right, raise ATTAIN_CLOCK_GAP_DAYS_MAX until it has been seen"
            )
        return ""

    def _judge(self, doubt: str) -> None:
        if doubt and not self._said:
            log.error("the clock is not believed, nothing is dated by it: %s", doubt)
        elif self._said and not doubt:
            log.warning("the clock is believed again")
        self.doubt, self._said = doubt, bool(doubt)
        metrics.clock_doubted.set(bool(doubt))


async def read_clocks(connection: Connection) -> Reading:
    """Return the reading."""
    row = await connection.fetchrow("select clock_timestamp() as at, (select at from clock_seen) as seen")
    assert row is not None
    return Reading(row["at"], row["seen"])


async def _believe(connection: Connection, at: datetime.datetime) -> None:
    """Note an instant as believed; it never goes back."""
    await connection.execute(
        "insert into clock_seen (at) values ($1) on conflict (one) do update set at = excluded.at"
        " where excluded.at > clock_seen.at",
        at,
    )
