"""Counting rows by tenant at any position, and noticing when one of them is gone."""

import asyncio
import random
import time
from collections import Counter

import pytest

from shared import reconciliation
from shared.database import Database
from shared.errors import Unavailable
from shared.event_log import EventLog
from shared.events import Draft
from shared.observability import metrics
from shared.reconciliation import Comparison, Reconciler, Tally, compare

BLOCK = 5


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "BLOCK", BLOCK)


async def filled(database: Database, events: int, shards: int = 3) -> EventLog:
    """Return a log with events of four tenants at random."""
    chance = random.Random(events)
    log = EventLog("test", shards)
    drafts = [Draft(chance.randrange(shards), chance.choice("abcd"), "s", b"{}") for _ in range(events)]
    async with database.transaction() as connection:
        await log.prepare(connection)
        await log.append(connection, drafts)
    return log


async def heads(database: Database, log: EventLog) -> dict[int, int]:
    async with database.connection() as connection:
        return {shard: head.pos for shard, head in (await log.heads(connection)).items()}


async def plain(database: Database, positions: dict[int, int]) -> dict[str, int]:
    """Count the rows one by one."""
    async with database.connection() as connection:
        rows = await connection.fetch("select shard, pos, tenant from event_log where log = 'test'")
    return Counter(row["tenant"] for row in rows if row["pos"] <= positions[row["shard"]])


async def keep(database: Database, tally: Tally, log: EventLog) -> None:
    async with database.transaction() as connection:
        await tally.keep(connection, await heads(database, log))


async def test_counts_are_those_of_the_rows_at_any_positions_however_much_is_counted(database: Database) -> None:
    log, tally = await filled(database, 100), Tally("test")
    chance = random.Random(1)
    for counted in (False, True, True):
        if counted:
            await keep(database, tally, log)
        for _ in range(20):
            at = {shard: chance.randint(0, pos) for shard, pos in (await heads(database, log)).items()}
            async with database.connection() as connection:
                assert await tally.at(connection, at) == await plain(database, at)
    async with database.connection() as connection:
        assert await connection.fetchval("select count(distinct (shard, block)) from counted_block") >= 100 // BLOCK - 3


async def test_counting_goes_on_in_bounded_steps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "NEW_BLOCKS", 2)
    log, tally = await filled(database, 100), Tally("test")
    for steps in range(1, 4):
        await keep(database, tally, log)
        async with database.connection() as connection:
            assert await connection.fetchval("select count(distinct (shard, block)) from counted_block") == 2 * steps
            at = await heads(database, log)
            assert await tally.at(connection, at) == await plain(database, at)


async def test_a_row_that_vanishes_is_missed_once_its_block_has_had_its_turn(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "RECOUNTED_BLOCKS", 4)
    log, tally = await filled(database, 120), Tally("test")
    await keep(database, tally, log)
    at = await heads(database, log)
    async with database.connection() as connection:
        before = await tally.at(connection, at)
        tenant = await connection.fetchval(
            "delete from event_log where log = 'test' and shard = 1 and pos = 8 returning tenant"
        )
    turns = 120 // BLOCK // 4 + 2
    for _ in range(turns):
        await keep(database, tally, log)
    async with database.connection() as connection:
        after = await tally.at(connection, at)

    assert compare("logged", before, after) == [
        Comparison(name, "logged", before[name], after[name], -1 if name == tenant else 0) for name in "abcd"
    ]


async def test_replicas_that_count_at_once_count_once(database: Database) -> None:
    log = await filled(database, 100)
    tallies = [Tally("test") for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(keep(database, tally, log) for tally in tallies))
    at = await heads(database, log)
    async with database.connection() as connection:
        assert await tallies[0].at(connection, at) == await plain(database, at)


async def test_a_stage_whose_other_end_is_away_or_fails_keeps_what_was_found_and_holds_up_no_other() -> None:
    answers: list[Exception | list[Comparison]] = [compare("one", {"t": 5}, {"t": 4}), Unavailable("away"), KeyError()]
    ran = []

    async def one() -> list[Comparison]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def two() -> list[Comparison]:
        ran.append(1)
        return compare("two", {"t": 1, "u": 2}, {"t": 1, "u": 2})

    reconciler = Reconciler({"one": one, "two": two}, 60)
    for _ in range(3):
        await reconciler.check()
        shown = reconciler.found("t")
        assert shown["items"] == [
            {"tenant": "t", "stage": "one", "expected": 5, "actual": 4, "difference": -1},
            {"tenant": "t", "stage": "two", "expected": 1, "actual": 1, "difference": 0},
        ]
    assert len(ran) == 3
    assert len(reconciler.found(None)["items"]) == 3
    assert metrics.differences.labels(stage="one")._value.get() == 1
    assert metrics.differences.labels(stage="two")._value.get() == 0


async def test_a_stage_that_was_never_reached_has_an_age_by_which_it_is_told() -> None:
    async def away() -> list[Comparison]:
        raise Unavailable("away")

    began = time.time()
    task = asyncio.create_task(Reconciler({"never reached": away}, 0.001).run())
    await asyncio.sleep(0.05)
    task.cancel()

    assert began <= metrics.reconciled.labels(stage="never reached")._value.get() <= time.time()
