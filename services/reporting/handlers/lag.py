"""How far the read models of reporting are behind the logs that they follow."""

import asyncio
from collections.abc import Mapping

from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.reads import snapshot
from shared.database import Database
from shared.feed import FeedClient
from shared.lag import Stage, feed_lag

STAGES = {
    "mastery": "reporting", "curriculum": "reporting-curriculum", "roster": "reporting-roster",
    "advancement": "reporting-advancement", "support": "reporting-support",
}  # fmt: skip
"""How the stage of a read model is called."""


async def reporting_lag(database: Database, feeds: Mapping[str, FeedClient]) -> list[Stage]:
    """Return a stage a read model; raises `Unavailable` where a producer does not answer."""
    return list(await asyncio.gather(*(_stage(database, model, feeds[model]) for model in STAGES)))


async def _stage(database: Database, model: str, feed: FeedClient) -> Stage:
    async with snapshot(database) as view:
        positions = await view.positions(model)
    return await feed_lag(STAGES[model], feed, INPUT_LOGS[model], {shard: p.pos for shard, p in positions.items()})
