"""A public log to be filled, the webhooks on it, and dispatchers over both."""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from services.progression.domain.subscribing import Subscription
from services.progression.handlers.dispatching import Dispatcher
from services.progression.handlers.posting import Poster
from services.progression.handlers.references import References
from services.progression.handlers.webhooks import Webhooks
from shared.database import Database
from shared.event_log import EventLog
from shared.events import Draft, envelope, now
from shared.settings import Settings
from shared.shards import shard_of

SHARDS = 4
TENANT = "school"


@dataclasses.dataclass
class Outlet:
    """The public log of one tenant, and the webhooks on it."""

    database: Database
    log: EventLog
    settings: Settings
    webhooks: Webhooks

    async def tell(self, learners: list[str], each: int, kind: str = "competency.mastered") -> None:
        """Append so many events of each learner, in turns."""
        drafts = [self._draft(learner, kind) for _ in range(each) for learner in learners]
        async with self.database.transaction() as connection:
            await self.log.append(connection, drafts)

    def _draft(self, learner: str, kind: str) -> Draft:
        data = {"learner": {"id": learner, "refs": []}, "scope": {"framework": "math", "id": "math:c1"}, "seq": 1}
        body = envelope(
            id=str(uuid.uuid4()), source="progression", type=f"attain.{kind}.v1", tenant=TENANT, subject=learner,
            time=now(), data=msgspec.json.encode(data),
        )  # fmt: skip
        return Draft(shard_of(TENANT, learner, SHARDS), TENANT, learner, body)

    async def subscribe(self, url: str, **more: Any) -> Subscription:
        """Begin a webhook at the beginning of the log."""
        given = Subscription("", TENANT, "sis", url, "placement of learners", (), (), "", "", b"")
        given = msgspec.structs.replace(given, **more)
        return await self.webhooks.add(given, "admin", "beginning", dict.fromkeys(range(SHARDS), 0))

    async def positions(self) -> dict[str, list[int]]:
        """Return the positions of every learner's events in the log."""
        found: dict[str, list[int]] = {}
        async with self.database.connection() as connection:
            for row in await connection.fetch("select subject, pos from event_log order by shard, pos"):
                found.setdefault(row["subject"], []).append(row["pos"])
        return found

    async def state(self, id: str) -> dict[str, Any]:
        """Return a webhook as it is listed."""
        return next(each for each in await self.webhooks.of_tenant(TENANT) if each["id"] == id)

    @contextlib.asynccontextmanager
    async def dispatching(self, settings: Settings | None = None) -> AsyncIterator[None]:
        """Run a dispatcher."""
        config = settings or self.settings
        references, poster = References(config), Poster(config)
        task = asyncio.create_task(Dispatcher(self.database, references, poster, config).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await references.close()
            await poster.close()
