"""A database and topics of its own for each test, on the servers of the session or those that the environment names."""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.database import Database
from shared.settings import Settings
from tests.support.disposable import Topics, empty_tables
from tests.support.producer import running_producer
from tests.support.recorder import Recorder, create_recorder_tables
from tests.support.scene import Scene
from tests.support.servers import new_database

SHARDS = 4


def _server(request: pytest.FixtureRequest, name: str) -> str:
    if name not in os.environ:
        request.getfixturevalue("server_addresses")
    value = os.environ.get(name, "")
    if not value:
        pytest.skip(f"{name} is not set")
    return value


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The URL of a server where databases may be made."""
    return _server(request, "ATTAIN_TEST_POSTGRES")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """The bootstrap servers of a Kafka where topics may be made."""
    return _server(request, "ATTAIN_TEST_KAFKA")


@pytest_asyncio.fixture(scope="module")
async def made_urls(postgres: str) -> AsyncIterator[tuple[str, str]]:
    """Two databases with the tables of the shard log, of a consumer and of the recorder, for one module."""
    run = f"sh_{uuid.uuid4().hex[:12]}"
    async with new_database(postgres, f"{run}_one") as one, new_database(postgres, f"{run}_other") as other:
        await create_recorder_tables(one)
        await create_recorder_tables(other)
        yield one, other


@pytest_asyncio.fixture
async def url(made_urls: tuple[str, str]) -> str:
    """A database with empty tables."""
    await empty_tables(made_urls[0])
    return made_urls[0]


@pytest_asyncio.fixture
async def producer_url(made_urls: tuple[str, str]) -> str:
    """Another one, of the service that is consumed."""
    await empty_tables(made_urls[1])
    return made_urls[1]


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A pool of a database with empty tables."""
    connected = await Database.connect(url)
    yield connected
    await connected.close()


@pytest_asyncio.fixture
async def topics(kafka: str) -> AsyncIterator[Topics]:
    """The topics of this test."""
    made = Topics(kafka, SHARDS)
    yield made
    await made.clean()


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """Settings of an installation of four shards that needs no Kafka."""
    key = tmp_path / "token.key"
    key.write_text("00" * 32)
    return Settings(token_key_file=key, shards=SHARDS)


@pytest.fixture
def settings(kafka: str, local: Settings) -> Settings:
    """Settings with a topic suffix of this test alone and everything that is waited for short."""
    return local.model_copy(
        update={
            "kafka": kafka,
            "topic_suffix": f".sh{uuid.uuid4().hex[:8]}",
            "session_timeout_s": 6.0,
            "head_check_s": 0.3,
            "tail_check_s": 0.3,
            "inbox_poll_ms": 20,
            "relay_poll_ms": 10,
        }
    )


@pytest_asyncio.fixture
async def scene(database: Database, producer_url: str, settings: Settings, topics: Topics) -> AsyncIterator[Scene]:
    """A producer with an empty log and an empty topic; its relay runs where a test says so."""
    await topics.create(f"attain.test{settings.topic_suffix}")
    async with running_producer(producer_url, ["test"], settings, relayed=False) as producer:
        yield Scene(producer, database, topics)


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)
