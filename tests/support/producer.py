"""A stand-in for a producing service that is real where it matters: PostgreSQL log, relay to Kafka, feed over HTTP."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa
import uvicorn
from sqlalchemy.ext.asyncio import create_async_engine

from shared.auth import Authenticator
from shared.database import Database
from shared.event_log import EventLog
from shared.events import Draft, encode_json, envelope, now
from shared.feed_routes import feed_router
from shared.relay import Relay
from shared.schema import define_logs
from shared.settings import Settings
from shared.shards import shard_of, stable_id
from shared.web import make_app


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def create_tables(url: str, metadata: sa.MetaData) -> None:
    """Create the tables of a schema in an empty database."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


class Producer:
    """Appends events to its logs, relays them and serves their feed at `url`."""

    def __init__(self, database: Database, logs: Sequence[EventLog], settings: Settings) -> None:
        self.database = database
        self.logs = {log.name: log for log in logs}
        self.settings = settings
        self.relay = Relay(database, logs, settings)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.groups: list[dict[str, str]] = []
        self.references: dict[str, dict[str, list[str]]] = {}
        self.former: dict[str, dict[str, list[dict[str, Any]]]] = {}
        """Group memberships that the stand-in for evidence answers, in the order of learners."""
        self.calendars: dict[str, dict[str, object]] = {}
        """What is set of tenants' school days, where it is not the default."""

    async def append(self, log: str, tenant: str, events: Sequence[tuple[str, str, object]]) -> list[tuple[int, int]]:
        """Append (type, subject, data) of a tenant in one transaction; return (shard, position) of each."""
        drafts = []
        for number, (type, subject, data) in enumerate(events):
            body = envelope(
                id=stable_id(tenant, subject, type, now(), str(number)), source="test", type=type, tenant=tenant,
                subject=subject, time=now(), data=encode_json(data),
            )  # fmt: skip
            drafts.append(Draft(shard_of(tenant, subject, self.settings.shards), tenant, subject, body))
        async with self.database.transaction() as connection:
            positions = await self.logs[log].append(connection, drafts)
        self.relay.wake()
        return [(draft.shard, pos) for draft, pos in zip(drafts, positions, strict=True)]


@contextlib.asynccontextmanager
async def running_producer(
    url: str, names: Sequence[str], settings: Settings, *, relayed: bool = True
) -> AsyncIterator[Producer]:
    """Run a producer of the named logs over an empty database; without `relayed` only its feed has the events."""
    metadata = sa.MetaData()
    define_logs(metadata)
    await create_tables(url, metadata)
    database = await Database.connect(url)
    logs = [EventLog(name, settings.shards) for name in names]
    async with database.connection() as connection:
        for log in logs:
            await log.prepare(connection)
    producer = Producer(database, logs, settings)
    app = make_app("producer", "", Authenticator(settings), None)
    app.include_router(feed_router(database, logs, settings))

    @app.get("/v1/settings")
    async def settings_of(tenant: str) -> dict[str, object]:
        return producer.calendars.get(tenant, {"time_zone": "UTC", "breaks": []})

    server = uvicorn.Server(uvicorn.Config(app, port=producer.port, log_config=None, lifespan="off"))
    tasks = [asyncio.create_task(server._serve())]
    if relayed:
        tasks.append(asyncio.create_task(producer.relay.run()))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield producer
    finally:
        server.should_exit = True
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()
