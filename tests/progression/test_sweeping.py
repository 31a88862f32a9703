"""After a new policy everything is decided anew in small batches, and evidence that arrives goes in between."""

import pytest

from services.progression.handlers import memory, sweeping
from services.progression.handlers.memory import unpack_key
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
    monkeypatch.setattr(sweeping, "SWEEP_LEARNERS_MAX", 1)
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


async def test_evidence_for_those_whose_history_is_being_read_ahead_is_not_lost(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """Everybody's third piece comes in the order of the sweep, close to where it is, and nothing stays in memory for long."""
    monkeypatch.setattr(sweeping, "SWEEP_LEARNERS", 1)
    monkeypatch.setattr(sweeping, "SWEEP_LEARNERS_MAX", 3)
    monkeypatch.setattr(sweeping, "NAMES", 7)
    monkeypatch.setattr(memory, "KEYS_MIN", 1)
    trim = memory.Shard.trim
    monkeypatch.setattr(memory.Shard, "trim", lambda shard, _, pieces: trim(shard, 1, pieces))
    learners = [f"l{number:03}" for number in range(LEARNERS)]
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(5))
        await progression.send(*[piece(n, learner=learner) for learner in learners for n in range(2)])
        await progression.decide(streak(3))
        for begin in range(0, LEARNERS, 5):
            await progression.send(*[piece(2, learner=learner) for learner in learners[begin : begin + 5]])
        await eventually(lambda: none_is_stale(progression))
        told = await progression.told()
        async with progression.database.connection() as connection:
            rows = await connection.fetch("select state from mastery where tenant = $1", TENANT)

    assert [unpack_key(row[0]).pieces for row in rows] == [3] * LEARNERS
    assert told == ["mastered"] * LEARNERS
