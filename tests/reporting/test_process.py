"""The process: it stops in order when asked to, and ends by itself when a background task dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.settings import Settings
from shared.topics import create
from tests.reporting.running import delete_topics, new_schema
from tests.support.producer import free_port
from tests.support.waiting import until


@pytest.fixture
async def environment(postgres: str, name: str, config: Settings) -> AsyncIterator[dict[str, str]]:
    """Return the environment of a process of its own; no producer is there, which must not matter."""
    await create(config)
    async with new_schema(postgres, f"{name}_process") as url:
        yield os.environ | {
            "ATTAIN_KAFKA": config.kafka, "ATTAIN_TOPIC_SUFFIX": config.topic_suffix, "ATTAIN_REPORTING_DATABASE": url,
            "ATTAIN_SHARDS": str(config.shards), "ATTAIN_TOKEN_KEY_FILE": str(config.token_key_file),
            "ATTAIN_PORT": str(free_port()), "ATTAIN_SESSION_TIMEOUT_S": "6",
        }  # fmt: skip
    await delete_topics(config)


async def test_a_process_starts_without_producers_and_stops_in_order_on_sigterm(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.reporting.app", env=environment, cwd=Path(__file__).parents[2],
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async def ready() -> bool:
        assert process.returncode is None
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{environment['ATTAIN_PORT']}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    await until(ready)
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 15)

    assert b"stopped in order" in errors
    assert b"Traceback" not in errors
