"""Up to which positions of the logs the read models are, for who waits until they show something."""

import asyncio
from collections.abc import Awaitable, Callable

from services.reporting.tables.read_models import INPUT_LOGS
from services.reporting.tables.reads import Snapshot, snapshot
from shared.database import Database
from shared.errors import Gone, InvalidEvent
from shared.event_log import Head
from shared.events import Position
from shared.feed import FeedClient
from shared.settings import Settings

MODEL_OF_LOG = {log: model for model, log in INPUT_LOGS.items()}
TOLD_BESIDE = ("advancement", "support")
"""The read models of what evidence brings beside states."""


class Positions:
    """Tells how far the read models are; `progression` is asked how much follows from evidence."""

    def __init__(self, database: Database, settings: Settings, progression: FeedClient) -> None:
        self._database = database
        self._settings = settings
        self._progression = progression

    def reaching(self, position: Position) -> Callable[[], Awaitable[bool]]:
        """
        Return what tells, asked again and again, whether all read models show what a position token stands for.

        Raises:
            InvalidEvent: no read model follows from that log, or the shard does not exist.

        What is returned raises:
            Gone: the token is of an earlier generation.
            Unavailable: progression does not say how much follows from evidence.
        """
        if not 0 <= position.shard < self._settings.shards:
            raise InvalidEvent(f"shard {position.shard} is not in 0..{self._settings.shards - 1}", pointer="/wait")
        following: dict[str, int] = {}

        async def reached() -> bool:
            async with snapshot(self._database) as view:
                head = await _head(view, position)
                shown = [(await view.position(each, position.shard)).pos >= pos for each, pos in following.items()]
            if head.generation > position.generation:
                raise Gone(f"the position is of generation {position.generation}, the log is in {head.generation}")
            if not all(shown) or (head.generation, head.pos) < (position.generation, position.pos):
                return False
            if position.log == "evidence" and not following:
                following.update(await self._heads(position.shard))
                return await reached()
            return True

        return reached

    async def _heads(self, shard: int) -> dict[str, int]:
        """
        Return how far the logs of `TOLD_BESIDE` go in a shard, by read model.

        They are told in one transaction with the checkpoint, so once that is here their heads cover what follows from it.
        """
        heads = await asyncio.gather(*(self._progression.heads(INPUT_LOGS[model]) for model in TOLD_BESIDE))
        return {model: told[shard].pos for model, told in zip(TOLD_BESIDE, heads, strict=True)}

    async def evidence_position(self, shard: int) -> Head:
        """Return up to which position of the evidence log the states that follow from it are shown."""
        async with snapshot(self._database) as view:
            return await view.evidence_position(shard)


async def _head(view: Snapshot, position: Position) -> Head:
    if position.log == "evidence":
        return await view.evidence_position(position.shard)
    model = MODEL_OF_LOG.get(position.log)
    if model is None:
        raise InvalidEvent(f"no read model follows from log {position.log[:60]!r}", pointer="/wait")
    return await view.position(model, position.shard)
