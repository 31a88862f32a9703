"""Composes the reporting service and runs it: `python -m services.reporting.app`."""

import contextlib
import functools

from fastapi import FastAPI

from services.reporting.entrypoints import ROUTERS
from services.reporting.entrypoints.consuming import Consumers
from services.reporting.handlers.access import AccessLog
from services.reporting.handlers.answering import Answering
from services.reporting.handlers.capturing import Capturing
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.correcting import Correcting
from services.reporting.handlers.credentials import CredentialReader
from services.reporting.handlers.curricula import Curricula
from services.reporting.handlers.deciding import Deciding
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.exporting import Exporter
from services.reporting.handlers.groups import Groups
from services.reporting.handlers.lag import reporting_lag
from services.reporting.handlers.oidc import Provider
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.handlers.pages import Pages
from services.reporting.handlers.people import People
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.handlers.reconciling import ShownCheck
from services.reporting.handlers.review_requests import ReviewRequests
from services.reporting.handlers.sessions import Sessions
from services.reporting.handlers.signing_off import SigningOff
from services.reporting.handlers.terms import TermReader
from services.reporting.handlers.watching import Watcher
from services.reporting.tables import rights
from services.reporting.tables.at_once import AtOnce
from services.reporting.tables.read_models import INPUT_LOGS
from shared.asyncapi import asyncapi_router
from shared.calendars import Calendars
from shared.database import Database
from shared.feed import FeedClient
from shared.operations import operations_router
from shared.peer import Peer
from shared.readiness import KafkaWatch, readiness
from shared.reconciliation import Reconciler, reconciliation_router
from shared.retention import Retention, expiries_router
from shared.service import Tasks, keep_consuming, make_service, serve
from shared.settings import Settings
from shared.starting import check_schema, settings_of
from shared.tenant_limits import TenantLimits, limit_tenants
from shared.transport import make_broker

EXPIRIES = {"accesses_kept_days": {"accesses": rights.expire_accesses}}
"""What is removed by which limit of a tenant."""
DESCRIPTION = "Learner records, class and district views: how it looks."


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    database = await Database.connect(config.reporting_database)
    stack.push_async_callback(database.close)
    evidence, progression = FeedClient(config.evidence_url, config), FeedClient(config.progression_url, config)
    feeds = {model: evidence if log == "roster" else progression for model, log in INPUT_LOGS.items()}
    provider, rebuilder = Provider(config), Rebuilder(database, feeds, config)
    in_evidence, in_progression = Peer(config.evidence_url, config), Peer(config.progression_url, config)
    for close in (evidence.close, progression.close, in_evidence.close, in_progression.close, provider.close):
        stack.push_async_callback(close)
    broker, consumers, tasks = make_broker(config), Consumers(database, feeds, config), Tasks()
    await consumers.prepare(broker)
    kafka = KafkaWatch(config)
    ready = functools.partial(readiness, database, kafka)
    reconciler = Reconciler({"shown": ShownCheck(database, progression).shown}, config.reconcile_s)
    lag = functools.partial(reporting_lag, database, feeds)
    for router in (
        *ROUTERS,
        operations_router(ready=ready, stuck=tasks.stuck, lag=lag),
        reconciliation_router(reconciler, database, []),
        expiries_router(database),
        asyncapi_router("reporting", broker, [], config.topic_suffix),
    ):
        app.include_router(router)
    limits = limit_tenants(app, database, config, "small_number", "accesses_kept_days")
    retention = Retention(database, limits, EXPIRIES)
    app.state.settings, app.state.evidence = config, in_evidence
    app.state.provider, app.state.sessions, app.state.rebuilder = provider, Sessions(database, config), rebuilder
    _lend(app, database, config, in_evidence, in_progression, limits)
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("reconciliation", reconciler.run(), [reconciler.pulse]), ("limits", limits.run(), [limits.pulse]),
        ("broker", keep_consuming(broker), [consumer.polling for consumer in consumers.running]),
        ("follow versions", consumers.follow(), [consumers.following]),
        *((f"tick {consumer.model}", consumer.tick(), consumer.pulses) for consumer in consumers.running),
        ("retention", retention.run(), [retention.pulse]),
    ):  # fmt: skip
        tasks.start(name, work, *pulses)
    for stop in (rebuilder.stop, tasks.stop, consumers.stop, broker.stop):
        stack.push_async_callback(stop)


def _lend(
    app: FastAPI, database: Database, config: Settings, evidence: Peer, progression: Peer, limits: TenantLimits
) -> None:
    """Put into the application's state what its routes ask by name; see `entrypoints.asking.part`."""
    state, at_once, curricula, looks, people = (
        app.state,
        AtOnce(database),
        Curricula(),
        AccessLog(database),
        People(evidence),
    )
    in_evidence, in_progression = OnBehalf(evidence, config), OnBehalf(progression, config)
    calendars = Calendars(progression)
    state.reader = Reader(database, config, at_once, curricula, calendars, looks)
    state.classes = ClassReader(database, at_once, curricula, looks)
    state.terms = TermReader(database, config, curricula, looks)
    state.queues = QueueReader(database, config, looks)
    state.review_requests = ReviewRequests(database, config, looks)
    state.districts = DistrictReader(database, Groups(evidence, config), calendars, limits, config, looks)
    state.credentials = CredentialReader(database, config, people, looks)
    state.exporter = Exporter(database, config, evidence, looks)
    state.watcher = Watcher(database, state.districts)
    state.in_evidence = in_evidence
    state.pages = Pages(
        database, records=state.reader, classes=state.classes, queues=state.queues, districts=state.districts,
        terms=state.terms, requests=state.review_requests, people=people, evidence=evidence, progression=progression,
        in_evidence=in_evidence, limits=limits, log=looks,
    )  # fmt: skip
    state.capturing = Capturing(
        database, evidence=evidence, progression=progression, in_evidence=in_evidence, people=people, log=looks
    )
    state.signing_off = SigningOff(database, config, in_progression=in_progression, people=people, log=looks)
    state.deciding = Deciding(database, in_progression=in_progression, log=looks)
    state.answering = Answering(database, in_progression=in_progression, log=looks)
    state.correcting = Correcting(
        database, evidence=evidence, progression=progression, in_evidence=in_evidence, people=people, log=looks
    )


def create_app(config: Settings) -> FastAPI:
    """Return the application; its lifespan connects to PostgreSQL and Kafka."""
    return make_service("reporting", DESCRIPTION, config, _compose)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config = settings_of("reporting")
    check_schema("reporting", config)
    serve(create_app(config), config)


if __name__ == "__main__":
    main()
