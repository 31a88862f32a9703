"""Composes the reporting service and runs it: `python -m services.reporting.app`."""

import contextlib
import functools
from typing import NamedTuple

from fastapi import FastAPI
from fastapi.datastructures import State
from faststream.kafka import KafkaBroker

from services.reporting.entrypoints import ROUTERS
from services.reporting.entrypoints.consuming import Consumers
from services.reporting.entrypoints.page_answers import not_there, refused
from services.reporting.handlers.access import AccessLog
from services.reporting.handlers.analyses import Analyses
from services.reporting.handlers.answering import Answering
from services.reporting.handlers.auditing import AuditReader
from services.reporting.handlers.capturing import Capturing
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.correcting import Correcting
from services.reporting.handlers.credentials import CredentialReader
from services.reporting.handlers.curricula import Curricula
from services.reporting.handlers.deciding import Deciding
from services.reporting.handlers.digests import DigestReader
from services.reporting.handlers.disclosures import DisclosureReader
from services.reporting.handlers.district_numbers import DistrictNumbers
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.exporting import Exporter
from services.reporting.handlers.finding import Finder
from services.reporting.handlers.groups import Groups
from services.reporting.handlers.lag import blocked_learners, reporting_lag
from services.reporting.handlers.landing import Landing
from services.reporting.handlers.learner_pages import LearnerPages
from services.reporting.handlers.lti import Platforms
from services.reporting.handlers.oidc import Provider
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.handlers.pages import Pages
from services.reporting.handlers.people import People
from services.reporting.handlers.place_pages import PlacePages
from services.reporting.handlers.plans import PlanReader
from services.reporting.handlers.positions import Positions
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.handlers.reconciling import ShownCheck
from services.reporting.handlers.review_requests import ReviewRequests
from services.reporting.handlers.sessions import Sessions
from services.reporting.handlers.signing_off import SigningOff
from services.reporting.handlers.terms import TermReader
from services.reporting.handlers.told_ahead import ToldAhead
from services.reporting.handlers.watching import Watcher
from services.reporting.tables import rights
from services.reporting.tables.at_once import AtOnce
from services.reporting.tables.read_models import INPUT_LOGS
from shared.asyncapi import asyncapi_router
from shared.calendars import Calendars
from shared.database import Database
from shared.errors import AttainError
from shared.feed import FeedClient
from shared.operations import operations_router
from shared.peer import Peer
from shared.readiness import KafkaWatch, readiness
from shared.reconciliation import Reconciler, reconciliation_router
from shared.retention import Retention, expiries_router
from shared.service import Tasks, keep_consuming, make_service, serve
from shared.settings import Settings
from shared.starting import check_schema, settings_of
from shared.streams import Streams
from shared.tenant_limits import TenantLimits, limit_tenants
from shared.transport import make_broker

EXPIRIES = {"accesses_kept_days": {"accesses": rights.expire_accesses}}
"""What is removed by which limit of a tenant."""
DESCRIPTION = "Learner records, class and district views: how it looks."


class Opened(NamedTuple):
    """What is open while the service runs: its database, the other services that it follows and asks, who signs people in."""

    database: Database
    feeds: dict[str, FeedClient]
    evidence: Peer
    progression: Peer
    provider: Provider
    platforms: Platforms
    calendars: Calendars


class Consuming(NamedTuple):
    """The broker, what is fed from it, and what builds another version of a read model from the feeds."""

    broker: KafkaBroker
    consumers: Consumers
    rebuilder: Rebuilder


class Upkeep(NamedTuple):
    """What watches over the service and tidies it."""

    kafka: KafkaWatch
    limits: TenantLimits
    reconciler: Reconciler
    retention: Retention
    ahead: ToldAhead
    calendars: Calendars


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    opened = await _open(config, stack)
    limits = await limit_tenants(app, opened.database, config, "small_number", "accesses_kept_days")
    numbers = _make_handlers(app.state, opened, limits, config)
    consuming = await _make_consumers(opened, config)
    app.state.rebuilder = consuming.rebuilder
    upkeep = _make_upkeep(opened, limits, numbers, config)
    tasks = Tasks()
    _add_routes(app)
    _add_operations(app, opened, consuming, upkeep, tasks, config)
    _start_loops(tasks, consuming, upkeep)
    for stop in (consuming.rebuilder.stop, tasks.stop, consuming.consumers.stop, consuming.broker.stop):
        stack.push_async_callback(stop)


async def _open(config: Settings, stack: contextlib.AsyncExitStack) -> Opened:
    database = await Database.connect(config.reporting_database)
    stack.push_async_callback(database.close)
    evidence, progression = FeedClient(config.evidence_url, config), FeedClient(config.progression_url, config)
    feeds = {model: evidence if log == "roster" else progression for model, log in INPUT_LOGS.items()}
    in_evidence, in_progression = Peer(config.evidence_url, config), Peer(config.progression_url, config)
    provider, platforms = Provider(config), Platforms(config)
    for each in (evidence, progression, in_evidence, in_progression, provider, platforms):
        stack.push_async_callback(each.close)
    return Opened(database, feeds, in_evidence, in_progression, provider, platforms, Calendars(in_progression))


