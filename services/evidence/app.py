"""Composes the evidence service and runs it: `python -m services.evidence.app`."""

import contextlib
import functools
from typing import NamedTuple

from fastapi import FastAPI
from faststream.kafka import KafkaBroker

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
from services.evidence.entrypoints.staff import staff_router
from services.evidence.entrypoints.xapi import xapi_router
from services.evidence.formats.native import Native
from services.evidence.handlers.accesses import Accesses
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.counting import IntakeChecks, IntakeCounts
from services.evidence.handlers.curriculum import Competencies, CurriculumHandler
from services.evidence.handlers.ending import Ending
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
from services.evidence.handlers.logs import Logs
from services.evidence.handlers.merging import Merging
from services.evidence.handlers.parked import Releaser
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.handlers.realigning import Realigner
from services.evidence.handlers.rollover import Rollovers
from services.evidence.handlers.roster import Rosters
from services.evidence.handlers.staff_names import StaffNames
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
from shared.tenant_limits import TenantLimits, limit_tenants
from shared.topics import CURRICULUM, EVIDENCE
from shared.transport import LEISURELY_GAP_MS, Pace, make_broker, subscribe_consumer

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


class Opened(NamedTuple):
    """What is open while the service runs: its database, the logs in it and what sends them, its clock, other services."""

    database: Database
    logs: Logs
    relay: Relay
    clock: Clock
    calendars: Calendars
    feed: FeedClient


class Handlers(NamedTuple):
    """What routes, consumers and loops hand their work to."""

    writer: Writer
    learners: Learners
    erasing: Erasing
    ending: Ending
    alignments: Alignments
    intake: Intake
    quarantine: Quarantine
    releaser: Releaser
    formats: Formats
    statements: Statements
    accesses: Accesses
    keys: Keys
    staff_names: StaffNames
    tracing: Tracing
    merging: Merging


class Consuming(NamedTuple):
    """The broker, and what is fed from it: submissions, and the curriculum."""

    broker: KafkaBroker
    submitted: SubmittedEvidence
    curriculum: ShardConsumer


class Upkeep(NamedTuple):
    """What watches over the service and tidies it."""

    kafka: KafkaWatch
    limits: TenantLimits
    tally: Tally
    reconciler: Reconciler
    retention: Retention


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    opened = await _open(config, stack)
    limits = await limit_tenants(
        app, opened.database, config, "statements_kept", "originals_kept_days", "accesses_kept_days"
    )
    handlers = await _make_handlers(opened, limits, config, stack)
    consuming = await _make_consumers(opened, handlers, config, stack)
    upkeep = _make_upkeep(opened, handlers, limits, config)
    tasks = Tasks()
    app.state.api_keys = handlers.keys
    _add_routes(app, opened, handlers, config)
    _add_operations(app, opened, handlers, consuming, upkeep, tasks, config)
    _start_loops(tasks, opened, handlers, consuming, upkeep)
    for stop in (tasks.stop, handlers.writer.drain, consuming.curriculum.stop, consuming.broker.stop):
        stack.push_async_callback(stop)


async def _open(config: Settings, stack: contextlib.AsyncExitStack) -> Opened:
    database = await Database.connect(config.evidence_database)
    stack.push_async_callback(database.close)
    logs = Logs(config.shards)
    async with database.connection() as connection:
        for log in logs.relayed():
            await log.prepare(connection)
    progression, feed = Peer(config.progression_url, config), FeedClient(config.progression_url, config)
    stack.push_async_callback(progression.close)
    stack.push_async_callback(feed.close)
    relay, clock = Relay(database, logs.relayed(), config), await Clock.compared(database, config)
    return Opened(database, logs, relay, clock, Calendars(progression), feed)


async def _make_handlers(
    opened: Opened, limits: TenantLimits, config: Settings, stack: contextlib.AsyncExitStack
) -> Handlers:
    database, logs, hand_over = opened.database, opened.logs, opened.relay.hand_over
    writer = Writer(database, logs.evidence, IntakeCounts(opened.calendars), hand_over)
    await writer.prepare()
    learners, ledger = Learners(database, config), Ledger(config.erasure_ledger)
    erasing = Erasing(database, logs.relayed(), learners, writer.counts, ledger, hand_over)
    merging = Merging(database, logs.evidence, logs.roster, learners, writer.counts, hand_over)
    # What was forgotten before a restore is forgotten again, before anything is served.
    await erasing.erase_again(merging)
    staff_names, ending = StaffNames(database, ledger), Ending(database, ledger)
    await staff_names.forget_again()
    await ending.end_again()
    competencies = Competencies(database)
    alignments = Alignments(database, competencies)
    intake = Intake(writer, learners, competencies, alignments, opened.clock, config)
    quarantine = Quarantine(database, logs.quarantined, intake)
    realigner = Realigner(database, logs.evidence, alignments, competencies, writer.counts, hand_over)
    hand_ins = HandIns(database, logs.evidence, learners, alignments, writer.counts, hand_over)
    releaser = Releaser(database, intake, competencies, realigner, hand_ins)
    kept = KeptEvents(database, learners, limits)
    formats = Formats(database, intake, alignments, quarantine, kept, hand_ins, releaser.wake, config)
    statements = Statements(database, intake, quarantine, limits, config)
    quarantine.again = {"xapi": statements.again} | {form: functools.partial(formats.again, form) for form in FORMS}
    return Handlers(
        writer, learners, erasing, ending, alignments, intake, quarantine, releaser, formats, statements,
        Accesses(database), Keys(database, config), staff_names, _make_tracing(database, config, stack), merging,
    )  # fmt: skip


