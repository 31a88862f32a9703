"""The log of what people and systems did here with what is held of learners: sent it, took it out, had it erased."""

import time
from collections import OrderedDict
from typing import Any, Literal

from services.evidence.tables import accesses
from shared.database import Database

Act = Literal["intake", "export", "erasure"]
AGAIN_S = 3600.0
"""A sender that goes on sending is one entry an hour."""
REMEMBERED = 10_000


class Accesses:
    """Notes acts; `target` is the way and source of intake, the learner of an export, the certificate of an erasure."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def note(self, tenant: str, person: str, act: Act, target: str) -> None:
        """Store one entry; raises `Unavailable`."""
        async with self._database.connection() as connection:
            await accesses.add(connection, tenant, person, act, target)

    async def note_sender(self, tenant: str, person: str, way: str, source: str | None) -> None:
        """Store that somebody sends by a way, once an hour in this process."""
        key = (tenant, person, f"{way} {source or ''}".strip())
        now = time.monotonic()
        if now - self._noted.get(key, -AGAIN_S) < AGAIN_S:
            return
        await self.note(tenant, person, "intake", key[2])
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)

    async def page(self, tenant: str, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the entries of a tenant behind a number, in order."""
        async with self._database.connection() as connection:
            return [dict(row) for row in await accesses.page(connection, tenant, after, limit)]
