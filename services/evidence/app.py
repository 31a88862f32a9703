"""Composes the evidence service and runs it: `python -m services.evidence.app`."""

import contextlib
import functools

from fastapi import FastAPI

from services.evidence.entrypoints.alignments import alignments_router
from services.evidence.entrypoints.completeness import completeness_router
from services.evidence.entrypoints.evidence import evidence_router
from services.evidence.entrypoints.formats import formats_router
from services.evidence.entrypoints.identities import identities_router
from services.evidence.entrypoints.kafka import SubmittedEvidence
from services.evidence.entrypoints.keys import keys_router
from services.evidence.entrypoints.learners import learners_router
from services.evidence.entrypoints.merges import merges_router
from services.evidence.entrypoints.own_activities import own_activities_router
from services.evidence.entrypoints.privacy import privacy_router
from services.evidence.entrypoints.quarantine import quarantine_router
from services.evidence.entrypoints.roster import rollover_router, roster_router
from services.evidence.entrypoints.xapi import xapi_router
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.counting import IntakeChecks, IntakeCounts
from services.evidence.handlers.curriculum import Competencies, CurriculumHandler
from services.evidence.handlers.erasure import Erasing
from services.evidence.handlers.formats import FORMS, Formats
from services.evidence.handlers.handed_in import HandIns
from services.evidence.handlers.intake import Intake
from services.evidence.handlers.kept_events import KeptEvents
from services.evidence.handlers.keys import Keys
from services.evidence.handlers.lag import evidence_lag
from services.evidence.handlers.learners import Learners
from services.evidence.handlers.ledger import Ledger
from services.evidence.handlers.limits import BadSources
from services.evidence.handlers.merging import Merging
from services.evidence.handlers.parked import Releaser
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.handlers.realigning import Realigner
from services.evidence.handlers.rollover import Rollovers
from services.evidence.handlers.roster import Rosters
from services.evidence.handlers.tracing import Tracing
from services.evidence.handlers.writer import Writer
from services.evidence.handlers.xapi import Statements
from services.evidence.tables import accesses as access_rows
from services.evidence.tables import kept_events as kept_event_rows
from services.evidence.tables import quarantine as quarantine_rows
from services.evidence.tables import statements as statement_rows
from shared.asyncapi import asyncapi_router
from shared.calendars import Calendars
from shared.clock import Clock
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.event_log import EventLog
from shared.feed import FeedClient
from shared.feed_routes import feed_router
from shared.operations import operations_router
from shared.peer import Peer
from shared.readiness import KafkaWatch, readiness
from shared.reconciliation import Reconciler, Tally, reconciliation_router
from shared.relay import Relay
from shared.retention import Retention, expiries_router
from shared.service import Tasks, keep_consuming, make_service, serve
from shared.settings import Settings
from shared.starting import check_schema, settings_of
from shared.tenant_limits import limit_tenants
from shared.topics import CURRICULUM, EVIDENCE, QUARANTINED, ROSTER
from shared.transport import LEISURELY_GAP_MS, make_broker, subscribe_consumer