def _make_tracing(database: Database, config: Settings, stack: contextlib.AsyncExitStack) -> Tracing:
    progression, reporting = (Peer(url, config, timeout_s=2) for url in (config.progression_url, config.reporting_url))
    stack.push_async_callback(progression.close)
    stack.push_async_callback(reporting.close)
    return Tracing(database, progression, reporting)


async def _make_consumers(
    opened: Opened, handlers: Handlers, config: Settings, stack: contextlib.AsyncExitStack
) -> Consuming:
    broker = make_broker(config)
    submitted = SubmittedEvidence(handlers.intake, handlers.quarantine, config)
    submitted.subscribe(broker)
    stack.push_async_callback(submitted.close)
    handler = CurriculumHandler(handlers.releaser.wake)
    curriculum = ShardConsumer("evidence.curriculum", CURRICULUM.log, opened.database, handler, opened.feed, config)
    await curriculum.prepare()
    subscribe_consumer(broker, curriculum, config, Pace(LEISURELY_GAP_MS))
    return Consuming(broker, submitted, curriculum)


def _make_upkeep(opened: Opened, handlers: Handlers, limits: TenantLimits, config: Settings) -> Upkeep:
    tally = Tally(EVIDENCE.log)
    checks = IntakeChecks(opened.database, opened.logs.evidence, tally, handlers.writer.counts)
    reconciler = Reconciler({"received": checks.received, "logged": checks.logged}, config.reconcile_s)
    return Upkeep(KafkaWatch(config), limits, tally, reconciler, Retention(opened.database, limits, EXPIRIES))


def _add_routes(app: FastAPI, opened: Opened, handlers: Handlers, config: Settings) -> None:
    database, roster, learners = opened.database, opened.logs.roster, handlers.learners
    accesses, bad_sources = handlers.accesses, BadSources(config)
    for router in (
        xapi_router(handlers.statements, bad_sources, accesses, config),
        formats_router(handlers.formats, handlers.statements, bad_sources, accesses, config),
        keys_router(handlers.keys),
        staff_router(database, handlers.staff_names, accesses),
        evidence_router(handlers.intake, bad_sources, accesses, database, handlers.tracing, config),
        learners_router(database),
        identities_router(database),
        privacy_router(database, handlers.erasing, handlers.ending, Ledger(config.erasure_ledger), accesses),
        merges_router(handlers.merging, config),
        own_activities_router(database),
        alignments_router(database, handlers.alignments, handlers.releaser.wake, config),
        quarantine_router(database, handlers.quarantine, handlers.ending),
        completeness_router(database, opened.calendars),
        roster_router(database, Rosters(database, roster, learners), config),
        rollover_router(Rollovers(database, roster)),
    ):
        app.include_router(router)


def _add_operations(
    app: FastAPI, opened: Opened, handlers: Handlers, consuming: Consuming, upkeep: Upkeep, tasks: Tasks, config: Settings
) -> None:  # fmt: skip
    database, logs = opened.database, opened.logs.relayed()
    ready = functools.partial(readiness, "evidence", database, upkeep.kafka, opened.clock)
    lag = functools.partial(
        evidence_lag, database, [log.name for log in logs], consuming.curriculum, opened.feed, handlers.releaser,
        consuming.submitted.lag,
    )  # fmt: skip
    for router in (
        feed_router(database, logs, config),
        asyncapi_router("evidence", consuming.broker, logs, config.topic_suffix, Native),
        operations_router(ready=ready, stuck=tasks.stuck, lag=lag),
        reconciliation_router(upkeep.reconciler, database, [upkeep.tally]),
        expiries_router(database),
    ):
        app.include_router(router)


def _start_loops(tasks: Tasks, opened: Opened, handlers: Handlers, consuming: Consuming, upkeep: Upkeep) -> None:
    relay, clock, calendars = opened.relay, opened.clock, opened.calendars
    writer, releaser = handlers.writer, handlers.releaser
    broker, submitted, curriculum = consuming
    kafka, limits, _, reconciler, retention = upkeep
    for name, work, pulses in (
        ("kafka", kafka.run(), [kafka.pulse]),
        ("writer", writer.run(), [writer.pulse]),
        ("relay", relay.run(), relay.pulses),
        ("clock", clock.run(), [clock.pulse]),
        ("calendars", calendars.run(), [calendars.pulse]),
        ("releaser", releaser.run(), [releaser.pulse]),
        ("curriculum", curriculum.tick(), curriculum.pulses),
        ("reconciliation", reconciler.run(), [reconciler.pulse]),
        ("limits", limits.run(), [limits.pulse]),
        ("broker", keep_consuming(broker), [*submitted.pulses, curriculum.polling]),
        ("retention", retention.run(), [retention.pulse]),
    ):
        tasks.start(name, work, *pulses)


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
