"""How far a service's consumers and its relay are behind: what `/v1/lag` and the metrics tell of a stage."""

import asyncio
import datetime
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.consumer import ShardConsumer
from shared.database import Connection, columns
from shared.event_log import Place
from shared.events import UNTOLD
from shared.feed import FeedClient


class ShardLag(msgspec.Struct, frozen=True):
    """What one shard has left to do; the seconds are the age of the oldest event that waits."""

    shard: int
    behind_events: int
    behind_seconds: float


class Stage(msgspec.Struct, frozen=True):
    """What a stage has left to do, and of which shards; the numbers are None where its other end does not answer."""

    name: str
    behind_events: int | None
    behind_seconds: float | None
    shards: Sequence[ShardLag] = ()
    """Those that are behind."""

    @classmethod
    def of_shards(cls, name: str, shards: Sequence[ShardLag]) -> "Stage":
        """Return a stage that is as far behind as its shards together, and as long as the oldest event of any."""
        seconds = max((each.behind_seconds for each in shards), default=0.0)
        return cls(name, sum(each.behind_events for each in shards), seconds, tuple(shards))


class Lag(msgspec.Struct, frozen=True):
    """What the stages of a service have left to do, and how many learners have events that it cannot fold."""

    stages: Sequence[Stage]
    blocked_learners: int


class SeenBehind:
    """For how long a stage has been seen behind, where what waits bears no time of its own."""

    def __init__(self) -> None:
        self._began_at = time.time()
        self._level_at = 0.0

    def seconds(self, behind: int, since: float = 0.0) -> float:
        """
        Return the seconds since it was seen level, or since an instant that what waits is younger than where that is later.

        Where neither is known what waits may be older than this process, and is told as old as this process.

        Args:
            since: of `time.time`; 0 where none is known.
        """
        at = time.time()
        if not behind:
            self._level_at = at
        last = max(self._level_at, since) or self._began_at
        return round(max(0.0, at - last), 3)


async def consumer_lag(connection: Connection, consumer: ShardConsumer, feed: FeedClient) -> Stage:
    """Return how far a consumer is behind its producer's log; raises `Unavailable` where that does not answer."""
    rows = await connection.fetch("select shard, pos from consumer_shard where consumer = $1", consumer.name)
    return await feed_lag(consumer.name, feed, consumer.log_name, {row["shard"]: row["pos"] for row in rows})


async def feed_lag(name: str, feed: FeedClient, log: str, positions: Mapping[int, int]) -> Stage:
    """Return how far the positions are behind a producer's log; raises `Unavailable` where that does not answer."""
    heads = await feed.heads(log)
    behind = {s: heads[s].pos - pos for s, pos in positions.items() if s in heads and heads[s].pos > pos}
    waiting = await asyncio.gather(*(feed.read(log, s, positions[s], 1) for s in behind))
    shards = [
        ShardLag(s, events, age_s(found[0].time if found else "", datetime.datetime.now(datetime.UTC)))
        for (s, events), found in zip(behind.items(), waiting, strict=True)
    ]
    return Stage.of_shards(name, shards)


async def log_lag(connection: Connection, positions: Mapping[Place, int]) -> list[ShardLag]:
    """Return which shards of this database's own logs go on behind the positions, and how far."""
    rows = await connection.fetch(
        "select h.shard, h.pos - c.pos as events, convert_from(e.body, 'UTF8')::jsonb ->> 'time' as time"
        " from unnest($1::text[], $2::int[], $3::bigint[]) c (log, shard, pos)"
        " join log_head h on h.log = c.log and h.shard = c.shard and h.pos > c.pos"
        " left join event_log e on e.log = c.log and e.shard = c.shard and e.pos = c.pos + 1",
        *columns(((*place, pos) for place, pos in positions.items()), 3),
    )
    at = datetime.datetime.now(datetime.UTC)
    return [ShardLag(row["shard"], row["events"], age_s(row["time"] or "", at)) for row in rows]


async def relay_lag(connection: Connection, name: str, logs: Sequence[str]) -> Stage:
    """Return how many rows of the logs are not acknowledged by Kafka yet, and the age of the oldest of them."""
    rows = await connection.fetch("select log, shard, pos from relay_cursor where log = any($1::text[])", list(logs))
    return Stage.of_shards(name, await log_lag(connection, {(row["log"], row["shard"]): row["pos"] for row in rows}))


def told(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return stages as they are answered in JSON."""
    return [msgspec.to_builtins(stage) for stage in stages]


def age_s(instant: str, at: datetime.datetime) -> float:
    """Return the age of an instant as events bear it; 0 where they bear none."""
    if instant in ("", UNTOLD):
        return 0.0
    return round(max(0.0, (at - datetime.datetime.fromisoformat(instant)).total_seconds()), 3)
