"""Reporting in a test: real databases, real topics, producers of its logs, and the service itself."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import uvicorn
from aiokafka.admin import AIOKafkaAdminClient
from fastapi import FastAPI, Request

from services.reporting.app import create_app
from shared.auth import Authenticator
from shared.database import Connection, Database
from shared.errors import NotFound
from shared.feed_routes import feed_router
from shared.settings import Settings
from shared.tenancy import current_tenant
from shared.topics import TOPICS, create
from shared.web import make_app
from tests.reporting.builders import Event, authorization
from tests.support.described import Described, hold
from tests.support.producer import Producer, free_port, running_producer
from tests.support.servers import migrated_database, new_database

WAIT_S = 20.0
LOGS = ("progression", "curriculum", "roster", "advancement", "support")


@contextlib.asynccontextmanager
async def new_schema(server: str, name: str) -> AsyncIterator[str]:
    """Create a database with the schema of reporting."""
    async with migrated_database(server, name, "reporting") as url:
        yield url


class Running:
    """The running service, and the producers it follows."""

    def __init__(self, config: Settings, app: FastAPI, producer: Producer) -> None:
        self.config = config
        self.app = app
        self.producer = producer
        self.last: dict[int, int] = {}
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{config.port}", timeout=WAIT_S + 10,
            event_hooks={"response": [functools.partial(hold, Described(app.openapi()))]},
        )  # fmt: skip

    @property
    def database(self) -> Database:
        """The pool of the service."""
        database: Database = self.app.state.reader._database
        return database

    async def get(self, path: str, scope: str = "records:read", **rest: Any) -> httpx.Response:
        """Ask with a token of the scope; `headers` and `parameters` are passed on."""
        headers = rest.pop("headers", {})
        parameters = rest.pop("parameters", None)
        token = authorization(self.config, scope, **rest)
        return await self.client.get(path, params=parameters, headers=token | headers)

    async def post(self, path: str, scope: str = "service", **parameters: Any) -> httpx.Response:
        """Post with a token of the scope."""
        return await self.client.post(path, params=parameters, headers=authorization(self.config, scope))

    async def send(self, path: str, body: object, scope: str, *, key: str = "", **claims: Any) -> httpx.Response:
        """Post a body with a token of the scope; under a key where one is given."""
        named = {"Idempotency-Key": key} if key else {}
        return await self.client.post(path, json=body, headers=named | authorization(self.config, scope, **claims))

    async def tell(self, log: str, *events: Event, tenant: str = "demo") -> list[str]:
        """Let a producer append events, and return the position token of each."""
        places = await self.producer.append(log, tenant, events)
        return [f"{log}.1.{shard}.{pos}" for shard, pos in places]

    async def told(self, log: str, *events: Event, tenant: str = "demo") -> None:
        """Let a producer append events, and wait until they are folded."""
        ends = {token.rsplit(".", 1)[0]: token for token in await self.tell(log, *events, tenant=tenant)}
        for token in ends.values():
            answer = await self.get("/v1/classes", parameters={"wait": token})
            assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Collect the statements that are sent on connections which are lent by a database meanwhile, to requests alone."""
    told: list[str] = []
    lend = database.connection

    def note(statement: Any) -> None:
        told.append(statement.query)

    @contextlib.asynccontextmanager
    async def lend_and_listen() -> AsyncIterator[Connection]:
        async with lend() as connection:
            if current_tenant() is None:
                yield connection
                return
            connection.add_query_logger(note)
            try:
                yield connection
            finally:
                connection.remove_query_logger(note)

    database.connection = lend_and_listen  # type: ignore[method-assign]
    try:
        yield told
    finally:
        del database.connection


