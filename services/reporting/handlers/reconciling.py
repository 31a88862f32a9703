"""Holding reporting against what progression told it: every event of the log progression is folded into the live states."""

from collections import Counter

from services.reporting.tables.reads import snapshot
from shared.database import Database
from shared.feed import FeedClient
from shared.reconciliation import Comparison, compare


class ShownCheck:
    """The stage of reporting."""

    def __init__(self, database: Database, progression: FeedClient) -> None:
        self._database = database
        self._progression = progression

    async def shown(self) -> list[Comparison]:
        """Hold the events told up to where the live version is against those that were folded into it."""
        async with snapshot(self._database) as view:
            positions = await view.positions("mastery")
            counted = await view.folded_counts()
        folded = Counter[str]()
        began = dict.fromkeys(positions, 0)
        for shard, tenant, events in counted:
            if tenant:
                folded[tenant] += events
            else:
                began[shard] = -events
        told = Counter(await self._progression.counts("progression", {s: head.pos for s, head in positions.items()}))
        if any(began.values()):
            told.subtract(await self._progression.counts("progression", began))
        return compare("shown", told, folded)
