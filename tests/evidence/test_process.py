"""The service as a process: it starts, serves, stops when told, and loses nothing when killed."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.evidence.builders import encoded, item, token
from tests.evidence.running import Running
from tests.support.producer import free_port
from tests.support.waiting import until


@contextlib.asynccontextmanager
async def started(service: Running, port: int, **changes: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run another replica as a process of its own; it is gone afterwards."""
    config = service.config
    environment = os.environ | {
        "ATTAIN_KAFKA": config.kafka, "ATTAIN_EVIDENCE_DATABASE": config.evidence_database, "ATTAIN_PORT": str(port),
        "ATTAIN_TOPIC_SUFFIX": config.topic_suffix, "ATTAIN_TOKEN_KEY_FILE": str(config.token_key_file),
        "ATTAIN_SHARDS": str(config.shards), "ATTAIN_PROGRESSION_URL": config.progression_url,
        "ATTAIN_SESSION_TIMEOUT_S": "6", "ATTAIN_LOG_LEVEL": "CRITICAL",
    }  # fmt: skip
    environment |= changes
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.evidence.app", env=environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == 200
                return False

            await until(ready)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
def port() -> int:
    return free_port()


def lines(service: Running) -> dict[str, str]:
    return token(service.config, "evidence:write") | {"Content-Type": "application/x-ndjson"}


async def test_a_killed_process_has_kept_all_it_acknowledged(service: Running, port: int) -> None:
    await service.publish_framework("math", "1")
    acknowledged: list[str] = []

    async def send(client: httpx.AsyncClient, number: int) -> None:
        for batch in range(1000):
            ids = [f"s{number}-{batch}-{n}" for n in range(20)]
            answer = await client.post("/v1/evidence", content=encoded(*map(item, ids)))
            assert answer.status_code == 200
            acknowledged.extend(ids)

    async def enough() -> bool:
        return len(acknowledged) > 100

    async with (
        started(service, port) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=lines(service)) as client,
    ):
        senders = [asyncio.create_task(send(client, number)) for number in range(4)]
        await asyncio.sleep(1.0)
        await until(enough)
        process.kill()
        await asyncio.gather(*senders, return_exceptions=True)

    stored = [event["data"]["id"] for event in await service.feed()]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))


async def test_told_to_stop_it_stops_in_order(service: Running, port: int) -> None:
    async with started(service, port) as process:
        process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 15) in (0, -signal.SIGTERM)


async def test_lost_database_connections_lose_and_repeat_nothing(service: Running, port: int) -> None:
    await service.publish_framework("math", "1")
    answers: list[int] = []
    sent: list[str] = []
    cutting = True

    async def send(client: httpx.AsyncClient, number: int) -> None:
        batch = 0
        while cutting:
            ids = [f"c{number}-{batch}-{n}" for n in range(20)]
            status = 0
            while status != 200:
                answer = await client.post("/v1/evidence", content=encoded(*map(item, ids)))
                status = answer.status_code
                answers.append(status)
                assert status == 200 or (status == 503 and answer.headers["Retry-After"]), answer.text
                await asyncio.sleep(0.02)
            assert {one["status"] for one in answer.json()["items"]} <= {"accepted", "duplicate"}
            sent.extend(ids)
            batch += 1

    async def cut() -> None:
        nonlocal cutting
        for _ in range(50):
            await service.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'attain' and random() < 0.5"
            )
            await asyncio.sleep(0.03)
        cutting = False

    async with (
        started(service, port) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=lines(service), timeout=20) as client,
    ):
        await asyncio.gather(cut(), *(send(client, number) for number in range(4)))
        assert process.returncode is None

    stored = [event["data"]["id"] for event in await service.feed() if event["data"]["id"].startswith("c")]
    assert set(answers) == {200, 503}
    assert sorted(stored) == sorted(sent)


async def test_without_kafka_evidence_is_still_taken_in(service: Running, port: int) -> None:
    await service.publish_framework("math", "1")
    async with (
        started(service, port, ATTAIN_KAFKA=f"127.0.0.1:{free_port()}"),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=lines(service)) as client,
    ):
        answer = await client.post("/v1/evidence", content=encoded(item("dark")))

    assert answer.json()["items"][0]["status"] == "accepted"
