"""Composes progression and runs it: `python -m services.progression.app`."""

import contextlib
import functools
from typing import NamedTuple

from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from services.progression.entrypoints.adopting import adopting_router
from services.progression.entrypoints.analysing import analysing_router
from services.progression.entrypoints.audit import audit_router
from services.progression.entrypoints.correcting import correcting_router
from services.progression.entrypoints.deciding import deciding_router
from services.progression.entrypoints.disclosing import disclosing_router
from services.progression.entrypoints.explaining import explaining_router
from services.progression.entrypoints.feeds import feeds_router
from services.progression.entrypoints.frameworks import frameworks_router
from services.progression.entrypoints.in_force import in_force_router
from services.progression.entrypoints.mastery import mastery_router
from services.progression.entrypoints.operating import operating_router
from services.progression.entrypoints.planning import planning_router
from services.progression.entrypoints.policies import policies_router
from services.progression.entrypoints.settings import settings_router
from services.progression.entrypoints.shadowing import shadowing_router
from services.progression.entrypoints.supporting import supporting_router
from services.progression.entrypoints.terms import terms_router
from services.progression.entrypoints.webhooks import webhooks_router
from services.progression.handlers.adopting import Adoptions
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.dispatching import Dispatcher
from services.progression.handlers.ended_tenants import EndedTenants
from services.progression.handlers.fold import MasteryFold
from services.progression.handlers.judgements import Judgements
from services.progression.handlers.lag import blocked_learners, progression_lag
from services.progression.handlers.logs import DecisionInbox, Logs
from services.progression.handlers.posting import Poster
from services.progression.handlers.reconciling import FoldChecks, StateSamples
from services.progression.handlers.references import References
from services.progression.handlers.refolder import Refolder
from services.progression.handlers.shadowing import Shadows
from services.progression.handlers.webhooks import Webhooks
from services.progression.tables import webhooks as webhook_rows
from services.progression.tables.published import CONSUMER
from shared.asyncapi import asyncapi_router
from shared.clock import Clock
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.feed import FeedClient
from shared.feed_routes import feed_router
from shared.operations import operations_router
from shared.readiness import KafkaWatch, readiness
from shared.reconciliation import Reconciler, reconciliation_router
from shared.relay import Relay
from shared.retention import Retention, expiries_router
from shared.service import Tasks, keep_consuming, make_service, serve
from shared.settings import Settings
from shared.starting import check_schema, settings_of
from shared.tenant_limits import TenantLimits, limit_tenants
from shared.transport import Pace, make_broker, subscribe_consumer

EXPIRIES = {"deliveries_kept_days": {"deliveries": webhook_rows.expire_deliveries}}
"""What is removed by which limit of a tenant."""
DESCRIPTION = "What the evidence means: frameworks, policies, mastery and advancement."


class Opened(NamedTuple):
    """What is open while the service runs: its database, the logs in it and what sends them, its clock, other services."""

    database: Database
    logs: Logs
    relay: Relay
    clock: Clock
    feed: FeedClient
    references: References
    poster: Poster


class Handlers(NamedTuple):
    """What routes and loops hand their work to."""

    decisions: Decisions
    judgements: Judgements
    adoptions: Adoptions
    shadows: Shadows
    webhooks: Webhooks
    dispatcher: Dispatcher
    ended: EndedTenants


class Consuming(NamedTuple):
    """The broker, what is fed from it, and what refolds beside it."""

    broker: KafkaBroker
    consumer: ShardConsumer
    refolder: Refolder


class Upkeep(NamedTuple):
    """What watches over the service and tidies it."""

    kafka: KafkaWatch
    limits: TenantLimits
    checks: FoldChecks
    reconciler: Reconciler
    retention: Retention


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    opened = await _open(config, stack)
    limits = await limit_tenants(app, opened.database, config, "small_number", "deliveries_kept_days")
    handlers = _make_handlers(opened, limits, config)
    consuming = await _make_consumers(opened, config)
    upkeep = _make_upkeep(opened, limits, config)
    tasks = Tasks()
    _add_routes(app, opened, handlers, limits, config)
    _add_operations(app, opened, handlers.webhooks, consuming, upkeep, tasks, config)
    _start_loops(tasks, opened, handlers, consuming, upkeep)
    for stop in (consuming.consumer.stop, consuming.broker.stop, tasks.stop, consuming.refolder.stop):
        stack.push_async_callback(stop)


async def _open(config: Settings, stack: contextlib.AsyncExitStack) -> Opened:
    database = await Database.connect(config.progression_database)
    stack.push_async_callback(database.close)
    logs = Logs(config.shards)
    async with database.connection() as connection:
        for log in logs.all():
            await log.prepare(connection)
    feed, references, poster = FeedClient(config.evidence_url, config), References(config), Poster(config)
    for close in (feed.close, references.close, poster.close):
        stack.push_async_callback(close)
    relay, clock = Relay(database, logs.relayed(), config), Clock(database, config)
    return Opened(database, logs, relay, clock, feed, references, poster)


