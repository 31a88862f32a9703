"""A real database with progression's tables, and an outlet on it."""

import os
import uuid
from collections.abc import AsyncIterator

import pytest

from services.progression.handlers.logs import Logs
from services.progression.handlers.posting import Poster
from services.progression.handlers.webhooks import Webhooks
from shared.database import Database
from shared.event_log import EventLog
from shared.settings import Settings
from tests.support.disposable import empty_tables
from tests.support.outlet import SHARDS, Outlet
from tests.support.servers import migrated_database


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The URL of a server where databases may be made: the environment's, else the session's."""
    if "ATTAIN_TEST_POSTGRES" not in os.environ:
        request.getfixturevalue("server_addresses")
    return os.environ["ATTAIN_TEST_POSTGRES"]


@pytest.fixture(scope="module")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """The URL of a database with progression's schema."""
    async with migrated_database(postgres, f"webhooks_{uuid.uuid4().hex[:8]}", "progression") as url:
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
    logs = Logs(SHARDS)
    async with database.connection() as connection:
        for each in (log, logs.requests):
            await each.prepare(connection)
    poster = Poster(config)
    yield Outlet(database, log, config, Webhooks(database, logs, poster, config))
    await poster.close()
    await database.close()
