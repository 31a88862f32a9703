"""How far each stage of this service is behind; None where its other end does not answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiokafka.errors import KafkaError

from services.evidence.handlers.parked import Releaser
from services.evidence.tables import quarantine
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Unavailable
from shared.feed import FeedClient
from shared.lag import Stage, consumer_lag, relay_lag
from shared.observability import metrics

KAFKA_ANSWER_S_MAX = 2.0
"""Well below the time in which all stages are asked: a Kafka that hangs must not hide how far the others are behind."""
PARKED_MAX = 100_000
"""Up to which parked pieces are counted at each look."""


async def evidence_lag(
    database: Database,
    logs: Sequence[str],
    curriculum: ShardConsumer,
    feed: FeedClient,
    releaser: Releaser,
    intake: Callable[[], Awaitable[Stage]],
) -> list[Stage]:
    """Return the stages intake, evidence-relay, evidence-curriculum, and what is to be parked no longer."""
    try:
        waiting = await asyncio.wait_for(intake(), KAFKA_ANSWER_S_MAX)
    except (KafkaError, TimeoutError):
        waiting = Stage("intake", None, None)
    async with database.connection() as connection:
        try:
            folding = await consumer_lag(connection, curriculum, feed)
        except Unavailable:
            folding = Stage(curriculum.name, None, None)
        for what, pieces in (await quarantine.count_parked(connection, PARKED_MAX)).items():
            metrics.parked.labels(waits_for=what).set(pieces)
    ready = await releaser.behind()
    # Last: what the others had left a moment ago is in the logs by now.
    async with database.connection() as connection:
        relay = await relay_lag(connection, "evidence-relay", logs)
    return [
        waiting,
        relay,
        msgspec.structs.replace(folding, name="evidence-curriculum"),
        Stage("evidence-parked", ready, releaser.ready_since.seconds(ready)),
    ]
