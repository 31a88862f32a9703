"""Forgetting what a person of the staff is called; that the person decided or looked is told by the opaque subject still."""

import msgspec

from services.evidence.domain.roster import Name
from services.evidence.handlers.ledger import Erasure, Ledger
from services.evidence.tables import staff_names
from shared.database import Database
from shared.errors import InvalidEvent
from shared.events import now
from shared.shards import stable_id


class Forgotten(msgspec.Struct):
    """Whose name is forgotten; `had_name`: there was one. `certificate` is the same on every run."""

    tenant: str
    person: str
    certificate: str
    had_name: bool
    in_ledger: bool


class StaffNames:
    """Forgets names, and forgets again what a restore brought back."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def forget(self, tenant: str, person: str, *, by: str) -> Forgotten:
        """
        Delete the name of a person until a roster tells it anew; asked again, it stays so.

        Raises:
            InvalidEvent: no roster can have such a subject.
        """
        _check(person)
        certificate = stable_id(tenant, person, "erasure of a name")
        entry = Erasure.of_staff(tenant, person, certificate, now(), by)
        # First, as with learners: what is forgotten and not in the ledger would come back with a restore.
        await self._ledger.add(entry)
        async with self._database.transaction() as connection:
            had_name = await staff_names.forget(connection, tenant, person)
        return Forgotten(tenant, person, certificate, had_name, self._ledger.is_kept)

    async def forget_again(self) -> None:
        """Delete the names that the ledger names and that nothing has told since."""
        for entry in await self._ledger.of_staff():
            async with self._database.transaction() as connection:
                await staff_names.forget(connection, entry.tenant, entry.person, entry.erased_at)


def _check(person: str) -> None:
    # Before the ledger: a line that the database refuses would be refused at every start.
    try:
        msgspec.convert(person, Name)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"not the subject of a person: {error}", pointer="/person") from error
