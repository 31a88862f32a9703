"""Forgetting a learner: who it was, what was kept privately, and the bodies of the events; no position moves."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from services.evidence.domain.telling import erased
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.learners import Learners
from services.evidence.handlers.ledger import Erasure, Ledger
from services.evidence.tables import accesses, handed_in, kept_events, merges, people, pieces, quarantine, statements
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import NotFound
from shared.event_log import EventLog, LogRow, append_all
from shared.events import now, utc
from shared.shards import shard_of, stable_id

log = logging.getLogger(__name__)


class Certificate(msgspec.Struct):
    """
    What was erased. `certificate` is the same for the same learner, on every run; `in_ledger`: kept outside backups.

    `stays_under` names the learners whom this one was merged into until that was undone: what their logs told of the pieces
    meanwhile, and took back, stays until they are erased.
    """

    tenant: str
    learner: str
    certificate: str
    erased_at: str
    identities: int
    evidence: int
    events: int
    in_ledger: bool
    stays_under: list[str]


class Erasing:
    """Erases learners, and erases again who a restore brought back; `logs` begins with that of evidence and the roster's."""

    def __init__(
        self, database: Database, logs: Sequence[EventLog], learners: Learners, counts: IntakeCounts, ledger: Ledger,
        written: Callable[[Sequence[LogRow]], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._logs = logs
        self._learners = learners
        self._counts = counts
        self._ledger = ledger
        self._written = written

    async def erase(self, tenant: str, learner: str, *, by: str) -> Certificate:
        """
        Erase a learner in one transaction, told by an event each to who reads the logs.

        Batches that identified the learner before either commit first, and are erased with the rest, or start over and
        meet a new learner. The ids of the evidence stay taken, so a source that sends it again is refused. Again it gives the
        same certificate and erases nothing.

        Raises:
            NotFound: the tenant never had such a learner.
        """
        async with self._database.connection() as connection:
            is_known = bool(await people.identities(connection, tenant, learner))
            erased_at = None if is_known else await people.erased_at(connection, tenant, learner)
            if erased_at is not None:
                certificate = stable_id(tenant, learner, "erasure")
                stays = await merges.stood_under(connection, tenant, await _everyone(connection, tenant, learner))
                return Certificate(tenant, learner, certificate, utc(erased_at), 0, 0, 0, self._ledger.is_kept, stays)
        if not is_known:
            raise NotFound("no such learner")
        time = now()
        entry = Erasure(tenant, learner, stable_id(tenant, learner, "erasure"), time, by)
        # First: what is erased and not in the ledger would come back with a restore.
        await self._ledger.add(entry)
        return await self._erase(entry)

    async def erase_again(self) -> int:
        """Erase whom the ledger names and the database, restored to an earlier time, still knows; return how many."""
        again = 0
        for entry in await self._ledger.entries():
            async with self._database.connection() as connection:
                is_known = await people.identities(connection, entry.tenant, entry.learner)
            if is_known:
                await self._erase(entry)
                again += 1
        if again:
            log.warning("%s learners that a restore had brought back are erased again", again)
        return again

    async def erasures(self) -> list[Erasure]:
        """Return everyone who is erased, as the ledger and the database say."""
        found = {(one.tenant, one.learner): one for one in await self._ledger.entries()}
        async with self._database.connection() as connection:
            for row in await people.erased(connection):
                key = row["tenant"], str(row["learner"])
                at = utc(row["erased_at"])
                found.setdefault(key, Erasure(*key, stable_id(*key, "erasure"), at, ""))
        return list(found.values())

    async def _erase(self, entry: Erasure) -> Certificate:
        tenant, learner = entry.tenant, entry.learner
        async with self._database.transaction() as connection:
            sources = await people.erase(connection, tenant, learner)
            if not sources:
                raise NotFound("no such learner")
            names = [(row["source"], row["source_id"]) for row in sources]
            parked = await quarantine.erase(connection, tenant, names)
            await statements.erase(connection, tenant, names)
            await kept_events.erase(connection, tenant, names)
            await handed_in.erase(connection, tenant, names)
            emptied = await pieces.erase(connection, tenant, learner, parked)
            everyone = await _everyone(connection, tenant, learner)
            await people.forget_roster(connection, tenant, everyone)
            await accesses.forget(connection, tenant, everyone)
            await merges.forget(connection, tenant, everyone)
            stays = await merges.stood_under(connection, tenant, everyone)
            redacted, appended = await self._redact(connection, entry, everyone)
            reach("erasure.redacted")
        reach("erasure.committed")
        self._learners.forget({learner})
        self._written(appended)
        return Certificate(
            tenant, learner, entry.certificate, entry.erased_at, len(sources), emptied, redacted, self._ledger.is_kept,
            stays,
        )  # fmt: skip

    async def _redact(
        self, connection: Connection, entry: Erasure, learners: Sequence[str]
    ) -> tuple[int, list[LogRow]]:
        """Empty what the logs say of learners, and append that they are erased; return how many events were emptied."""
        redacted = 0
        tenant = entry.tenant
        for log in self._logs:
            for one in learners:
                redacted += await log.redact(connection, shard_of(tenant, one, log.shards), tenant, one)
        evidence, roster = self._logs[0], self._logs[1]
        drafts = [
            erased(tenant, one, shard_of(tenant, one, evidence.shards), entry.erased_at, entry.certificate)
            for one in learners
        ]
        await self._counts.add_events(connection, tenant, len(drafts))
        return redacted, await append_all(connection, [(evidence, drafts), (roster, drafts)])


async def forget_rest(connection: Connection, tenant: str) -> int:
    """
    Delete what is kept of an ended tenant, of whomever it is: what waits, what could not be used, statements, events.

    Who never was a learner here is in nothing else. The ids stay taken. Returns how many pieces waited or could not be used.
    """
    sources = await quarantine.waiting_sources(connection, tenant)
    await pieces.lock_forests(connection, [(tenant, source) for source in sources])
    kept = await quarantine.discard_all(connection, tenant)
    await pieces.erase_nobodys(connection, tenant)
    await statements.erase_all(connection, tenant)
    await kept_events.erase_all(connection, tenant)
    return kept


async def _everyone(connection: Connection, tenant: str, learner: str) -> list[str]:
    """Return a learner, and who was merged into the learner and has events under an id of their own still."""
    rows = await merges.in_force(connection, tenant, [learner])
    return list(dict.fromkeys((learner, *(str(row["merged"]) for row in rows))))
