"""Work that one replica at a time does: whichever holds an advisory lock of the service's database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.tasks import Pulse, raise_if_cancelled

log = logging.getLogger(__name__)
TAKE_OVER_S = 1.0
"""How often the others look whether the one that leads is gone."""


async def lead(database: Database, name: str, work: Callable[[Connection], Awaitable[None]], pulse: Pulse) -> None:
    """
    Do work without end while this replica holds the lock of that name, and wait for it otherwise; until cancelled.

    `work` gets the session that holds the lock: whoever loses it loses the lock, and the work starts over. It gives the
    pulse its beats while it leads.
    """
    while True:
        raise_if_cancelled()
        pulse.beat()
        try:
            async with database.session() as lock:
                if await lock.fetchval("select pg_try_advisory_lock(hashtext($1), 0)", name):
                    await work(lock)
        except (Unavailable, OSError) as error:
            log.warning("%s start over: %s", name, error)
        await asyncio.sleep(TAKE_OVER_S)
