"""How far the read models of reporting are behind the logs that they follow."""

import asyncio
import datetime
from collections.abc import Mapping
from typing import Any

from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.reads import snapshot
from shared.database import Database
from shared.feed import FeedClient

STAGES = {
    "mastery": "reporting", "curriculum": "reporting-curriculum", "roster": "reporting-roster",
    "advancement": "reporting-advancement", "support": "reporting-support",
}  # fmt: skip
"""How the stage of a read model is called."""


async def reporting_lag(database: Database, feeds: Mapping[str, FeedClient]) -> list[dict[str, Any]]:
    """Return a stage a read model; raises `Unavailable` where a producer does not answer."""
    return list(await asyncio.gather(*(_stage(database, model, feeds[model]) for model in STAGES)))


async def _stage(database: Database, model: str, feed: FeedClient) -> dict[str, Any]:
    """Return how far a read model is behind; the seconds are the age of the oldest event that waits."""
    input_log = INPUT_LOGS[model]
    heads = await feed.heads(input_log)
    async with snapshot(database) as view:
        positions = await view.positions(model)
    behind = {s: head.pos - positions[s].pos for s, head in heads.items() if head.pos > positions[s].pos}
    waiting = await asyncio.gather(*(feed.read(input_log, s, positions[s].pos, 1) for s in behind))
    seconds = max((_age_s(events[0].time) for events in waiting if events), default=0.0)
    return {"name": STAGES[model], "behind_events": sum(behind.values()), "behind_seconds": round(seconds, 3)}


def _age_s(instant: str) -> float:
    if not instant:
        return 0.0
    then = datetime.datetime.fromisoformat(instant)
    return max(0.0, (datetime.datetime.now(datetime.UTC) - then).total_seconds())
