"""How far the read models of reporting are behind the logs that they follow, and what they could not read."""

import asyncio
from collections.abc import Mapping

import msgspec

from services.reporting.handlers.folds import EDITIONS
from services.reporting.tables import rebuilds
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
    """
    Return a stage a read model; one that is to be rebuilt after an upgrade has all that its build lacks left to do.

    Raises:
        Unavailable: a producer does not answer.
    """
    async with snapshot(database) as view:
        folded = {model: await view.positions(model) for model in STAGES}
    async with database.connection() as connection:
        outdated = await rebuilds.outdated(connection, EDITIONS)
        lacking = {model: await rebuilds.lacking(connection, model) for model in outdated}
    asked = (
        feed_lag(STAGES[model], feeds[model], INPUT_LOGS[model], {shard: head.pos for shard, head in heads.items()})
        for model, heads in folded.items()
    )
    stages = await asyncio.gather(*asked)
    return [
        msgspec.structs.replace(stage, behind_events=stage.behind_events + lacking[model])
        if model in lacking and stage.behind_events is not None
        else stage
        for model, stage in zip(folded, stages, strict=True)
    ]


async def blocked_learners(database: Database, tenant: str = "") -> int:
    """Return of how many learners of a tenant, or of all, a live read model lacks events that it could not read."""
    async with snapshot(database) as view:
        return await view.count_unfolded(tenant)
