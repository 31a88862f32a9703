"""After a new policy everything is decided anew in small batches, and evidence that arrives goes in between."""

import asyncio
import os
import signal
import sys
from typing import Any, cast

import msgspec
import pytest

from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers import memory, refolder, sweeping
from services.progression.handlers.memory import unpack_key, unpack_learner
from services.progression.handlers.outcome import Outcome, Refolded
from services.progression.handlers.refolding import Wanted
from services.progression.handlers.rules import RuleBook
from shared.errors import Unavailable
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

LEARNERS = 300


def streak(n: int) -> dict[str, object]:
    return {
        "id": "s",
        "method": {"type": "streak", "n": n},
        "decision": {"latch": "first_crossing"},
        "rationale": f"{n} are enough",
    }


async def stale(progression: HandFed) -> int:
    """Return how many keys are not decided anew yet."""
    async with progression.database.connection() as connection:
        count: int = await connection.fetchval("select count(*) from mastery where rules_no < 2")
    return count


async def status_is_stored(progression: HandFed, learner: str) -> bool:
    async with progression.database.connection() as connection:
        found = await connection.fetchval(
            "select count(*) from mastery where tenant = $1 and learner = $2", TENANT, learner
        )
    return bool(found)


async def test_evidence_that_arrives_during_a_sweep_does_not_wait_for_its_end(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """Batches of one learner: a newcomer's piece is stored while most of three hundred are still to be refolded."""
    monkeypatch.setattr(sweeping, "SWEEP_LEARNERS", 1)
    monkeypatch.setattr(sweeping, "PAGE_LEARNERS_MAX", 1)
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(5))
        pieces = [piece(n, learner=f"l{learner}") for learner in range(LEARNERS) for n in range(2)]
        await progression.send(*pieces)
        await progression.decide(streak(2))
        await progression.send(piece(1, learner="newcomer"))
        await eventually(lambda: status_is_stored(progression, "newcomer"))
        left = await stale(progression)
        await eventually(lambda: none_is_stale(progression))
        told = await progression.told()

    assert left > LEARNERS // 2
    assert told == ["mastered"] * LEARNERS


async def none_is_stale(progression: HandFed) -> bool:
    return not await stale(progression)


async def test_the_batches_of_a_sweep_grow_to_what_fits_their_time(server_addresses: Servers):
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=f"l{learner}") for learner in range(LEARNERS) for n in range(2)])
        await progression.decide(streak(2))
        await eventually(lambda: none_is_stale(progression))

        assert progression.fold.sweeping.learners > sweeping.SWEEP_LEARNERS


@pytest.mark.parametrize("beside", [False, True], ids=["by itself", "beside"])
async def test_evidence_for_those_whose_history_is_being_read_ahead_is_not_lost(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch, beside: bool
):
    """Everybody's third piece comes in the order of the sweep, close to where it is, and nothing stays in memory for long."""
    monkeypatch.setattr(sweeping, "SWEEP_LEARNERS", 1)
    monkeypatch.setattr(sweeping, "PAGE_LEARNERS_MAX", 10 if beside else 3)
    # However long the sweep lasts on a busy machine.
    monkeypatch.setattr(sweeping, "BESIDE_AFTER_S", 0.0 if beside else float("inf"))
    monkeypatch.setattr(sweeping, "NAMES", 7)
    monkeypatch.setattr(memory, "KEYS_MIN", 1)
    trim = memory.Shard.trim
    monkeypatch.setattr(memory.Shard, "trim", lambda shard, _, pieces: trim(shard, 1, pieces))
    learners = [f"l{number:03}" for number in range(LEARNERS)]
    async with hand_fed(server_addresses) as progression:
        taken = pages_from_beside(monkeypatch)
        if beside:
            await with_help(progression)
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=learner) for learner in learners for n in range(2)])
        await progression.decide(streak(3))
        if beside:
            await eventually(lambda: has_some(taken))
        for begin in range(0, LEARNERS, 5):
            await progression.send(*[piece(2, learner=learner) for learner in learners[begin : begin + 5]])
        await eventually(lambda: none_is_stale(progression))
        # The last batch may still be committing where the sweep has ended before.
        await eventually(lambda: has_told(progression, LEARNERS))
        told = await progression.told()
        async with progression.database.connection() as connection:
            rows = await connection.fetch("select state from mastery where tenant = $1", TENANT)

    assert [unpack_key(row[0]).pieces for row in rows] == [3] * LEARNERS
    assert told == ["mastered"] * LEARNERS
    assert bool(taken) == beside


