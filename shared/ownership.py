"""
Who owns a shard of a consumer and how far it is: one row each, moved by compare-and-set under an epoch.

A claim raises the epoch, so what an earlier owner still commits fails; it waits for the row's lock first, so it reads
the position behind a batch that is just committing.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from shared.database import Connection, columns
from shared.errors import Conflict, Unavailable
from shared.shards import shards_fault


class Place(NamedTuple):
    """The row of a shard: its epoch, the generation that was accepted, and what is folded. `next_offset` is a hint."""

    shard: int
    epoch: int
    generation: int
    pos: int
    inbox_pos: int
    next_offset: int


class Move(NamedTuple):
    """What a batch does to the row of a shard, if that still has the old values."""

    shard: int
    epoch: int
    old: int
    new: int
    old_inbox: int
    new_inbox: int
    next_offset: int


_PLACE = ", ".join(f"c.{name}" for name in Place._fields)


async def prepare(connection: Connection, consumer: str, log: str, shards: int) -> None:
    """
    Make the rows of a consumer; safe to repeat.

    Raises:
        Unavailable: it was installed with another number of shards.
    """
    installed = await connection.fetchval("select count(*) from consumer_shard where consumer = $1", consumer)
    fault = shards_fault(f"consumer {consumer} was installed with", installed, shards)
    if fault:
        raise Unavailable(fault)
    await connection.execute(
        "insert into consumer_shard (consumer, shard, log) select $1, s, $2 from generate_series(0, $3 - 1) s"
        " on conflict do nothing",
        consumer,
        log,
        shards,
    )


async def claim(connection: Connection, consumer: str, shards: Collection[int], owner: str) -> list[Place]:
    """Take the shards from whoever has them, and return where they stand."""
    rows = await connection.fetch(
        "with these as (select shard from consumer_shard where consumer = $1 and shard = any($2::int[])"
        "   order by shard for update)"
        " update consumer_shard c set epoch = c.epoch + 1, owner = $3 from these"
        f" where c.consumer = $1 and c.shard = these.shard returning {_PLACE}",
        consumer,
        list(shards),
        owner,
    )
    return [Place(*row) for row in rows]


async def places(connection: Connection, consumer: str, shards: Collection[int]) -> list[Place]:
    """Return where shards stand."""
    rows = await connection.fetch(
        f"select {_PLACE} from consumer_shard c where consumer = $1 and shard = any($2::int[])", consumer, list(shards)
    )
    return [Place(*row) for row in rows]


async def move(connection: Connection, consumer: str, moves: Sequence[Move]) -> None:
    """
    Move the rows, as the first statement of the transaction that holds the effects.

    Raises:
        Conflict: one of them has another epoch or position than the caller thinks.
    """
    moved = await connection.fetch(
        "with mine as (select shard from consumer_shard where consumer = $1 and shard = any($2::int[])"
        "   order by shard for update)"
        " update consumer_shard c set pos = k.new, inbox_pos = k.new_inbox, next_offset = k.next_offset"
        " from mine, unnest($2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],"
        "   $8::bigint[]) k (shard, epoch, old, new, old_inbox, new_inbox, next_offset)"
        " where c.consumer = $1 and c.shard = k.shard and mine.shard = k.shard and c.epoch = k.epoch"
        "   and c.pos = k.old and c.inbox_pos = k.old_inbox returning c.shard",
        consumer,
        *columns(moves, 7),
    )
    if len(moved) != len(moves):
        lost = {move.shard for move in moves} - {row["shard"] for row in moved}
        raise Conflict(f"shards {sorted(lost)} were moved by someone else or by a commit whose answer was lost")
