"""How much of the time a handler's own work takes, on a clock of the test."""

from typing import Any, cast

import pytest

from shared import folding
from shared.folding import ARRIVING_S, Owned, ShardFolder
from shared.handling import ShardBatch
from shared.settings import Settings

BATCH_S = 0.03


class Clock:
    """Stands where the folder looks for the time."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Endless:
    """A handler with work of its own that never ends."""

    def pending(self, shards: list[int]) -> list[int]:
        return shards


class Folder(ShardFolder):
    """Owns a shard; a batch takes 30 ms, in which nothing is done."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("c", "log", cast(Any, None), cast(Any, Endless()), Settings())
        self.clock = clock
        self.shard = Owned(epoch=1, generation=0, pos=0, inbox_pos=0, next_offset=0, heard_at=clock.now)
        self._owned = {0: self.shard}

    async def _fold(self, batches: list[ShardBatch]) -> None:
        self.clock.now += BATCH_S

    async def share_of(self, seconds: float, *, arriving: bool) -> float:
        """Return the share of the time that own work takes of it, asked for every millisecond."""
        end, worked = self.clock.now + seconds, 0.0
        while self.clock.now < end:
            if arriving:
                self.shard.heard_at = self.clock.now
            before = self.clock.now
            await self._fold_own_work()
            worked += self.clock.now - before
            self.clock.now += 0.001
        return worked / seconds


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Folder:
    clock = Clock()
    monkeypatch.setattr(folding, "time", clock)
    return Folder(clock)


async def test_events_that_arrive_get_half_of_the_time(folder: Folder) -> None:
    share = await folder.share_of(20, arriving=True)
    assert 0.45 < share < 0.51


async def test_own_work_hardly_rests_where_nothing_arrives(folder: Folder) -> None:
    await folder.share_of(ARRIVING_S + 0.1, arriving=False)
    assert await folder.share_of(5, arriving=False) > 0.85
