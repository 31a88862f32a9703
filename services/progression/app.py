"""Composes progression and runs it: `python -m services.progression.app`."""

import contextlib
import functools

from fastapi import FastAPI

from services.progression.entrypoints.adopting import adopting_router
from services.progression.entrypoints.audit import audit_router
from services.progression.entrypoints.correcting import correcting_router
from services.progression.entrypoints.deciding import deciding_router
from services.progression.entrypoints.explaining import explaining_router
from services.progression.entrypoints.feeds import feeds_router
from services.progression.entrypoints.frameworks import frameworks_router
from services.progression.entrypoints.in_force import in_force_router
from services.progression.entrypoints.mastery import mastery_router
from services.progression.entrypoints.operating import operating_router
from services.progression.entrypoints.policies import policies_router
from services.progression.entrypoints.settings import settings_router
from services.progression.entrypoints.shadowing import shadowing_router
from services.progression.entrypoints.supporting import supporting_router
from services.progression.entrypoints.terms import terms_router
from services.progression.entrypoints.webhooks import webhooks_router
from services.progression.handlers.adopting import Adoptions
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.delivering import Dispatcher
from services.progression.handlers.fold import MasteryFold
from services.progression.handlers.judgements import Judgements
from services.progression.handlers.lag import progression_lag
from services.progression.handlers.logs import CONSUMER, DecisionInbox, Logs
from services.progression.handlers.posting import Poster
from services.progression.handlers.reconciling import FoldChecks, StateSamples
from services.progression.handlers.references import References
from services.progression.handlers.shadowing import Shadows
from services.progression.handlers.webhooks import Webhooks
from services.progression.tables import webhooks as webhook_rows
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
from shared.transport import make_broker, subscribe_consumer

EXPIRIES = {"deliveries_kept_days": {"deliveries": webhook_rows.expire_deliveries}}
"""What is removed by which limit of a tenant."""
DESCRIPTION = "What the evidence means: frameworks, policies, mastery and advancement."


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    database = await Database.connect(config.progression_database)
    stack.push_async_callback(database.close)
    logs = Logs(config.shards)
    async with database.connection() as connection:
        for log in (*logs.relayed(), logs.decisions):
            await log.prepare(connection)
    relay = Relay(database, logs.relayed(), config)
    feed = FeedClient(config.evidence_url, config)
    stack.push_async_callback(feed.close)
    clock = Clock(database, config)
    fold = MasteryFold(database, logs, config, clock, relay.hand_over)
    consumer = ShardConsumer(CONSUMER, "evidence", database, fold, feed, config, DecisionInbox(logs.decisions))
    await consumer.prepare()
    broker = make_broker(config)
    subscribe_consumer(broker, consumer, config)
    tasks = Tasks()
    kafka = KafkaWatch(config)
    ready = functools.partial(readiness, database, kafka, clock)

    lag = functools.partial(progression_lag, database, logs, consumer, feed)
    checks = FoldChecks(database, logs, feed)
    reconciler = Reconciler({"folded": checks.folded, "sampled": StateSamples(database).sampled}, config.reconcile_s)
    decisions = Decisions(database, logs, config)
    judgements = Judgements(database, logs, config, clock)
    limits = limit_tenants(app, database, config, "small_number", "deliveries_kept_days")
    retention = Retention(database, limits, EXPIRIES)
    for router in (
        operations_router(ready=ready, stuck=tasks.stuck, lag=lag),
        feed_router(database, logs.relayed(), config),
        asyncapi_router("progression", broker, logs.relayed(), config.topic_suffix),
        operating_router(decisions, database, config),
        policies_router(decisions, database, config),
        mastery_router(database, config),
        audit_router(database),
        frameworks_router(database, decisions, config),
        settings_router(decisions),
        terms_router(decisions),
        deciding_router(judgements, database),
        supporting_router(database, judgements),
        explaining_router(database, config),
        in_force_router(database, limits),
        reconciliation_router(reconciler, database, [checks.told]),
        expiries_router(database),
    ):
        app.include_router(router)
    shadows, dispatcher = _changing_and_telling(app, database, decisions, logs, limits, config, stack)
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("broker", keep_consuming(broker), [consumer.polling]), ("relay", relay.run(), relay.pulses),
        ("tick", consumer.tick(), consumer.pulses), ("clock", clock.run(), [clock.pulse]),
        ("reconciliation", reconciler.run(), [reconciler.pulse]), ("limits", limits.run(), [limits.pulse]),
        ("shadows", shadows.run(), [shadows.pulse]), ("webhooks", dispatcher.run(), [dispatcher.pulse]),
        ("retention", retention.run(), [retention.pulse]),
    ):  # fmt: skip
        tasks.start(name, work, *pulses)
    for stop in (consumer.stop, broker.stop, tasks.stop):
        stack.push_async_callback(stop)


def _changing_and_telling(
    app: FastAPI,
    database: Database,
    decisions: Decisions,
    logs: Logs,
    limits: TenantLimits,
    config: Settings,
    stack: contextlib.AsyncExitStack,
) -> tuple[Shadows, Dispatcher]:
    """Add what changes rules and evidence safely, and what subscribers are told by; return what is to run."""
    references, poster, shadows = References(config), Poster(config), Shadows(database, decisions, config)
    stack.push_async_callback(references.close)
    stack.push_async_callback(poster.close)
    adoptions = Adoptions(database, decisions, limits, config)
    app.include_router(adopting_router(adoptions, decisions, database, limits, config))
    app.include_router(shadowing_router(shadows, limits, config))
    app.include_router(correcting_router(database, references, limits, config))
    app.include_router(feeds_router(database, logs.advancement, references, config))
    app.include_router(webhooks_router(Webhooks(database, poster, config), database, logs.advancement))
    return shadows, Dispatcher(database, references, poster, config)


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
