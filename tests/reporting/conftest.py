"""Servers, a key, and reporting running on them: a fresh database and fresh topics a module."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.reporting.running import Running, running_reporting
from tests.support.producer import free_port
from tests.support.servers import Servers

SHARDS = 4


@pytest.fixture(scope="session")
def postgres(server_addresses: Servers) -> str:
    """Return the URL of a PostgreSQL server."""
    return server_addresses.postgres


@pytest.fixture(scope="session")
def kafka(server_addresses: Servers) -> str:
    """Return the address of a Kafka broker."""
    return server_addresses.kafka


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the key that tokens are signed with."""
    path: Path = tmp_path_factory.mktemp("key") / "token.key"
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture(scope="module")
def name() -> str:
    """Return a name that no other run uses."""
    return f"rep_{secrets.token_hex(5)}"


@pytest.fixture(scope="module")
def config(kafka: str, name: str, key: Path) -> Settings:
    """Return the settings of a module's own installation."""
    return Settings(
        kafka=kafka, topic_suffix=f"-{name}", token_key_file=key, shards=SHARDS, port=free_port(), session_timeout_s=6,
        head_check_s=0.5, batch_records=500, wait_s_max=15, slot="", aggregate_s=0, aggregate_daily=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
async def reporting(postgres: str, name: str, config: Settings) -> AsyncIterator[Running]:
    """Run reporting."""
    async with running_reporting(postgres, name, config) as running:
        yield running
