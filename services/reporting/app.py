"""The reporting service: `python -m services.reporting.app`."""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI

from services.reporting import entrypoints
from services.reporting.entrypoints import PEOPLE_TIMEOUT_S, ModelConsumer
from services.reporting.handlers.access import AccessLog
from services.reporting.handlers.answering import Answering
from services.reporting.handlers.capturing import Capturing
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.correcting import Correcting
from services.reporting.handlers.credentials import CredentialReader
from services.reporting.handlers.curricula import Curricula
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.exporting import Exporter
from services.reporting.handlers.groups import Groups
from services.reporting.handlers.oidc import Provider
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.handlers.pages import Pages
from services.reporting.handlers.people import People
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.handlers.reconciling import ShownCheck
from services.reporting.handlers.sessions import Sessions
from services.reporting.handlers.signing_off import SigningOff
from services.reporting.handlers.terms import TermReader
from services.reporting.handlers.watching import Watcher
from services.reporting.tables.at_once import AtOnce
from services.reporting.tables.reads import live_versions, snapshot
from services.reporting.tables.schema import INPUT_LOGS
from shared.asyncapi import asyncapi_router
from shared.auth import Authenticator
from shared.calendars import Calendars
from shared.database import Database
from shared.errors import Unavailable
from shared.feed import FeedClient
from shared.peer import Peer
from shared.reconciliation import Reconciler, reconciliation_router
from shared.service import Tasks, keep_consuming, serve
from shared.settings import Settings
from shared.starting import check_schema, settings_of
from shared.tenant_limits import limit_tenants
from shared.transport import make_broker
from shared.web import make_app, operations_router

log = logging.getLogger(__name__)
STAGES = {
    "mastery": "reporting", "curriculum": "reporting-curriculum", "roster": "reporting-roster",
    "advancement": "reporting-advancement", "support": "reporting-support",
}  # fmt: skip
FOLLOW_S = 1.0
"""How often a process looks whether another version of a read model is live."""


def main() -> None:
    """Serve until SIGTERM; a background task that dies ends the process."""
    config = settings_of("reporting")
    check_schema("reporting", config)
    serve(Service(config).app, config)


