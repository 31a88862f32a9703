"""Forgetting a learner: who it was, what was kept privately, and the bodies of the events; no position moves."""

import contextlib
import datetime
import logging
from collections.abc import Callable, Sequence

import msgspec

from services.evidence.domain.roster_facts import assigned_anew
from services.evidence.domain.telling import erased
from services.evidence.handlers.counting import IntakeCounts
from services.evidence.handlers.learners import Learners
from services.evidence.handlers.ledger import Erasure, Ledger
from services.evidence.handlers.merging import Merging, nobody
from services.evidence.tables import accesses, handed_in, kept_events, merges, people, pieces, quarantine, statements
from services.evidence.tables import roster as roster_facts
from shared.contracts.roster_events import ROSTER_ASSIGNMENT
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
    meanwhile, and took back, stays until they are erased; of guardians nothing does. `unreadable` is how much is quarantined of
    the tenant of which it cannot be read whose it is: some may be the learner's, and goes by age, or when all of it is discarded.
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
    unreadable: int


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

    async def erase(self, tenant: str, learner: str, *, by: str, of: Sequence[str] = ()) -> Certificate:
        """
        Erase a learner in one transaction, told by an event each to who reads the logs.

        Batches that identified the learner before either commit first, and are erased with the rest, or start over and
        meet a new learner. The ids of the evidence stay taken, so a source that sends it again is refused. Again it gives the
        same certificate and erases nothing. `of` are ids of what was kept before this was a learner, for the ledger.

        Raises:
            NotFound: the tenant never had such a learner, or it is merged into another.
        """
        async with self._database.transaction() as connection:
            # Nobody is merged, or parted again, from here on: the ledger names whoever is erased, and nobody else.
            await people.lock(connection, tenant)
            if not await people.identities(connection, tenant, learner):
                return await self._erased_before(connection, tenant, learner)
            # First: what is erased and not in the ledger would come back with a restore.
            entry = await self._note(connection, tenant, learner, by, of)
            certificate, appended = await self._erase(connection, entry)
        self._done(learner, appended)
        return certificate

    async def erase_named(self, tenant: str, source: str, source_id: str, *, by: str) -> Certificate:
        """
        Erase whom a source knows by its own id, as `erase` does.

        Of whom there is nothing but what waits, could not be used or was stated becomes a learner first, so that certificate and
        ledger name an opaque id.

        Raises:
            NotFound: nothing is held of anybody by that id.
        """
        name, of = [(source, source_id)], list[str]()
        async with self._database.connection() as connection:
            learner = await people.find(connection, tenant, source, source_id)
            if learner is None:
                of += await quarantine.ids_of(connection, tenant, name)
                of += await statements.keys_of(connection, tenant, name)
        if learner is None:
            if not of:
                raise NotFound("nothing is held of anybody whom that source calls so")
            found = await self._learners.identify([(tenant, source, source_id)])
            learner, _ = found[tenant, source, source_id]
        return await self.erase(tenant, learner, by=by, of=of)

    async def erase_again(self, merging: Merging) -> int:
        """
        Erase whom the ledger names and the database, restored to an earlier time, still has; return how many.

        A merge with somebody who is not in the ledger was undone before the erasure, and is again.
        """
        again = 0
        entries = await self._ledger.entries()
        gone = {(entry.tenant, entry.learner) for entry in entries}
        for entry in entries:
            async with self._database.connection() as connection:
                there = await merges.in_force(connection, entry.tenant, [entry.learner])
            for merge in there:
                if not {(entry.tenant, merge["merged"]), (entry.tenant, merge["kept"])} <= gone:
                    # Another replica that starts at the same time may have done it.
                    with contextlib.suppress(NotFound):
                        await merging.undo(entry.tenant, merge["merge_id"], by=entry.by)
        for entry in entries:
            is_back = await self._erase_known(entry)
            had_rows = bool(entry.of) and await self._erase_rows(entry)
            again += is_back or had_rows
        if again:
            log.warning("%s learners that a restore had brought back are erased again", again)
        return again

    async def erasures(self) -> list[Erasure]:
        """Return everyone who is erased, as the ledger and the database say."""
        found = {(one.tenant, one.learner): one for one in await self._ledger.entries()}
        async with self._database.connection() as connection:
            for row in await people.erased(connection):
                key = row["tenant"], str(row["learner"])
                found.setdefault(key, Erasure(*key, _certificate_of(*key), utc(row["erased_at"]), ""))
        return list(found.values())

    async def _erase_known(self, entry: Erasure) -> bool:
        """Erase whom a line of the ledger names, if that is a learner here; tell whether it was."""
        async with self._database.connection() as connection:
            if not await people.identities(connection, entry.tenant, entry.learner):
                return False
        async with self._database.transaction() as connection:
            await people.lock(connection, entry.tenant)
            # Another replica that starts at the same time may have done it.
            if not await people.identities(connection, entry.tenant, entry.learner):
                return False
            _, appended = await self._erase(connection, entry)
        self._done(entry.learner, appended)
        return True

    async def _erased_before(self, connection: Connection, tenant: str, learner: str) -> Certificate:
        """Return the certificate of who is erased already; raises `NotFound` of anybody else who has no identity."""
        erased_at = await people.erased_at(connection, tenant, learner)
        if erased_at is None:
            raise await nobody(connection, tenant, learner)
        certificate = _certificate_of(tenant, learner)
        stays = await merges.stood_under(connection, tenant, await _everyone(connection, tenant, learner))
        left = await quarantine.count_unreadable(connection, tenant)
        return Certificate(tenant, learner, certificate, utc(erased_at), 0, 0, 0, self._ledger.is_kept, stays, left)

    async def _erase(self, connection: Connection, entry: Erasure) -> tuple[Certificate, list[LogRow]]:
        """Erase a learner in the caller's transaction; return the certificate, and the rows appended."""
        tenant, learner = entry.tenant, entry.learner
        sources = await people.erase(connection, tenant, learner)
        names = [(row["source"], row["source_id"]) for row in sources]
        parked = await quarantine.erase(connection, tenant, learner, names)
        await statements.erase(connection, tenant, names)
        await kept_events.erase(connection, tenant, names)
        await handed_in.erase(connection, tenant, names)
        emptied = await pieces.erase(connection, tenant, learner, parked)
        everyone = await _everyone(connection, tenant, learner)
        await people.forget_roster(connection, tenant, everyone)
        await accesses.forget(connection, tenant, everyone)
        await merges.forget(connection, tenant, everyone)
        stays = await merges.stood_under(connection, tenant, everyone)
        left = await quarantine.count_unreadable(connection, tenant)
        redacted, appended = await self._redact(connection, entry, everyone, stays)
        reach("erasure.redacted")
        certificate = Certificate(
            tenant, learner, entry.certificate, entry.erased_at, len(sources), emptied, redacted, self._ledger.is_kept,
            stays, left,
        )  # fmt: skip
        return certificate, appended

    def _done(self, learner: str, appended: Sequence[LogRow]) -> None:
        """Do what follows the commit of an erasure."""
        reach("erasure.committed")
        self._learners.forget({learner})
        self._written(appended)

    async def _note(self, connection: Connection, tenant: str, learner: str, by: str, of: Sequence[str]) -> Erasure:
        """
        Add to the ledger that a learner is erased, and return it.

        A backup may be of a time before others were merged into the learner, or when what waited was nobody's yet: so those have
        lines of their own, and the line has the ids of what waited.
        """
        names = [(row["source"], row["source_id"]) for row in await people.identities(connection, tenant, learner)]
        waited = await quarantine.ids_of(connection, tenant, names)
        merged = await _everyone(connection, tenant, learner)
        kept = tuple(dict.fromkeys((*waited, *of)))
        entry = Erasure(tenant, learner, _certificate_of(tenant, learner), now(), by, of=kept)
        for one in merged:
            await self._ledger.add(entry if one == learner else msgspec.structs.replace(entry, learner=one, of=()))
        return entry

    async def _erase_rows(self, entry: Erasure) -> bool:
        """Erase what a backup had of somebody who was no learner yet; tell whether there was anything."""
        before = datetime.datetime.fromisoformat(entry.erased_at)
        async with self._database.transaction() as connection:
            kept, parked = await quarantine.erase_ids(connection, entry.tenant, entry.of, before)
            said = await statements.erase_keys(connection, entry.tenant, entry.of, before)
            if parked:
                await pieces.erase(connection, entry.tenant, entry.learner, parked)
        return bool(kept or said)

    async def _redact(
        self, connection: Connection, entry: Erasure, learners: Sequence[str], stays: Sequence[str]
    ) -> tuple[int, list[LogRow]]:
        """
        Empty what the logs say of learners, and append that they are erased; return how many events were emptied.

        Those whom they stood under have had their guardians for a while, and are told anew who is assigned to them.
        """
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
        places = list(drafts)
        for other in stays:
            await roster.redact(connection, shard_of(tenant, other, roster.shards), tenant, other, ROSTER_ASSIGNMENT)
            said = await roster_facts.assignments_of(connection, tenant, other)
            places += assigned_anew(tenant, other, said, entry.erased_at, entry.certificate, roster.shards)
        await self._counts.add_events(connection, tenant, len(drafts))
        return redacted, await append_all(connection, [(evidence, drafts), (roster, places)])


async def _everyone(connection: Connection, tenant: str, learner: str) -> list[str]:
    """Return a learner, and who was merged into the learner and has events under an id of their own still."""
    rows = await merges.in_force(connection, tenant, [learner])
    return list(dict.fromkeys((learner, *(row["merged"] for row in rows))))


def _certificate_of(tenant: str, learner: str) -> str:
    """Return what certifies that a learner is erased: the same on every run."""
    return stable_id(tenant, learner, "erasure")