EXPIRIES = {
    "originals_kept_days": {
        "quarantined": quarantine_rows.expire,
        "statements": statement_rows.expire,
        "events": kept_event_rows.expire,
    },
    "accesses_kept_days": {"accesses": access_rows.expire},
}
"""What is removed by which limit of a tenant."""
DESCRIPTION = "What was observed: validated, identified, aligned, deduplicated, kept."


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    database = await Database.connect(config.evidence_database)
    stack.push_async_callback(database.close)
    logs = evidence, roster, quarantined = await _prepare_logs(database, config)
    relay = Relay(database, logs, config)
    progression = Peer(config.progression_url, config)
    stack.push_async_callback(progression.close)
    calendars = Calendars(progression)
    writer = Writer(database, evidence, IntakeCounts(calendars), relay.hand_over)
    await writer.prepare()
    learners = Learners(database, config)
    erasing = Erasing(database, logs, learners, writer.counts, Ledger(config.erasure_ledger), relay.hand_over)
    await erasing.erase_again()
    competencies = Competencies(database)
    limits = BadSources(config)
    alignments = Alignments(database, competencies)
    clock = await Clock.compared(database, config)
    intake = Intake(writer, learners, competencies, alignments, clock, config)
    quarantine = Quarantine(database, quarantined, intake)
    realigner = Realigner(database, evidence, alignments, competencies, writer.counts, relay.hand_over)
    hand_ins = HandIns(database, evidence, learners, alignments, writer.counts, relay.hand_over)
    releaser = Releaser(database, intake, competencies, realigner, hand_ins)
    broker = make_broker(config)
    submitted = SubmittedEvidence(intake, quarantine, config)
    submitted.subscribe(broker)
    stack.push_async_callback(submitted.close)
    feed = FeedClient(config.progression_url, config)
    stack.push_async_callback(feed.close)
    handler = CurriculumHandler(releaser.wake)
    curriculum = ShardConsumer("evidence.curriculum", CURRICULUM.log, database, handler, feed, config)
    await curriculum.prepare()
    subscribe_consumer(broker, curriculum, config, LEISURELY_GAP_MS)
    tasks = Tasks()
    kafka = KafkaWatch(config)
    ready = functools.partial(readiness, database, kafka, clock)
    tally = Tally(EVIDENCE.log)
    checks = IntakeChecks(database, evidence, tally, writer.counts)
    reconciler = Reconciler({"received": checks.received, "logged": checks.logged}, config.reconcile_s)
    names = [log.name for log in logs]
    lag = functools.partial(evidence_lag, database, names, curriculum, feed, releaser, submitted.lag)
    accesses = Accesses(database)
    tenants = limit_tenants(app, database, config, "statements_kept", "originals_kept_days", "accesses_kept_days")
    retention = Retention(database, tenants, EXPIRIES)
    kept = KeptEvents(database, learners, tenants)
    formats = Formats(database, intake, alignments, quarantine, kept, hand_ins, releaser.wake, config)
    statements = Statements(database, intake, quarantine, tenants, config)
    _take_in_formats(app, formats, statements, quarantine, limits, accesses, config)
    _know_keys(app, Keys(database, config))
    for router in (
        evidence_router(intake, limits, accesses, database, _tracing(database, config, stack), config),
        learners_router(database),
        identities_router(database),
        privacy_router(database, erasing, accesses),
        merges_router(Merging(database, evidence, roster, learners, writer.counts, relay.hand_over), config),
        own_activities_router(database),
        alignments_router(database, alignments, releaser.wake, config),
        quarantine_router(database, quarantine),
        completeness_router(database, calendars),
        roster_router(database, Rosters(database, roster, learners), config),
        rollover_router(Rollovers(database, roster)),
        feed_router(database, logs, config),
        asyncapi_router("evidence", broker, logs, config.topic_suffix),
        operations_router(ready=ready, stuck=tasks.stuck, lag=lag),
        reconciliation_router(reconciler, database, [tally]),
        expiries_router(database),
    ):
        app.include_router(router)
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("writer", writer.run(), [writer.pulse]), ("relay", relay.run(), relay.pulses),
        ("clock", clock.run(), [clock.pulse]), ("calendars", calendars.run(), [calendars.pulse]),
        ("releaser", releaser.run(), [releaser.pulse]), ("curriculum", curriculum.tick(), curriculum.pulses),
        ("reconciliation", reconciler.run(), [reconciler.pulse]), ("limits", tenants.run(), [tenants.pulse]),
        ("broker", keep_consuming(broker), [*submitted.pulses, curriculum.polling]),
        ("retention", retention.run(), [retention.pulse]),
    ):  # fmt: skip
        tasks.start(name, work, *pulses)
    for stop in (tasks.stop, writer.drain, curriculum.stop, broker.stop):
        stack.push_async_callback(stop)


async def _prepare_logs(database: Database, config: Settings) -> tuple[EventLog, EventLog, EventLog]:
    """Return the logs of evidence, of the roster, and of what is quarantined."""
    logs = (
        EventLog(EVIDENCE.log, config.shards), EventLog(ROSTER.log, config.shards), EventLog(QUARANTINED.log, config.shards)
    )  # fmt: skip
    async with database.connection() as connection:
        for event_log in logs:
            await event_log.prepare(connection)
    return logs


def _tracing(database: Database, config: Settings, stack: contextlib.AsyncExitStack) -> Tracing:
    progression, reporting = (Peer(url, config, timeout_s=2) for url in (config.progression_url, config.reporting_url))
    stack.push_async_callback(progression.close)
    stack.push_async_callback(reporting.close)
    return Tracing(database, progression, reporting)


def _know_keys(app: FastAPI, keys: Keys) -> None:
    app.state.api_keys = keys
    app.include_router(keys_router(keys))


def _take_in_formats(
    app: FastAPI, formats: Formats, statements: Statements, quarantine: Quarantine, limits: BadSources,
    accesses: Accesses, config: Settings,
) -> None:  # fmt: skip
    quarantine.again = {"xapi": statements.again} | {form: functools.partial(formats.again, form) for form in FORMS}
    app.include_router(xapi_router(statements, limits, accesses, config))
    app.include_router(formats_router(formats, statements, limits, accesses, config))


def create_app(config: Settings) -> FastAPI:
    """Return the application; its lifespan connects to PostgreSQL and Kafka."""
    return make_service("evidence", DESCRIPTION, config, _compose)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config = settings_of("evidence")
    check_schema("evidence", config)
    serve(create_app(config), config)


if __name__ == "__main__":
    main()