class Service:
    """What runs in a process of reporting, and the application in front of it."""

    def __init__(self, config: Settings) -> None:
        self.settings = config
        self.consumers: list[ModelConsumer] = []
        self._feeds: dict[str, FeedClient] = {}
        self._database: Database | None = None
        self._tasks = Tasks()
        self.app = make_app(
            "reporting",
            "Learner records, class and district views: how it looks.",
            Authenticator(config),
            self._lifespan,
        )
        for router in entrypoints.ROUTERS:
            self.app.include_router(router)
        self.app.include_router(operations_router(ready=self._ready, alive=self._alive, lag=self._lag))

    @property
    def database(self) -> Database:
        """The pool; raises `Unavailable` before the start."""
        if self._database is None:
            raise Unavailable("the service is starting")
        return self._database

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        config = self.settings
        async with contextlib.AsyncExitStack() as stack:
            self._database = await Database.connect(config.reporting_database)
            stack.push_async_callback(self._database.close)
            progression = FeedClient(config.progression_url, config)
            evidence = FeedClient(config.evidence_url, config)
            stack.push_async_callback(progression.close)
            stack.push_async_callback(evidence.close)
            self._feeds = {model: evidence if log == "roster" else progression for model, log in INPUT_LOGS.items()}
            app.state.settings = config
            app.state.evidence = await stack.enter_async_context(
                httpx.AsyncClient(base_url=config.evidence_url, timeout=PEOPLE_TIMEOUT_S)
            )
            evidence_peer, progression_peer = (
                Peer(url, config, timeout_s=PEOPLE_TIMEOUT_S) for url in (config.evidence_url, config.progression_url)
            )
            stack.push_async_callback(evidence_peer.close)
            stack.push_async_callback(progression_peer.close)
            limits = limit_tenants(app, self._database, config, "small_number")
            looks, curricula, people = AccessLog(self._database), Curricula(), People(evidence_peer)
            at_once = AtOnce(self._database)
            app.state.reader = Reader(self._database, config, at_once, curricula, looks)
            app.state.classes = ClassReader(self._database, at_once, curricula, looks)
            app.state.terms = TermReader(self._database, config, curricula, looks)
            app.state.queues = QueueReader(self._database, config, looks)
            app.state.districts = DistrictReader(
                self._database, Groups(evidence_peer, config), Calendars(progression_peer), limits, config
            )
            app.state.credentials = CredentialReader(self._database, config, people, looks)
            app.state.exporter = Exporter(self._database, config, evidence_peer, looks)
            app.state.watcher = Watcher(self._database, app.state.districts)
            in_evidence, in_progression = OnBehalf(evidence_peer, config), OnBehalf(progression_peer, config)
            app.state.pages = Pages(
                self._database, records=app.state.reader, classes=app.state.classes, queues=app.state.queues,
                districts=app.state.districts, terms=app.state.terms, people=people, evidence=app.state.evidence,
                progression=progression_peer, in_evidence=in_evidence,
            )  # fmt: skip
            provider = Provider(config)
            stack.push_async_callback(provider.close)
            app.state.provider, app.state.sessions = provider, Sessions(self._database, config)
            app.state.in_evidence = in_evidence
            app.state.capturing = Capturing(
                self._database, evidence=evidence_peer, progression=progression_peer, in_evidence=in_evidence,
                people=people, log=looks,
            )  # fmt: skip
            app.state.signing_off = SigningOff(
                self._database, config, in_progression=in_progression, people=people, log=looks
            )
            app.state.answering = Answering(self._database, in_progression=in_progression, log=looks)
            app.state.correcting = Correcting(
                self._database, progression=progression_peer, in_evidence=in_evidence, people=people, log=looks
            )
            app.state.rebuilder = Rebuilder(self._database, self._feeds, config)
            stack.push_async_callback(app.state.rebuilder.stop)
            reconciler = Reconciler({"shown": ShownCheck(self._database, progression).shown}, config.reconcile_s)
            app.include_router(reconciliation_router(reconciler, self._database, []))
            self._tasks.start("reconciliation", reconciler.run())
            self._tasks.start("limits", limits.run())
            await stack.enter_async_context(self._consuming())
            yield

    @contextlib.asynccontextmanager
    async def _consuming(self) -> AsyncIterator[None]:
        async with self.database.connection() as connection:
            versions = await live_versions(connection)
        broker = make_broker(self.settings)
        self.consumers = [
            ModelConsumer(model, versions[model], self.database, self._feeds[model], self.settings)
            for model in INPUT_LOGS
        ]
        for consumer in self.consumers:
            await consumer.prepare()
            entrypoints.subscribe_model(broker, consumer, self.settings)
        self.app.include_router(asyncapi_router("reporting", broker, [], self.settings.topic_suffix))
        try:
            self._tasks.start("broker", keep_consuming(broker))
            for consumer in self.consumers:
                self._tasks.start(f"tick {consumer.model}", consumer.tick())
            self._tasks.start("follow versions", self._follow_versions())
            yield
        finally:
            await broker.stop()
            for consumer in self.consumers:
                await consumer.stop()
            await self._tasks.stop()

    async def _follow_versions(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                async with self.database.connection() as connection:
                    versions = await live_versions(connection)
            except Unavailable as error:
                log.warning("cannot see which versions are live: %s", error)
                continue
            for consumer in self.consumers:
                await consumer.follow(versions[consumer.model])

    async def _ready(self) -> bool:
        return bool(self.consumers) and await self.database.answers()

    def _alive(self) -> bool:
        return self._tasks.progress(self.consumers)

    async def _lag(self) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self._stage(model) for model in STAGES)))

    async def _stage(self, model: str) -> dict[str, Any]:
        """Return how far a read model is behind; the seconds are the age of the oldest event that waits."""
        feed, input_log = self._feeds[model], INPUT_LOGS[model]
        heads = await feed.heads(input_log)
        async with snapshot(self.database) as view:
            positions = await view.positions(model)
        behind = {s: head.pos - positions[s].pos for s, head in heads.items() if head.pos > positions[s].pos}
        waiting = await asyncio.gather(*(feed.read(input_log, s, positions[s].pos, 1) for s in behind))
        seconds = max((_age_s(events[0].time) for events in waiting if events), default=0.0)
        return {"name": STAGES[model], "behind_events": sum(behind.values()), "behind_seconds": round(seconds, 3)}


def _age_s(instant: str) -> float:
    if not instant:
        return 0.0
    then = datetime.datetime.fromisoformat(instant)
    return max(0.0, (datetime.datetime.now(datetime.UTC) - then).total_seconds())


if __name__ == "__main__":
    main()
