"""Who was told what of learners: the register of readers, and what each of them was given."""

import asyncio
import datetime
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from services.progression.domain.disclosing import Disclosure, Reader, Stood, Via, declared_as, disclosures, public_of
from services.progression.domain.journal import unpack_entries
from services.progression.handlers.requests import request_of, take_up, taken_up
from services.progression.tables import disclosures as tables
from services.progression.tables import journals
from shared.database import Connection, Database
from shared.errors import NotFound, Refused
from shared.event_log import EventLog
from shared.settings import Settings
from shared.shards import shard_of

ROWS_MAX = 10_000
"""Rows of the log of one learner's shard that are looked at: nine readers a day for three years."""
READERS_MAX = 1000
DECLARED: tuple[Via, ...] = ("kafka", "feed")


class Disclosures:
    """The register of readers and the log of what they were given, of all tenants."""

    def __init__(self, database: Database, settings: Settings, requests: EventLog) -> None:
        self._database = database
        self._requests = requests
        self._shards = settings.shards

    async def of_learner(self, tenant: str, learner: str, after: int, limit: int) -> tuple[list[Disclosure], bool]:
        """Return who was told what of a learner, the latest first, behind so many; and whether there is more."""
        shard = shard_of(tenant, learner, self._shards)
        async with self._database.instant() as connection:
            rows = await tables.given(connection, tenant, shard, learner, ROWS_MAX)
            stood = await _stood(connection, tenant, shard, learner)
            stored = await tables.events_of(connection, tenant, shard, learner)
            readers = await tables.readers(connection, tenant)
            waiting = await tables.waiting(connection, tenant, learner)
        items = await asyncio.to_thread(lambda: disclosures(public_of(stored), rows, stood, readers, waiting))
        return items[after : after + limit], len(items) > after + limit

    async def of_tenant(
        self, tenant: str, before: datetime.date | None, days: int
    ) -> tuple[list[dict[str, Any]], datetime.date | None]:
        """Return which readers were given anything on so many days before one, and the last of the days where more may be."""
        async with self._database.instant() as connection:
            rows = await tables.of_tenant(connection, tenant, before, days)
            readers = await tables.readers(connection, tenant)
        seen = sorted({row["day"] for row in rows})
        return [dict(row) | _declared(readers, row) for row in rows], seen[0] if len(seen) == days else None

    async def readers(self, tenant: str) -> list[Reader]:
        """Return the register."""
        async with self._database.connection() as connection:
            return await tables.readers(connection, tenant)

    async def declare(self, reader: Reader, author: str, key: str = "") -> Reader:
        """
        Enter a reader of Kafka or of the feed, under a `key` of the author's once; return it with its id.

        Raises:
            Refused: the register is full, or the author has asked for something else under this key.
        """
        request = request_of(reader.tenant, author, key, ("subscriber", reader))
        new = msgspec.structs.replace(reader, id=str(uuid.uuid4()) if request is None else request.id)
        async with self._database.transaction() as connection:
            if await taken_up(connection, request):
                return new
            await tables.lock_register(connection, reader.tenant)
            if len(await tables.readers(connection, reader.tenant)) >= READERS_MAX:
                raise Refused(f"the register has {READERS_MAX} readers, and keeps those that read no more")
            await tables.enter(connection, new, author)
            await take_up(connection, self._requests, request)
        return new

    async def end(self, tenant: str, id: str) -> None:
        """Note that a declared reader reads no more; raises `NotFound` where none does by that id."""
        async with self._database.connection() as connection:
            if not await tables.end(connection, tenant, id, *DECLARED):
                raise NotFound("nobody was declared by that id who still reads; a webhook is ended at /v1/webhooks")


async def _stood(connection: Connection, tenant: str, shard: int, learner: str) -> list[Stood]:
    first = await journals.first_of(connection, shard, tenant, learner)
    if first is None:
        return []
    begun = datetime.datetime.fromisoformat(unpack_entries(first)[0].time)
    return await tables.stood(connection, tenant, learner, begun, ROWS_MAX)


def _declared(readers: Sequence[Reader], row: Any) -> dict[str, str]:
    name, purpose = declared_as(readers, row["via"], row["reader"], row["since"], row["until"])
    return {"name": name, "purpose": purpose}
