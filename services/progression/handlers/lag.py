"""How far each stage of this service is behind, and how many learners it has set apart."""

import datetime

from services.progression.handlers.logs import Logs
from services.progression.tables import published, rulebook, set_apart
from shared.consumer import ShardConsumer
from shared.database import Connection, Database
from shared.feed import FeedClient
from shared.lag import ShardLag, Stage, age_s, consumer_lag, log_lag, relay_lag


async def progression_lag(database: Database, logs: Logs, consumer: ShardConsumer, feed: FeedClient) -> list[Stage]:
    """Return the stages progression, decisions and progression-relay; raises `Unavailable` where evidence is away."""
    async with database.connection() as connection:
        return [
            await consumer_lag(connection, consumer, feed),
            await _decisions(connection, logs),
            await relay_lag(connection, "progression-relay", [log.name for log in logs.relayed()]),
        ]


async def blocked_learners(database: Database, tenant: str = "") -> int:
    """Return how many learners of a tenant, or of all, are set apart, whichever process has set them apart and when."""
    async with database.connection() as connection:
        return await set_apart.count_blocked(connection, tenant)


async def _decisions(connection: Connection, logs: Logs) -> Stage:
    """Return what people decided and no shard has folded, and the rules in force that have not reached all keys."""
    folded = await published.folded_positions(connection)
    inbox = await log_lag(connection, {(logs.decisions.name, shard): place[2] for shard, place in folded.items()})
    at = datetime.datetime.now(datetime.UTC)
    unswept = [ShardLag(shard, rules, age_s(since, at)) for shard, rules, since in await rulebook.unswept(connection)]
    return Stage.of_shards("decisions", [*inbox, *unswept])