def _make_handlers(state: State, opened: Opened, limits: TenantLimits, config: Settings) -> DistrictNumbers:
    """Put into the application's state what its routes ask by name, see `entrypoints.asking.part`; return what is told daily."""
    database, evidence, progression = opened.database, opened.evidence, opened.progression
    in_evidence, in_progression = OnBehalf(evidence, config), OnBehalf(progression, config)
    at_once, curricula, looks, people = AtOnce(database), Curricula(), AccessLog(database), People(evidence)
    state.calendars = calendars = opened.calendars
    numbers = DistrictNumbers(database, calendars, limits, config)
    state.settings = config
    state.provider, state.platforms, state.sessions = opened.provider, opened.platforms, Sessions(database, config)
    state.landing = Landing(database, in_evidence)
    state.reader = Reader(database, config, at_once, curricula, calendars, looks)
    state.audit = AuditReader(database, config)
    state.positions = Positions(database, config, opened.feeds["mastery"])
    state.classes = ClassReader(database, at_once, curricula, looks)
    state.terms = TermReader(database, config, curricula, looks)
    state.queues = QueueReader(database, config, looks)
    state.digests = DigestReader(database, records=state.reader, queues=state.queues, people=people)
    state.review_requests = ReviewRequests(database, config, looks)
    state.districts = DistrictReader(database, numbers, config)
    state.analyses = Analyses(database, numbers, state.districts, Groups(evidence, config), calendars, config, looks)
    state.credentials = CredentialReader(database, config, people, looks)
    state.disclosures = DisclosureReader(database, progression)
    state.plans = PlanReader(database, progression, looks)
    state.finder = Finder(evidence, looks)
    state.exporter = Exporter(database, config, evidence, looks)
    state.watcher, state.streams = Watcher(database, state.districts), Streams(config.streams_max)
    state.pages = Pages(
        database, classes=state.classes, queues=state.queues, districts=state.districts, terms=state.terms, people=people,
        finder=state.finder, progression=progression, limits=limits,
    )  # fmt: skip
    state.learner_pages = LearnerPages(
        database, records=state.reader, queues=state.queues, terms=state.terms, requests=state.review_requests, people=people,
        progression=progression, disclosures=state.disclosures, plans=state.plans, log=looks,
    )  # fmt: skip
    state.place_pages = PlacePages(
        database, districts=state.districts, analyses=state.analyses, queues=state.queues, terms=state.terms, people=people,
        in_evidence=in_evidence,
    )  # fmt: skip
    state.capturing = Capturing(
        database, evidence=evidence, progression=progression, in_evidence=in_evidence, people=people, log=looks
    )
    state.correcting = Correcting(
        database, evidence=evidence, progression=progression, in_evidence=in_evidence, people=people, log=looks
    )
    state.signing_off = SigningOff(database, config, in_progression=in_progression, people=people, log=looks)
    state.deciding = Deciding(database, in_progression=in_progression, log=looks)
    state.answering = Answering(database, in_progression=in_progression, log=looks)
    return numbers


async def _make_consumers(opened: Opened, config: Settings) -> Consuming:
    broker, consumers = make_broker(config), Consumers(opened.database, opened.feeds, config)
    await consumers.prepare(broker)
    return Consuming(broker, consumers, Rebuilder(opened.database, opened.feeds, config))


def _make_upkeep(opened: Opened, limits: TenantLimits, numbers: DistrictNumbers, config: Settings) -> Upkeep:
    database = opened.database
    reconciler = Reconciler({"shown": ShownCheck(database, opened.feeds["mastery"]).shown}, config.reconcile_s)
    retention, ahead = Retention(database, limits, EXPIRIES), ToldAhead(database, numbers)
    return Upkeep(KafkaWatch(config), limits, reconciler, retention, ahead, opened.calendars)


def _add_routes(app: FastAPI) -> None:
    for router in ROUTERS:
        app.include_router(router)


def _add_operations(
    app: FastAPI, opened: Opened, consuming: Consuming, upkeep: Upkeep, tasks: Tasks, config: Settings
) -> None:
    database = opened.database
    ready = functools.partial(readiness, "reporting", database, upkeep.kafka)
    lag = functools.partial(reporting_lag, database, opened.feeds)
    for router in (
        operations_router(
            ready=ready, stuck=tasks.stuck, lag=lag, blocked=functools.partial(blocked_learners, database)
        ),
        reconciliation_router(upkeep.reconciler, database, []),
        expiries_router(database),
        asyncapi_router("reporting", consuming.broker, [], config.topic_suffix),
    ):
        app.include_router(router)


def _start_loops(tasks: Tasks, consuming: Consuming, upkeep: Upkeep) -> None:
    broker, consumers, rebuilder = consuming
    kafka, limits, reconciler, retention, ahead, calendars = upkeep
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("reconciliation", reconciler.run(), [reconciler.pulse]),
        ("limits", limits.run(), [limits.pulse]),
        ("broker", keep_consuming(broker), [consumer.polling for consumer in consumers.running]),
        ("follow versions", consumers.follow(), [consumers.following]),
        ("renewal", rebuilder.renew(), [rebuilder.renewing]),
        *((f"tick {consumer.model}", consumer.tick(), consumer.pulses) for consumer in consumers.running),
        ("retention", retention.run(), [retention.pulse]),
        ("told ahead", ahead.run(), [ahead.pulse]),
        ("calendars", calendars.run(), [calendars.pulse]),
    ):
        tasks.start(name, work, *pulses)


def create_app(config: Settings) -> FastAPI:
    """Return the application; its lifespan connects to PostgreSQL and Kafka."""
    app = make_service("reporting", DESCRIPTION, config, _compose)
    app.add_exception_handler(404, not_there)
    app.add_exception_handler(AttainError, refused)
    return app


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config = settings_of("reporting")
    check_schema("reporting", config)
    serve(create_app(config), config)


if __name__ == "__main__":
    main()
