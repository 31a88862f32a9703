"""Composes the evidence service and runs it: `python -m services.evidence.app`."""

import asyncio
import contextlib
import functools
import logging
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from services.evidence.entrypoints.alignments import alignments_router
from services.evidence.entrypoints.evidence import evidence_router
from services.evidence.entrypoints.formats import formats_router
from services.evidence.entrypoints.kafka import SubmittedEvidence
from services.evidence.entrypoints.learners import learners_router
from services.evidence.entrypoints.quarantine import quarantine_router
from services.evidence.entrypoints.roster import roster_router
from services.evidence.entrypoints.xapi import xapi_router
from services.evidence.handlers.alignment import Alignments, Realigner
from services.evidence.handlers.counting import IntakeChecks
from services.evidence.handlers.directory import Competencies, Learners
from services.evidence.handlers.formats import FORMS, Formats
from services.evidence.handlers.intake import Intake
from services.evidence.handlers.lag import evidence_lag
from services.evidence.handlers.limits import BadSources
from services.evidence.handlers.parked import CurriculumHandler, Releaser
from services.evidence.handlers.quarantine import Quarantine
from services.evidence.handlers.roster import Rosters
from services.evidence.handlers.writer import Writer
from services.evidence.handlers.xapi import Statements
from shared.asyncapi import asyncapi_router
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.event_log import EventLog
from shared.feed import FeedClient
from shared.reconciliation import Reconciler, Tally, reconciliation_router
from shared.relay import Relay
from shared.service import Tasks, make_service, serve
from shared.settings import Settings, settings
from shared.topics import CURRICULUM, EVIDENCE, QUARANTINED, ROSTER
from shared.transport import make_broker, subscribe_consumer
from shared.web import feed_router, operations_router

log = logging.getLogger(__name__)
DESCRIPTION = "What was observed: validated, identified, aligned, deduplicated, kept."
BROKER_RETRY_S = 1.0


async def _compose(app: FastAPI, config: Settings, stack: contextlib.AsyncExitStack) -> None:
    database = await Database.connect(config.evidence_database)
    stack.push_async_callback(database.close)
    evidence, roster, quarantined = (EventLog(topic.log, config.shards) for topic in (EVIDENCE, ROSTER, QUARANTINED))
    logs = (evidence, roster, quarantined)
    async with database.connection() as connection:
        for event_log in logs:
            await event_log.prepare(connection)
    relay = Relay(database, logs, config)
    writer = Writer(database, evidence, relay.hand_over)
    await writer.prepare()
    learners = Learners(database, config)
    competencies = Competencies(database)
    limits = BadSources(config)
    alignments = Alignments(database, competencies)
    intake = Intake(writer, learners, competencies, alignments, config)
    quarantine = Quarantine(database, quarantined, intake)
    realigner = Realigner(database, evidence, alignments, competencies, writer.counts, relay.hand_over)
    releaser = Releaser(database, intake, competencies, realigner)
    feed = FeedClient(config.progression_url, config)
    stack.push_async_callback(feed.close)
    curriculum = ShardConsumer(
        "evidence.curriculum", CURRICULUM.log, database, CurriculumHandler(releaser.wake), feed, config
    )
    await curriculum.prepare()
    submitted = SubmittedEvidence(intake, quarantine, config)
    broker = make_broker(config)
    submitted.subscribe(broker)
    subscribe_consumer(broker, curriculum, config)
    tasks = Tasks()
    tally = Tally(EVIDENCE.log)
    checks = IntakeChecks(database, evidence, tally, writer.counts)
    reconciler = Reconciler({"received": checks.received, "logged": checks.logged}, config.reconcile_s)

    async def lag() -> list[dict[str, Any]]:
        names = [event_log.name for event_log in logs]
        return await evidence_lag(database, names, curriculum, feed, releaser, submitted.lag)

    app.include_router(evidence_router(intake, limits, database, config))
    app.include_router(learners_router(database, logs, learners))
    app.include_router(alignments_router(database, alignments, releaser.wake, config))
    formats = Formats(database, intake, alignments, quarantine, releaser.wake, config)
    _take_in_formats(app, formats, Statements(database, intake, quarantine, config), quarantine, limits, config)
    app.include_router(quarantine_router(database, quarantine))
    app.include_router(roster_router(database, Rosters(database, roster, learners), config))
    app.include_router(feed_router(database, logs, config))
    app.include_router(asyncapi_router("evidence", broker, logs, config.topic_suffix))
    app.include_router(operations_router(ready=database.answers, alive=lambda: tasks.progress([curriculum]), lag=lag))
    app.include_router(reconciliation_router(reconciler, database, [tally]))
    tasks.start("writer", writer.run())
    tasks.start("relay", relay.run())
    tasks.start("releaser", releaser.run())
    tasks.start("curriculum", curriculum.tick())
    tasks.start("reconciliation", reconciler.run())
    tasks.start("broker", _consume(broker))
    for stop in (tasks.stop, writer.drain, curriculum.stop, broker.stop):
        stack.push_async_callback(stop)


def _take_in_formats(
    app: FastAPI, formats: Formats, statements: Statements, quarantine: Quarantine, limits: BadSources, config: Settings
) -> None:
    quarantine.again = {"xapi": statements.again} | {form: functools.partial(formats.again, form) for form in FORMS}
    app.include_router(xapi_router(statements, config))
    app.include_router(formats_router(formats, statements, limits, config))


async def _consume(broker: KafkaBroker) -> None:
    """Consume until cancelled; while Kafka is away at the start, HTTP already takes evidence in."""
    while True:
        try:
            await broker.start()
        except (KafkaError, OSError) as error:
            log.warning("Kafka does not answer yet: %s", type(error).__name__)
            with contextlib.suppress(KafkaError, OSError):
                await broker.stop()
            await asyncio.sleep(BROKER_RETRY_S)
        else:
            await asyncio.Event().wait()


def create_app(config: Settings) -> FastAPI:
    """Return the application; its lifespan connects to PostgreSQL and Kafka."""
    return make_service("evidence", DESCRIPTION, config, _compose)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    serve(create_app(settings()), settings())


if __name__ == "__main__":
    main()