@contextlib.asynccontextmanager
async def served(app: FastAPI, port: int, *, lifespan: str = "off") -> AsyncIterator[None]:
    """Serve an application on a port."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan=lifespan))  # type: ignore[arg-type]
    task = asyncio.create_task(server._serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def evidence_app(producer: Producer, people: Sequence[dict[str, str]]) -> FastAPI:
    """Return what reporting asks of evidence: the feed of the roster, and learners by name."""
    app = make_app("evidence", "", Authenticator(producer.settings), None)
    app.include_router(feed_router(producer.database, list(producer.logs.values()), producer.settings))

    @app.get("/v1/learners")
    async def learners(request: Request, q: str = "", source: str = "", source_id: str = "") -> Any:
        Authenticator(producer.settings).identify(request.headers.get("authorization")).require("records:read")
        if not source:
            return [person for person in people if person["name"].startswith(q)]
        for person in people:
            if (person["source"], person["source_id"]) == (source, source_id):
                return {"learner": person["learner"]}
        raise NotFound("no such learner")

    @app.get("/v1/roster/groups")
    async def groups(request: Request, tenant: str, after: str = "", limit: int = 1000) -> dict[str, object]:
        Authenticator(producer.settings).identify(request.headers.get("authorization")).require("service")
        of_tenant = [item for item in producer.groups if item.get("tenant", "demo") == tenant]
        items = [item for item in of_tenant if item["learner"] > after]
        return {"items": items, "next": items[-1]["learner"] if items else after}

    @app.get("/v1/sources/completeness")
    async def sources(request: Request) -> dict[str, Any]:
        caller = Authenticator(producer.settings).identify(request.headers.get("authorization"))
        caller.require("records:read")
        sent = {"accepted": 412, "duplicate": 20, "parked": 3, "rejected": 1}
        source = {"source": f"lms of {caller.subject}", "last_evidence": "2026-03-06", "usual_gap": 1.0, "sent": sent,
                  "silent_since": "2026-03-06", "waiting": {"parked": 3, "quarantined": 1, "unaligned": 2}}  # fmt: skip
        return {"days": 28, "items": [source], "next": None}

    @app.post("/v1/names")
    async def names(request: Request) -> dict[str, str]:
        Authenticator(producer.settings).identify(request.headers.get("authorization")).require("service")
        asked = (await request.json())["learners"]
        return {learner: f"Name of {learner[:4]}" for learner in asked}

    @app.post("/v1/learners/references")
    async def references(request: Request) -> dict[str, list[str]]:
        Authenticator(producer.settings).identify(request.headers.get("authorization")).require("service")
        asked = await request.json()
        known = producer.references.get(asked["source"], {}) if asked["tenant"] == "demo" else {}
        return {learner: ids for learner, ids in known.items() if learner in asked["learners"]}

    @app.post("/v1/learners/references/former")
    async def former(request: Request) -> dict[str, list[dict[str, Any]]]:
        Authenticator(producer.settings).identify(request.headers.get("authorization")).require("service")
        asked = await request.json()
        known = producer.former.get(asked["source"], {})
        return {learner: ids for learner, ids in known.items() if learner in asked["learners"]}

    return app


@contextlib.asynccontextmanager
async def running_reporting(server: str, name: str, config: Settings) -> AsyncIterator[Running]:
    """Run reporting with producers of its logs."""
    people = [{"learner": "ada", "name": "Ada L.", "source": "sis", "source_id": "17"}, *(
        {"learner": f"bo{n}", "name": f"Bo {n}", "source": "sis", "source_id": str(n)} for n in (1, 2)
    )]  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(new_schema(server, name))
        logs_database = await stack.enter_async_context(new_database(server, f"{name}_logs"))
        config = config.model_copy(update={"reporting_database": database})
        await create(config)
        stack.push_async_callback(delete_topics, config)
        producer = await stack.enter_async_context(running_producer(logs_database, LOGS, config))
        evidence_port = free_port()
        await stack.enter_async_context(served(evidence_app(producer, people), evidence_port))
        config = config.model_copy(
            update={"progression_url": producer.url, "evidence_url": f"http://127.0.0.1:{evidence_port}"}
        )
        app = create_app(config)
        await stack.enter_async_context(served(app, config.port, lifespan="on"))
        running = Running(config, app, producer)
        stack.push_async_callback(running.client.aclose)
        yield running


async def delete_topics(config: Settings) -> None:
    """Delete the topics of this installation."""
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka)
    await admin.start()
    await admin.delete_topics([topic.name(config.topic_suffix) for topic in TOPICS])
    await admin.close()


async def until_changed(stream: httpx.Response, lines: list[str]) -> None:
    """Take the lines of a page's live stream, up to one that says that something has changed."""
    async for line in stream.aiter_lines():
        lines.append(line)
        if line.startswith("event: changed"):
            return
