"""One delivery for every active webhook: one replica at a time has them all, under an advisory lock."""

import asyncio
import logging

from services.progression.handlers.delivering import Delivery, Stopped
from services.progression.handlers.posting import Poster
from services.progression.handlers.references import References
from services.progression.tables import webhooks as tables
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.leading import lead
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled
from shared.tenancy import log_as_of

log = logging.getLogger(__name__)
AWAY_S = 1.0
"""How long a delivery rests where the database, or evidence, does not answer."""


class Dispatcher:
    """Runs a delivery for every active webhook; `run` never ends by itself."""

    def __init__(self, database: Database, references: References, poster: Poster, settings: Settings) -> None:
        self._database = database
        self._references = references
        self._poster = poster
        self._settings = settings
        self.pulse = Pulse()

    async def run(self) -> None:
        """Deliver while this replica holds the lock; wait for it otherwise."""
        await lead(self._database, "webhooks", self._supervise, self.pulse)

    async def _supervise(self, lock: Connection) -> None:
        """Keep one task for every active webhook, begun anew when it is changed."""
        running: dict[tuple[str, int], asyncio.Task[None]] = {}
        try:
            while True:
                raise_if_cancelled()
                self.pulse.beat()
                wanted = set((await tables.active(lock)).items())
                for key in [key for key in running if key not in wanted or running[key].done()]:
                    running.pop(key).cancel()
                for key in wanted - running.keys():
                    running[key] = asyncio.create_task(self._deliver(*key))
                await asyncio.sleep(self._settings.webhook_poll_ms / 1000)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _deliver(self, id: str, version: int) -> None:
        while True:
            raise_if_cancelled()
            try:
                async with self._database.connection() as connection:
                    row = await tables.load(connection, id)
                if row is None or row["version"] != version:
                    return
                log_as_of(row["tenant"])
                delivery = Delivery(row, self._database, self._references, self._poster, self._settings)
                await delivery.round()
            except Stopped:
                pass
            except (Unavailable, OSError) as error:
                log.warning("webhook %s waits: %s", id, error)
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(self._settings.webhook_poll_ms / 1000)