def _make_handlers(opened: Opened, limits: TenantLimits, config: Settings) -> Handlers:
    database, logs, references, poster = opened.database, opened.logs, opened.references, opened.poster
    decisions = Decisions(database, logs, config)
    return Handlers(
        decisions,
        Judgements(database, logs, config, opened.clock),
        Adoptions(database, logs, decisions, limits, config),
        Shadows(database, decisions, config),
        Webhooks(database, logs, poster, config),
        Dispatcher(database, references, poster, config),
        EndedTenants(database, config),
    )


async def _make_consumers(opened: Opened, config: Settings) -> Consuming:
    database, logs, broker = opened.database, opened.logs, make_broker(config)
    refolder = Refolder(config.progression_database)
    fold = MasteryFold(database, logs, config, opened.clock, opened.relay.hand_over, refolder)
    inbox = DecisionInbox(logs.decisions)
    consumer = ShardConsumer(CONSUMER, "evidence", database, fold, opened.feed, config, inbox)
    fold.sweeping.wake = consumer.wake
    await consumer.prepare()
    subscribe_consumer(broker, consumer, config, Pace(config.batch_gap_ms))
    return Consuming(broker, consumer, refolder)


def _make_upkeep(opened: Opened, limits: TenantLimits, config: Settings) -> Upkeep:
    database = opened.database
    checks = FoldChecks(database, opened.logs, opened.feed)
    reconciler = Reconciler({"folded": checks.folded, "sampled": StateSamples(database).sampled}, config.reconcile_s)
    return Upkeep(KafkaWatch(config), limits, checks, reconciler, Retention(database, limits, EXPIRIES))


def _add_routes(app: FastAPI, opened: Opened, handlers: Handlers, limits: TenantLimits, config: Settings) -> None:
    database, told, references = opened.database, opened.logs.advancement, opened.references
    decisions, judgements = handlers.decisions, handlers.judgements
    for router in (
        operating_router(decisions, database, config),
        policies_router(decisions, database, config),
        mastery_router(database, config),
        audit_router(database),
        frameworks_router(database, decisions, config),
        settings_router(decisions),
        terms_router(decisions),
        deciding_router(judgements, database, config),
        planning_router(judgements, database, config),
        supporting_router(database, judgements, config),
        explaining_router(database, config),
        in_force_router(database, limits),
        analysing_router(handlers.adoptions, decisions, database, limits, config),
        adopting_router(handlers.adoptions, decisions, limits, config),
        shadowing_router(handlers.shadows, decisions, limits, config),
        correcting_router(database, references, limits, config),
        feeds_router(database, told, references, config),
        webhooks_router(handlers.webhooks, database, told),
        disclosing_router(database, config, opened.logs.requests),
    ):
        app.include_router(router)


def _add_operations(
    app: FastAPI,
    opened: Opened,
    webhooks: Webhooks,
    consuming: Consuming,
    upkeep: Upkeep,
    tasks: Tasks,
    config: Settings,
) -> None:
    database, logs = opened.database, opened.logs
    ready = functools.partial(readiness, "progression", database, upkeep.kafka, opened.clock)
    lag = functools.partial(progression_lag, database, logs, consuming.consumer, opened.feed)
    for router in (
        operations_router(
            ready=ready,
            stuck=tasks.stuck,
            lag=lag,
            blocked=functools.partial(blocked_learners, database),
            measure=webhooks.measure,
        ),
        feed_router(database, logs.relayed(), config),
        asyncapi_router("progression", consuming.broker, logs.relayed(), config.topic_suffix),
        reconciliation_router(upkeep.reconciler, database, [upkeep.checks.told]),
        expiries_router(database),
    ):
        app.include_router(router)


def _start_loops(tasks: Tasks, opened: Opened, handlers: Handlers, consuming: Consuming, upkeep: Upkeep) -> None:
    relay, clock, shadows, dispatcher = opened.relay, opened.clock, handlers.shadows, handlers.dispatcher
    broker, consumer, _ = consuming
    kafka, limits, _, reconciler, retention = upkeep
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("broker", keep_consuming(broker), [consumer.polling]),
        ("relay", relay.run(), relay.pulses),
        ("tick", consumer.tick(), consumer.pulses),
        ("clock", clock.run(), [clock.pulse]),
        ("reconciliation", reconciler.run(), [reconciler.pulse]),
        ("limits", limits.run(), [limits.pulse]),
        ("shadows", shadows.run(), [shadows.pulse]),
        ("webhooks", handlers.ended.then(dispatcher.run, dispatcher.pulse), [dispatcher.pulse]),
        ("retention", retention.run(), [retention.pulse]),
    ):
        tasks.start(name, work, *pulses)


def create_app(config: Settings) -> FastAPI:
    """Return the application; its lifespan connects to PostgreSQL and Kafka."""
    return make_service("progression", DESCRIPTION, config, _compose)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config = settings_of("progression")
    check_schema("progression", config)
    serve(create_app(config), config)


if __name__ == "__main__":
    main()
