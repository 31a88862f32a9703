"""How far a service's consumers and its relay are behind: what `/v1/lag` tells of a stage."""

import datetime
import time
from collections.abc import Sequence
from typing import Any

from shared.consumer import ShardConsumer
from shared.database import Connection
from shared.feed import FeedClient


async def shard_lag(connection: Connection, consumer: ShardConsumer, feed: FeedClient) -> dict[str, Any]:
    """Return how far a consumer is behind its producer's log; raises `Unavailable` where that does not answer."""
    heads = await feed.heads(consumer.log_name)
    rows = await connection.fetch("select shard, pos from consumer_shard where consumer = $1", consumer.name)
    behind = sum(max(0, heads[row["shard"]].pos - row["pos"]) for row in rows if row["shard"] in heads)
    seconds = time.monotonic() - consumer.last_progress if behind else 0.0
    return {"name": consumer.name, "behind_events": behind, "behind_seconds": round(seconds, 3)}


async def relay_lag(connection: Connection, name: str, logs: Sequence[str]) -> dict[str, Any]:
    """Return how many rows of the logs are not acknowledged by Kafka yet, and the age of the oldest of them."""
    row = await connection.fetchrow(
        "select coalesce(sum(h.pos - c.pos), 0)::bigint behind, min(o.time) oldest"
        " from log_head h join relay_cursor c using (log, shard)"
        " left join lateral (select (convert_from(body, 'UTF8')::jsonb) ->> 'time' as time from event_log e"
        "   where e.log = h.log and e.shard = h.shard and e.pos = c.pos + 1) o on h.pos > c.pos"
        " where h.log = any($1::text[])",
        list(logs),
    )
    assert row is not None
    seconds = 0.0
    if row["oldest"]:
        waits = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(row["oldest"])
        seconds = max(0.0, waits.total_seconds())
    return {"name": name, "behind_events": max(0, row["behind"]), "behind_seconds": round(seconds, 3)}
