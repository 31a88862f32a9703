"""Counting what is received and what becomes of it: by tenant, to be held against each other and the log; by source and day."""

import contextlib
import datetime
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from operator import attrgetter

from services.evidence.domain.decisions import Decision
from services.evidence.domain.evidence import Submission
from services.evidence.tables import counts, source_days
from shared.calendars import Calendars
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.reconciliation import Comparison, Tally, compare

SLOTS = 16
OUTCOMES = ("accepted", "duplicate", "corrected", "parked", "rejected")
Refused = Counter[tuple[str, str | None]]
"""Items by tenant and source; no source for those that did not come but were tried again."""
Became = Mapping[tuple[str, str, str], int]
"""Items by tenant, source and status."""

# A batch is counted without a step of the interpreter an item.
_tenant_and_source = attrgetter("command.tenant", "command.content.source")
_status = attrgetter("status")
_tenant = attrgetter("tenant")


class IntakeCounts:
    """
    Counts of this process, stored in the transaction that stores the items.

    Items that are refused before anything is stored wait for the next batch; a crash takes them back whole.
    """

    def __init__(self, calendars: Calendars) -> None:
        self._slot = random.randrange(SLOTS)
        self._refused: Refused = Counter()
        self._calendars = calendars

    def refused(self, tenant: str, source: str | None, items: int) -> None:
        """Count items that were refused at the door; `source` as in `Refused`."""
        if items:
            self._refused[tenant, source] += items

    @contextlib.asynccontextmanager
    async def storing(self) -> AsyncIterator[Refused]:
        """Lend what was refused and is not stored yet, for one transaction; it is kept where that fails."""
        lent, self._refused = self._refused, Counter()
        try:
            yield lent
        except BaseException:
            self._refused += lent
            raise

    async def add(
        self, connection: Connection, refused: Refused, submissions: Sequence[Submission], decision: Decision, *,
        again: Sequence[bool], now: datetime.datetime,
    ) -> None:  # fmt: skip
        """
        Add a batch. What came and what became of it are counted apart, to be held against each other.

        Args:
            again: for each submission whether it came on another day and is tried again; empty where none is.
            now: when the others came; of which day that is the tenant's calendar says.
        """
        origins = list(map(_tenant_and_source, submissions))
        statuses = list(map(_status, decision.outcomes))
        became = _became(zip(origins, statuses, strict=False))
        found = _of_tenants(refused)
        for (tenant, _), items in Counter(origins).items():
            found.setdefault(tenant, Counter())["received"] += items
        for (tenant, _, status), items in became.items():
            found[tenant][status] += items
        for tenant, events in Counter(map(_tenant, decision.drafts)).items():
            found[tenant]["events"] += events
        await counts.add(connection, self._slot, found)
        if any(again):
            became = _became((o, s) for o, s, tried in zip(origins, statuses, again, strict=False) if not tried)
        await self._add_days(connection, now, _arrivals(became, refused))

    async def add_events(self, connection: Connection, tenant: str, events: int) -> None:
        """Count events that no new item brought: pieces that were recorded anew."""
        if events:
            await counts.add(connection, self._slot, {tenant: Counter(events=events)})

    async def store_refused(self, database: Database) -> None:
        """Store what was refused while nothing else came; raises `Unavailable`."""
        if self._refused:
            now = datetime.datetime.now(datetime.UTC)
            async with self.storing() as refused, database.transaction() as connection:
                await counts.add(connection, self._slot, _of_tenants(refused))
                await self._add_days(connection, now, _arrivals({}, refused))

    async def _add_days(self, connection: Connection, now: datetime.datetime, arrivals: source_days.Arrivals) -> None:
        days = {tenant: self._calendars.known(tenant).day_of(now) for tenant, _, _ in arrivals}
        await source_days.add(connection, self._slot, days, arrivals)


def _became(items: Iterable[tuple[tuple[str, str], str]]) -> Became:
    return {(*origin, status): number for (origin, status), number in Counter(items).items()}


def _of_tenants(refused: Refused) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for (tenant, _), items in refused.items():
        found.setdefault(tenant, Counter()).update(received=items, rejected=items)
    return found


def _arrivals(became: Became, refused: Refused) -> Counter[tuple[str, str, str]]:
    """Return what came, by what became of it; what was corrected is accepted."""
    found: Counter[tuple[str, str, str]] = Counter()
    for (tenant, source, status), items in became.items():
        found[tenant, source, "accepted" if status == "corrected" else status] += items
    for (tenant, origin), items in refused.items():
        if origin is not None:
            found[tenant, origin, "rejected"] += items
    return found


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
        async with self._database.instant() as connection:
            totals = await counts.totals(connection)
            held = await self._tally.at(connection, await self._heads(connection))
        return compare("logged", {tenant: found["events"] for tenant, found in totals.items()}, held)

    async def _heads(self, connection: Connection) -> dict[int, int]:
        return {shard: head.pos for shard, head in (await self._log.heads(connection)).items()}