async def test_the_process_beside_finds_what_the_service_finds(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """The same evidence and rules: equal states, standings and public events, with and without it."""
    found = []
    for beside in (False, True):
        async with hand_fed(server_addresses) as progression:
            taken = pages_from_beside(monkeypatch)
            if beside:
                await with_help(progression)
            await progression.decide(streak(5))
            await progression.send(*[piece(n, learner=f"l{learner}") for learner in range(LEARNERS) for n in range(3)])
            await progression.decide(streak(2))
            await eventually(lambda: none_is_stale(progression))
            found.append(await all_that_is_stored(progression))
        assert sum(taken) > (LEARNERS // 2 if beside else -1)

    assert found[0] == found[1]
    assert all(found[0])


async def test_what_the_process_beside_has_refolded_is_taken_first_and_then_the_turns_go_on() -> None:
    """While it waits that process has nothing to do; a batch of the service's own takes ten times as long."""
    shards = [memory.Shard(number, 0) for number in range(4)]
    for shard in shards:
        shard.sweep[TENANT], shard.rules[TENANT] = "", Rules()
    nothing = cast("Any", None)
    turns = sweeping.Sweeping(nothing, nothing, len(shards), None)
    found = asyncio.create_task(asyncio.sleep(0))
    turns._ahead[2] = sweeping.Ahead(shards[2], TENANT, set(), found, beside=True)

    assert turns.next_of(shards) == [0]
    await found
    assert turns.next_of(shards) == [2]
    del turns._ahead[2]
    assert turns.next_of(shards) == [3]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["is killed", "stands still"])
async def test_a_sweep_goes_on_when_the_process_beside(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
):
    monkeypatch.setattr(sweeping, "PAGE_LEARNERS_MAX", 5)
    monkeypatch.setattr(refolder, "ANSWER_S", 3.0)
    async with hand_fed(server_addresses) as progression:
        taken = pages_from_beside(monkeypatch)
        await with_help(progression)
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=f"l{learner}") for learner in range(LEARNERS) for n in range(2)])
        await progression.decide(streak(2))
        await eventually(lambda: has_some(taken))
        assert progression.refolder.pid is not None
        os.kill(progression.refolder.pid, sent)
        await eventually(lambda: none_is_stale(progression))
        told = await progression.told()

    assert told == ["mastered"] * LEARNERS
    assert sum(taken) < LEARNERS


async def test_a_process_beside_that_was_let_end_is_not_asked(server_addresses: Servers):
    """It is there until it has ended, and what is asked of it would be written to a pipe that is closed."""
    async with hand_fed(server_addresses) as progression:
        await with_help(progression)
        progression.refolder.end()
        with pytest.raises(Unavailable, match="does not run"):
            await progression.refolder.refold(Wanted(0, TENANT, 1, []))


async def test_a_process_beside_that_could_not_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refolder, "AGAIN_S", 0.0)
    beside = refolder.Refolder("postgresql://127.0.0.1:9/nowhere")

    async def is_started() -> bool:
        beside.start()
        return beside.pid is not None

    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/nowhere/python")
        beside.start()
        await asyncio.sleep(0.1)
    await eventually(is_started)
    await beside.stop()


