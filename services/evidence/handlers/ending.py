"""Ending a tenant: what is kept of nobody in particular goes with it, and goes again where a restore brought it back."""

import datetime
import logging

import msgspec

from services.evidence.handlers.ledger import Erasure, Ledger
from services.evidence.tables import accesses, kept_events, keys, pieces, quarantine, statements, tenants
from shared.database import Connection, Database
from shared.events import now
from shared.shards import stable_id

log = logging.getLogger(__name__)


class Ending:
    """Ends tenants whose learners and names of staff are forgotten, each by a line of the ledger of their own."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def end(self, tenant: str, *, by: str) -> int:
        """
        Delete what waits, what could not be used, and what statements and events say, of whomever it is; revoke the keys.

        The ids stay taken. Whoever begins the tenant anew keeps what comes from then on. Returns how many pieces waited or could
        not be used.
        """
        entry = Erasure.of_tenant(tenant, stable_id(tenant, "end of a tenant"), now(), by)
        # First, as with learners: what is deleted and not in the ledger would come back with a restore.
        await self._ledger.add(entry)
        async with self._database.transaction() as connection:
            deleted = await _forget(connection, entry)
            await accesses.add(connection, tenant, by, "erasure", f"quarantine: {deleted}")
        return deleted

    async def end_again(self) -> None:
        """End the tenants of the ledger of which the database, restored to an earlier time, still has something."""
        for entry in await self.ended():
            if entry.left:
                async with self._database.transaction() as connection:
                    await _forget(connection, entry)
                log.warning("tenant %s, which a restore had brought back, is ended again", entry.tenant)

    async def ended(self) -> list[Erasure]:
        """Return the tenants that the ledger says are ended, with how much of each is `left` from before."""
        entries = await self._ledger.of_tenants()
        async with self._database.connection() as connection:
            return [
                msgspec.structs.replace(one, left=await tenants.left(connection, one.tenant, _at(one)))
                for one in entries
            ]


async def _forget(connection: Connection, entry: Erasure) -> int:
    tenant, before = entry.tenant, _at(entry)
    sources = await quarantine.waiting_sources(connection, tenant)
    await pieces.lock_forests(connection, [(tenant, source) for source in sources])
    deleted = await quarantine.discard_all(connection, tenant, before)
    await pieces.erase_nobodys(connection, tenant, before)
    await statements.erase_all(connection, tenant, before)
    await kept_events.erase_all(connection, tenant, before)
    await keys.revoke_before(connection, tenant, before)
    return deleted


def _at(entry: Erasure) -> datetime.datetime:
    return datetime.datetime.fromisoformat(entry.erased_at)
