"""The evidence service, running on real servers: a fresh database and fresh topics a module."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.evidence.running import Running, running_service
from tests.support.producer import free_port, running_producer
from tests.support.servers import Servers, migrated_database, new_database


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the key that tokens are signed with."""
    path: Path = tmp_path_factory.mktemp("key") / "token.key"
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture(scope="module")
async def service(key: Path, server_addresses: Servers) -> AsyncIterator[Running]:
    """Run the service with a producer of frameworks beside it, as progression would be."""
    kafka, postgres = server_addresses.kafka, server_addresses.postgres
    name = f"ev_{secrets.token_hex(5)}"
    async with (
        migrated_database(postgres, name, "evidence") as url,
        new_database(postgres, f"{name}_curriculum") as curriculum_url,
    ):
        config = Settings(
            kafka=kafka, evidence_database=url, topic_suffix=f"-{name}", token_key_file=key, port=free_port(), shards=4,
            slot="", session_timeout_s=6, head_check_s=0.5, batch_items_max=500, item_bytes_max=20_000,
            body_bytes_max=1 << 20, body_inflated_bytes_max=2 << 20, log_level="WARNING",
        )  # fmt: skip
        async with running_producer(curriculum_url, ["curriculum"], config, relayed=False) as producer:
            config = config.model_copy(update={"progression_url": producer.url})
            async with running_service(config) as running:
                running.curriculum = producer
                yield running
