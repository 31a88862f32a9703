"""How far each stage of this service is behind; None where its other end does not answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from services.evidence.handlers.parked import Releaser
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Unavailable
from shared.feed import FeedClient
from shared.lag import relay_lag, shard_lag

KAFKA_ANSWER_S_MAX = 5.0


async def evidence_lag(
    database: Database,
    logs: Sequence[str],
    curriculum: ShardConsumer,
    feed: FeedClient,
    releaser: Releaser,
    intake: Callable[[], Awaitable[tuple[int | None, float | None]]],
) -> list[dict[str, Any]]:
    """Return the stages intake, evidence-relay, evidence-curriculum, and what is to be parked no longer."""
    try:
        waiting, waiting_s = await asyncio.wait_for(intake(), KAFKA_ANSWER_S_MAX)
    except (KafkaError, TimeoutError):
        waiting, waiting_s = None, None
    unfolded, unfolded_s = None, None
    async with database.connection() as connection:
        relay = await relay_lag(connection, "evidence-relay", logs)
        try:
            folding = await shard_lag(connection, curriculum, feed)
            unfolded, unfolded_s = folding["behind_events"], folding["behind_seconds"]
        except Unavailable:
            pass
    return [
        {"name": "intake", "behind_events": waiting, "behind_seconds": waiting_s},
        relay,
        {"name": "evidence-curriculum", "behind_events": unfolded, "behind_seconds": unfolded_s},
        {"name": "evidence-parked", "behind_events": await releaser.behind(), "behind_seconds": 0.0},
    ]