async def test_what_was_read_ahead_of_a_shard_is_not_taken_once_that_was_lost(server_addresses: Servers):
    """While the first of two shards is swept the second is lost, brought up to date by somebody else, and comes back."""
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=learner) for learner in ("first", "second") for n in range(3)])
        await progression.decide(streak(2))
        await eventually(lambda: none_is_stale(progression))
        await progression.end()
        book, read = RuleBook(progression.database), asyncio.Event()
        sweeper = sweeping.Sweeping(progression.database, book, 2, None)
        sweeper.wake = read.set
        first = memory.Shard(0, 0)
        await book.load({0: first})

        def claimed(number: int) -> memory.Shard:
            shard = memory.Shard(number, 0)
            shard.rules, shard.sweep = first.rules, {TENANT: ""}
            return shard

        async def swept(*shards: memory.Shard) -> tuple[list[tuple[int, str, int]], list[str]]:
            """Let the first of shards have its turn; return which sweep has ended, and who was refolded."""
            [number] = sweeper.next_of(shards)
            shard = next(each for each in shards if each.number == number)
            fold, outcome = ShardFold(shard.entries, shard.rules, book.policies), Outcome()
            await sweeper.sweep(shard, fold, nothing_in_flight, outcome)
            return outcome.swept, [key[1] for key in fold.touched]

        async with progression.database.connection() as connection:
            await connection.execute(
                "update mastery set rules_no = 1, shard = case learner when 'first' then 0 else 1 end"
            )
            before = await swept(claimed(0), claimed(1))
            await read.wait()
            await connection.execute("update mastery set rules_no = 2 where learner = 'second'")
        after = await swept(claimed(1))

    assert before == ([], ["first"])
    assert after == ([(1, TENANT, 2)], [])


async def nothing_in_flight() -> None:
    return None


async def test_a_long_sweep_gets_a_process_and_gives_it_back(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sweeping, "BESIDE_AFTER_S", 0.0)
    monkeypatch.setattr(sweeping, "PAGE_LEARNERS_MAX", 1)
    async with hand_fed(server_addresses) as progression:
        taken = pages_from_beside(monkeypatch)
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=f"l{learner}") for learner in range(LEARNERS) for n in range(2)])
        await progression.decide(streak(2))
        # That sweep may have ended by the time that the process which it gets runs; it is kept for the next.
        await eventually(lambda: runs(progression))
        await progression.decide(streak(3))
        await eventually(lambda: has_some(taken))
        monkeypatch.setattr(sweeping, "BESIDE_KEPT_S", 0.0)
        monkeypatch.setattr(sweeping, "PAGE_LEARNERS_MAX", LEARNERS)
        await eventually(lambda: none_is_stale(progression))
        await eventually(lambda: runs_no_more(progression))


async def with_help(progression: HandFed) -> None:
    """Start the process beside, which a sweep gets only once it lasts."""
    progression.refolder.start()
    await eventually(lambda: runs(progression))


async def runs(progression: HandFed) -> bool:
    return progression.refolder.runs


async def runs_no_more(progression: HandFed) -> bool:
    return not progression.refolder.runs


async def has_told(progression: HandFed, events: int) -> bool:
    return len(await progression.told()) >= events


async def has_some(taken: list[int]) -> bool:
    return bool(taken)


def pages_from_beside(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that gets the size of each page that the process beside has refolded."""
    taken: list[int] = []
    take = sweeping.Sweeping._take

    def counted(shard: memory.Shard, refolded: Refolded, outcome: Outcome) -> None:
        taken.append(len(refolded.states))
        take(shard, refolded, outcome)

    monkeypatch.setattr(sweeping.Sweeping, "_take", staticmethod(counted))
    return taken


async def all_that_is_stored(progression: HandFed) -> list[list[object]]:
    """Return states, standings and what was told, but for ids and times that follow from when the policy was set."""
    async with progression.database.connection() as connection:
        states = await connection.fetch("select learner, rules_no, state, deadline from mastery order by 1")
        standings = await connection.fetch("select learner, state, deadline from learner_standing order by 1")
        told = await connection.fetch(
            "select log, subject, body->>'type', body->'data'->'scope', body->'data'->'status', body->'data'->'basis'"
            " from (select log, subject, convert_from(body, 'utf8')::jsonb as body from event_log where log <> 'decisions'"
            " and subject <> 'checkpoint') told where body->>'type' not like 'attain.recalculation.%'"
            " order by 1, 2, 3, 4, 5, 6"
        )
    return [
        [(row[0], row[1], msgspec.structs.replace(unpack_key(row[2]), told=""), row[3]) for row in states],
        [(row[0], unpack_learner(row[1]), row[2]) for row in standings],
        [tuple(row) for row in told],
    ]
