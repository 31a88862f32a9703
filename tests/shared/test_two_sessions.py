"""
Two SQL sessions in one order each: the races by which logs on PostgreSQL have lost events, and what happens here instead.

Positions from a sequence are taken at the insert and seen at the commit, so a reader may step over one that commits late.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared import ownership
from shared.database import Database
from shared.errors import Conflict
from shared.event_log import EventLog
from shared.events import Draft
from shared.ownership import Move, Place

SOON_S = 0.15


@contextlib.asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of its own, whose transactions are begun and ended by hand."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def prepared(database: Database) -> EventLog:
    """Return an empty log of one shard."""
    log = EventLog("test", 1)
    async with database.connection() as connection:
        await log.prepare(connection)
    return log


def events(*names: str) -> list[Draft]:
    """Return drafts with the names as subjects."""
    return [Draft(0, "t", name, b"{}") for name in names]


async def seen(database: Database, log: EventLog, after: int) -> list[tuple[int, str]]:
    """Return what a reader sees behind its cursor."""
    async with database.connection() as connection:
        return [(entry.pos, entry.key) for entry in await log.read(connection, {0: after}, 100)]


async def waits(task: "asyncio.Task[object]") -> bool:
    """Tell whether a task still waits after a while."""
    await asyncio.sleep(SOON_S)
    return not task.done()


@pytest.mark.parametrize("first_commits", [True, False])
async def test_who_takes_a_later_position_cannot_be_seen_first(
    database: Database, url: str, first_commits: bool
) -> None:
    """Nothing commits above an open append, and a rollback leaves no hole for a reader to wait at or to step over."""
    log = await prepared(database)
    async with session(url) as one, session(url) as two:
        first, second = one.transaction(), two.transaction()
        await first.start()
        await second.start()
        await log.append(one, events("a", "b"))
        later = asyncio.create_task(log.append(two, events("c")))
        assert await waits(later)
        assert await seen(database, log, 0) == []

        await (first.commit() if first_commits else first.rollback())
        assert await later == ([3] if first_commits else [1])
        before = await seen(database, log, 0)
        assert before == ([(1, "t|a"), (2, "t|b")] if first_commits else [])
        await second.commit()
        assert await seen(database, log, len(before)) == [(len(before) + 1, "t|c")]


async def test_a_rollback_in_the_middle_leaves_positions_dense(database: Database, url: str) -> None:
    log = await prepared(database)
    async with session(url) as connection:
        for number in range(6):
            transaction = connection.transaction()
            await transaction.start()
            await log.append(connection, events(f"{number}a", f"{number}b"))
            await (transaction.rollback() if number % 3 == 1 else transaction.commit())

    assert [pos for pos, _ in await seen(database, log, 0)] == list(range(1, 9))


async def test_an_open_transaction_elsewhere_holds_no_reader_up(
    database: Database, url: str, producer_url: str
) -> None:
    """A cursor by transaction id stands still while anything writes for long in any database of the server."""
    log = await prepared(database)
    async with session(producer_url) as other, session(url) as same:
        for writer in (other, same):
            await writer.execute("begin")
            await writer.execute("insert into chain values (1, 1)")
        async with database.transaction() as connection:
            await log.append(connection, events("a"))

        assert await seen(database, log, 0) == [(1, "t|a")]


@pytest.mark.parametrize("zombie_commits", [True, False])
async def test_a_claim_waits_for_an_open_move_and_the_zombie_fails_at_its_next(
    database: Database, url: str, zombie_commits: bool
) -> None:
    async with database.connection() as connection:
        await ownership.prepare(connection, "c", "test", 1)
        (mine,) = await ownership.claim(connection, "c", [0], "zombie")
    async with session(url) as zombie, session(url) as heir:
        transaction = zombie.transaction()
        await transaction.start()
        await ownership.move(zombie, "c", [Move(0, mine.epoch, 0, 7, 0, 0, 7)])
        claiming = asyncio.create_task(ownership.claim(heir, "c", [0], "heir"))
        assert await waits(claiming)

        await (transaction.commit() if zombie_commits else transaction.rollback())
        pos = 7 if zombie_commits else 0
        assert await claiming == [Place(0, mine.epoch + 1, 1, pos, 0, pos)]
        with pytest.raises(Conflict):
            await ownership.move(zombie, "c", [Move(0, mine.epoch, pos, pos + 1, 0, 0, 8)])


async def test_of_two_moves_from_the_same_place_one_has_its_effects(database: Database, url: str) -> None:
    """The loser waits for the row, sees that it moved, and writes nothing."""
    async with database.connection() as connection:
        await ownership.prepare(connection, "c", "test", 1)
        (mine,) = await ownership.claim(connection, "c", [0], "me")
    move = Move(0, mine.epoch, 0, 3, 0, 0, 3)
    async with session(url) as one, session(url) as two:
        first = one.transaction()
        await first.start()
        await ownership.move(one, "c", [move])
        await one.execute("insert into chain values (0, 1)")
        second = asyncio.create_task(_move_and_write(two, move))
        assert await waits(second)
        await first.commit()
        with pytest.raises(Conflict):
            await second
        assert [tuple(row) for row in await one.fetch("select shard, value from chain")] == [(0, 1)]


async def _move_and_write(connection: asyncpg.Connection, move: Move) -> None:
    async with connection.transaction():
        await ownership.move(connection, "c", [move])
        await connection.execute("insert into chain values (0, 2)")
