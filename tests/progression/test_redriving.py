"""A learner who was set apart and is redriven ends where everybody else is, and nothing false is told on the way."""

import pytest

from services.progression.domain.shard_fold import ShardFold
from tests.progression.test_sweeping import streak
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers


async def is_apart(progression: HandFed) -> bool:
    async with progression.database.connection() as connection:
        return bool(await connection.fetchval("select count(*) from blocked_learner"))


async def redrive(progression: HandFed, learner: str) -> None:
    """Redrive a learner; returns once it is folded again."""
    positions = await progression.decisions.redrive(TENANT, learner)
    await eventually(lambda: progression.decisions.folded(positions))
    assert not await is_apart(progression)


async def has_told(progression: HandFed, *events: str) -> bool:
    return await progression.told() == list(events)


async def test_who_is_set_apart_by_a_refold_and_redriven_is_told_nothing_twice(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(3))
        await progression.send(*[piece(n, learner="ada") for n in range(3)])
        await eventually(lambda: has_told(progression, "mastered"))
        with monkeypatch.context() as broken:
            broken.setattr(ShardFold, "_refold_for", lambda *_: 1 / 0)
            await progression.decide(streak(2))
            await eventually(lambda: is_apart(progression))
        await redrive(progression, "ada")

        assert await progression.told() == ["mastered"]
