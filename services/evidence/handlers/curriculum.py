"""What is meant: the competencies of the frameworks that progression publishes, and those that are retired."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from services.evidence.tables import curriculum
from shared.contracts.internal_events import FRAMEWORK_PUBLISHED, FrameworkPublished
from shared.database import Connection, Database
from shared.handling import Settle, ShardBatch, Stateless, Write

KNOWN_COMPETENCIES_MAX = 200_000

_decode = msgspec.json.Decoder(FrameworkPublished).decode


class Competencies:
    """
    Competencies that the frameworks of a tenant have.

    Only presence is cached, until `forget`: what is not in the cache is looked up, since another replica may have folded
    it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.known: set[tuple[str, str]] = set()
        """The cache of (tenant, competency), to be read by the hot loop; what is missing is asked of `find`."""
        self._identified: dict[tuple[str, str], str] = {}

    async def find(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Return those of (tenant, competency) that are known, and whether each is retired."""
        asked = sorted(set(wanted))
        if not asked:
            return {}
        async with self._database.connection() as connection:
            found = await curriculum.among(connection, asked)
        if len(self.known) + len(found) > KNOWN_COMPETENCIES_MAX:
            self.forget()
        self.known |= {competency for competency, retired in found.items() if not retired}
        return found

    async def name(self, tenant: str, names: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Return the id of each competency that is known by its id or identifier, and whether it is retired."""
        given = set(names)
        named = {name: (name, False) for name in given if (tenant, name) in self.known}
        named |= {name: (self._identified[tenant, name], False) for name in given if (tenant, name) in self._identified}
        if len(named) == len(given):
            return named
        found = await self.find((tenant, name) for name in given - named.keys())
        named |= {competency: (competency, retired) for (_, competency), retired in found.items()}
        unknown = given - named.keys()
        if unknown:
            async with self._database.connection() as connection:
                ids = await curriculum.identified(connection, sorted((tenant, name) for name in unknown))
            states = await self.find((tenant, id) for id in ids.values())
            named |= {name: (id, states[tenant, id]) for (_, name), id in ids.items()}
            self._identified |= {key: id for key, id in ids.items() if not states[tenant, id]}
        return named

    def forget(self) -> None:
        """Drop the cache: some may have been retired."""
        self.known.clear()
        self._identified.clear()


class CurriculumHandler(Stateless):
    """Folds the log of frameworks into the table of competencies; `changed` is called after each commit."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Return what adds and retires competencies; nothing is cached here, so nothing is read."""
        told: list[tuple[str, FrameworkPublished]] = [
            (event.tenant, _decode(event.data))
            for batch in batches
            for event in batch.events
            if event.type == FRAMEWORK_PUBLISHED
        ]

        async def write(connection: Connection) -> None:
            # Versions one by one, in their order: a later one may bring back what an earlier one retires.
            for tenant, part in told:
                framework, version = part.framework, part.version
                added: list[tuple[str, str, str, bool, str | None]] = [
                    (tenant, f"{framework}:{c.code}", version, False, c.identifier or c.code) for c in part.competencies
                ]
                added += [(tenant, f"{framework}:{code}", version, True, None) for code in part.retired]
                if added:
                    await curriculum.add(connection, added)
                if part.part == part.parts:
                    await curriculum.retire(connection, [(tenant, part.framework, part.version)])

        return write

    def committed(self) -> None:
        """Let parked pieces flow."""
        self._changed()
