"""A real database with progression's tables, a public log to be filled, and a dispatcher over it."""

import asyncio
import contextlib
import dataclasses
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from services.progression.handlers.delivering import Dispatcher
from services.progression.handlers.posting import Poster
from services.progression.handlers.references import References
from services.progression.handlers.webhooks import Webhooks
from services.progression.subscribing import Subscription
from shared.database import Database
from shared.event_log import EventLog
from shared.events import Draft, envelope, now
from shared.migrate import migrate
from shared.settings import Settings
from shared.shards import shard_of
from tests.support.disposable import empty_tables
from tests.support.servers import new_database

SHARDS = 4
TENANT = "school"
WITHIN_S = 40.0


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
        return await self.webhooks.add(given, "admin", dict.fromkeys(range(SHARDS), 0))

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


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The URL of a server where databases may be made: the environment's, else the session's."""
    if "ATTAIN_TEST_POSTGRES" not in os.environ:
        request.getfixturevalue("server_addresses")
    return os.environ["ATTAIN_TEST_POSTGRES"]


@pytest.fixture(scope="module")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """The URL of a database with progression's schema."""
    async with new_database(postgres, f"webhooks_{uuid.uuid4().hex[:8]}") as url:
        await asyncio.to_thread(migrate, "progression", url)
        yield url


@pytest.fixture
async def outlet(migrated: str) -> AsyncIterator[Outlet]:
    """An empty log and no webhooks; private addresses allowed, and everything that is waited for short."""
    await empty_tables(migrated)
    config = Settings(
        shards=SHARDS, webhook_private_addresses=True, webhook_timeout_s=0.5, webhook_poll_ms=20, webhook_backoff_s=0.02,
        webhook_backoff_s_max=0.2, webhook_attempts_max=40, webhook_failures_max=400,
    )  # fmt: skip
    database, log = await Database.connect(migrated), EventLog("advancement", SHARDS)
    async with database.connection() as connection:
        await log.prepare(connection)
    poster = Poster(config)
    yield Outlet(database, log, config, Webhooks(database, poster, config))
    await poster.close()
    await database.close()


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.05)
