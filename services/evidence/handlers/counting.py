"""Counting what is received and what becomes of it, by tenant, and holding the counts against each other and the log."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from services.evidence.domain.decisions import Decision
from services.evidence.domain.evidence import Submission
from services.evidence.tables import counts
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.reconciliation import Comparison, Tally, compare, one_instant

SLOTS = 16
OUTCOMES = ("accepted", "duplicate", "corrected", "parked", "rejected")


class IntakeCounts:
    """
    Counts of this process, stored in the transaction that stores the items.

    Items that are refused before anything is stored wait for the next batch; a crash takes them back whole.
    """

    def __init__(self) -> None:
        self._slot = random.randrange(SLOTS)
        self._refused: Counter[str] = Counter()

    def refused(self, tenant: str, items: int) -> None:
        """Count items that were refused at the door."""
        if items:
            self._refused[tenant] += items

    @contextlib.asynccontextmanager
    async def storing(self) -> AsyncIterator[Counter[str]]:
        """Lend what was refused and is not stored yet, for one transaction; it is kept where that fails."""
        lent, self._refused = self._refused, Counter()
        try:
            yield lent
        except BaseException:
            self._refused += lent
            raise

    async def add(
        self, connection: Connection, refused: Counter[str], submissions: Sequence[Submission], decision: Decision
    ) -> None:
        """Add a batch. What came and what became of it are counted apart, to be held against each other."""
        found = {tenant: Counter(received=items, rejected=items) for tenant, items in refused.items()}
        for submission in submissions:
            found.setdefault(submission.command.tenant, Counter())["received"] += 1
        for submission, outcome in zip(submissions, decision.outcomes, strict=False):
            found[submission.command.tenant][outcome.status] += 1
        for draft in decision.drafts:
            found[draft.tenant]["events"] += 1
        await counts.add(connection, self._slot, found)

    async def add_events(self, connection: Connection, tenant: str, events: int) -> None:
        """Count events that no new item brought: pieces that were recorded anew."""
        if events:
            await counts.add(connection, self._slot, {tenant: Counter(events=events)})

    async def store_refused(self, database: Database) -> None:
        """Store what was refused while nothing else came; raises `Unavailable`."""
        if self._refused:
            async with self.storing() as refused, database.transaction() as connection:
                await counts.add(
                    connection,
                    self._slot,
                    {tenant: {"received": items, "rejected": items} for tenant, items in refused.items()},
                )


class IntakeChecks:
    """The stages of evidence: every item has one outcome, and every event that was appended is in the log."""

    def __init__(self, database: Database, log: EventLog, tally: Tally, counted: IntakeCounts) -> None:
        self._database = database
        self._log = log
        self._tally = tally
        self._counted = counted

    async def received(self) -> list[Comparison]:
        """Hold the items received against those with an outcome."""
        await self._counted.store_refused(self._database)
        async with self._database.connection() as connection:
            totals = await counts.totals(connection)
        return compare(
            "received",
            {tenant: found["received"] for tenant, found in totals.items()},
            {tenant: sum(found[outcome] for outcome in OUTCOMES) for tenant, found in totals.items()},
        )

    async def logged(self) -> list[Comparison]:
        """Hold the events appended against those in the log."""
        async with self._database.transaction() as connection:
            await self._tally.keep(connection, await self._heads(connection))
        async with one_instant(self._database) as connection:
            totals = await counts.totals(connection)
            held = await self._tally.at(connection, await self._heads(connection))
        return compare("logged", {tenant: found["events"] for tenant, found in totals.items()}, held)

    async def _heads(self, connection: Connection) -> dict[int, int]:
        return {shard: head.pos for shard, head in (await self._log.heads(connection)).items()}
