"""Starting and stopping the service in a test, and talking to it as its callers do."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import httpx
import msgspec
import uvicorn
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.evidence.app import create_app
from shared.contracts.internal_events import FRAMEWORK_PUBLISHED, Competency, FrameworkPublished
from shared.settings import Settings
from shared.topics import SUBMITTED, create
from tests.evidence.builders import encoded, token
from tests.support.described import hold_as_published
from tests.support.producer import Producer, free_port
from tests.support.waiting import until

WAIT_S = 20.0


class Running:
    """A running service, seen from outside."""

    curriculum: Producer

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.url = f"http://127.0.0.1:{config.port}"
        self._clients: list[httpx.AsyncClient] = []

    def client(
        self, scope: str = "evidence:write records:read admin service", tenant: str = "demo", **claims: str
    ) -> httpx.AsyncClient:
        """Return a client with a token."""
        made = httpx.AsyncClient(
            base_url=self.url, headers=token(self.config, scope, tenant, **claims), timeout=30,
            event_hooks={"response": [hold_as_published]},
        )  # fmt: skip
        self._clients.append(made)
        return made

    async def submit(self, *items: dict[str, Any], tenant: str = "demo", **claims: str) -> list[dict[str, Any]]:
        """Send a gzipped NDJSON batch and return the item results."""
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        answer = await self.client(tenant=tenant, **claims).post(
            "/v1/evidence", content=gzip.compress(encoded(*items)), headers=headers
        )
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["items"]
        return results

    async def produce(self, *records: tuple[bytes, Sequence[tuple[str, bytes | None]]]) -> None:
        """Send (value, headers) to the topic of submitted evidence."""
        producer = AIOKafkaProducer(bootstrap_servers=self.config.kafka)
        await producer.start()
        for value, headers in records:
            await producer.send(SUBMITTED.name(self.config.topic_suffix), value, headers=headers)
        await producer.stop()

    async def publish_framework(
        self, framework: str, *codes: str, tenant: str = "demo", version: str = "v1", retired: tuple[str, ...] = ()
    ) -> None:
        """Publish a framework version as progression does, and wait until this service has it."""
        competencies = tuple(Competency(code, code, place) for place, code in enumerate(codes))
        part = FrameworkPublished(framework, version, framework, 1, 1, competencies, (), retired)
        await self.curriculum.append("curriculum", tenant, [(FRAMEWORK_PUBLISHED, framework, part)])

        async def has_it() -> bool:
            rows = await self.rows(
                "select count(*) filter (where version = $3 and not retired) n,"
                " count(*) filter (where version <> $3 and not retired) old from competency"
                " where tenant = $1 and competency like $2",
                tenant, f"{framework}:%", version,
            )  # fmt: skip
            return (rows[0]["n"], rows[0]["old"]) == (len(codes), 0)

        await until(has_it)

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the service's database."""
        connection = await asyncpg.connect(self.config.evidence_database)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def feed(self, log: str = "evidence") -> list[dict[str, Any]]:
        """Return all events of a log, shard by shard, page by page."""
        events: list[dict[str, Any]] = []
        client = self.client()
        for shard in range(self.config.shards):
            after = 0
            while page := await self._page(client, log, shard, after):
                events += page
                after += len(page)
        return events

    async def _page(self, client: httpx.AsyncClient, log: str, shard: int, after: int) -> list[dict[str, Any]]:
        """Return a page of a feed; positions are dense, so the next one begins so many further."""
        answer = await client.get("/v1/feed", params={"log": log, "shard": shard, "after": after, "limit": 10_000})
        assert answer.status_code == 200
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            await client.aclose()


@contextlib.asynccontextmanager
async def running_service(config: Settings, *, install: bool = True) -> AsyncIterator[Running]:
    """Run a service in this process, on topics that it makes unless another replica did, and on a database with its schema."""
    created = await create(config) if install else []
    server = uvicorn.Server(uvicorn.Config(create_app(config), port=config.port, log_config=None))
    task = asyncio.create_task(server._serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    running = Running(config)
    try:
        yield running
    finally:
        await running.close()
        server.should_exit = True
        await task
        await _delete_topics(config, created)


async def _delete_topics(config: Settings, names: list[str]) -> None:
    if names:
        admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka)
        await admin.start()
        await admin.delete_topics(names)
        await admin.close()


@contextlib.asynccontextmanager
async def second_replica(first: Running) -> AsyncIterator[Running]:
    """Run another replica on the same database and topics."""
    config = first.config.model_copy(update={"port": free_port()})
    async with running_service(config, install=False) as running:
        yield running
