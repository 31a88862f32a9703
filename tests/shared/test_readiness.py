"""What a service waits for, what it goes on without, and that its port says so before it can begin."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shared import readiness, starting
from shared.database import Database
from shared.readiness import KafkaWatch, Readiness
from shared.revisions import revisions
from shared.settings import Settings
from tests.support.disposable import eventually
from tests.support.producer import free_port

NOWHERE = "127.0.0.1:9"
NEWEST = revisions("evidence")[-1]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LOOK_S", 0.05)


@contextlib.asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[KafkaWatch]:
    watch = KafkaWatch(settings)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def put_schema(database: Database, revision: str) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "create table if not exists alembic_version (version_num text); truncate alembic_version;"
            f"insert into alembic_version values ('{revision}')"
        )


async def test_kafka_that_goes_away_and_comes_back_is_told_and_never_makes_a_service_unready(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(_: AIOKafkaClient) -> None:
        raise KafkaError

    async def told() -> str:
        return (await readiness.readiness("evidence", database, watch)).text()

    async def is_there() -> bool:
        return await told() == "ready"

    async def is_away() -> bool:
        return await told() == "ready\ngoes on without Kafka: KafkaError"

    await put_schema(database, NEWEST)
    async with watching(settings) as watch:
        assert await told() == "ready\ngoes on without Kafka: not asked yet"
        await eventually(is_there)
        with monkeypatch.context() as meanwhile, caplog.at_level(logging.INFO):
            meanwhile.setattr(AIOKafkaClient, "fetch_all_metadata", away)
            await eventually(is_away)
            await asyncio.sleep(0.3)
        await eventually(is_there)

    assert caplog.text.count("Kafka does not answer: KafkaError") == 1, "not at every look"


async def test_kafka_that_was_never_there_is_named(settings: Settings) -> None:
    async with watching(settings.model_copy(update={"kafka": NOWHERE})) as watch:

        async def is_away() -> bool:
            return watch.fault == "KafkaConnectionError"

        await eventually(is_away)


async def test_a_service_without_its_database_is_not_ready(settings: Settings, url: str) -> None:
    database = await Database.connect(url)
    await database.close()
    now = await readiness.readiness("evidence", database, KafkaWatch(settings))

    assert now == Readiness(["PostgreSQL"], ["Kafka: not asked yet"])
    assert not now.is_ready


async def test_a_service_under_which_the_schema_changes_says_so_and_serves_beside_a_newer_one_alone(
    database: Database, settings: Settings
) -> None:
    told = []
    for revision in (NEWEST, "9999", "0001"):
        await put_schema(database, revision)
        now = await readiness.readiness("evidence", database, KafkaWatch(settings))
        told.append((now.is_ready, now.text().splitlines()[1]))

    assert told == [
        (True, "goes on without Kafka: not asked yet"),
        (True, f"goes on without knowing schema 9999, which is newer than this version ({NEWEST})"),
        (False, f"waits for its schema: its database has schema 0001, this version needs {NEWEST}: run `migrate evidence`"
                " of this version first"),
    ]  # fmt: skip


async def test_who_waits_for_the_database_is_alive_and_says_so_and_begins_once_it_is_there(
    settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "AT_ONCE_S", 0.1)
    server, later = urlsplit(url), free_port()
    there = urlunsplit(server._replace(netloc=f"{server.netloc.rpartition('@')[0]}@127.0.0.1:{later}"))
    waiting = settings.model_copy(update={"port": free_port(), "evidence_database": there})
    begins = asyncio.create_task(starting.fault_once_there("evidence", waiting))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{waiting.port}") as client:

        async def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get("/livez")).text == "ok"
            return False

        await eventually(answers)
        ready, other = await client.get("/readyz"), await client.post("/v1/evidence", json={})

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while sent := await reader.read(65536):
                writer.write(sent)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection(server.hostname, server.port)
        await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer))

    async with await asyncio.start_server(forward, "127.0.0.1", later):
        fault = await asyncio.wait_for(begins, 20)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{waiting.port}/livez")

    assert (ready.status_code, ready.text) == (503, "not ready\nwaits for PostgreSQL")
    assert (other.status_code, other.headers["Retry-After"]) == (503, "2")
    assert other.json()["detail"] == "the service waits for PostgreSQL"
    assert other.headers["X-Content-Type-Options"] == "nosniff"
    assert "run `migrate evidence` first" in fault, "what is wrong is said as if it had been there at once"
