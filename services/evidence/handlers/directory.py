"""Who is meant, and what is meant: identities of learners and known competencies, each with a bounded cache."""

import uuid
from collections.abc import Collection, Iterable, Mapping

from services.evidence.tables import curriculum, people
from services.evidence.tables.people import Key
from shared.crash_points import reach
from shared.database import Database
from shared.errors import Unavailable
from shared.settings import Settings
from shared.shards import shard_of

IDENTIFY_ATTEMPTS_MAX = 5
KNOWN_COMPETENCIES_MAX = 200_000


class Learners:
    """Learners by (tenant, source, source id): an opaque random id each, and its shard."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._shards = settings.shards
        self._keys_max = settings.cache_identities
        self.known: dict[Key, tuple[str, int]] = {}
        """The cache, to be read by the hot loop; what is missing is asked of `identify`."""
        self._moves: dict[str, int] = {}

    async def identify(self, keys: Collection[Key]) -> dict[Key, tuple[str, int]]:
        """
        Return learner and shard of every key; those not met before become learners.

        Safe to race with other replicas: the primary key decides which proposal is taken.
        """
        found: dict[Key, tuple[str, int]] = {}
        missing = set(keys)
        for _ in range(IDENTIFY_ATTEMPTS_MAX):
            if not missing:
                break
            async with self._database.connection() as connection:
                learners = await people.identify(connection, [(*key, str(uuid.uuid4())) for key in missing])
            reach("evidence.identified")
            for key, learner in learners.items():
                found[key] = (learner, shard_of(key[0], learner, self._shards))
            missing -= learners.keys()
        if missing:
            raise Unavailable("identities are being changed by another process; send it again")
        self._remember(found)
        return found

    def moves(self, tenant: str) -> int:
        """Return how often identities of the tenant had moved when they were read, as far as anyone told."""
        return self._moves.get(tenant, 0)

    def refresh(self, moves: Mapping[str, int]) -> None:
        """Drop what is cached of tenants whose identities moved this often by now."""
        self.forget_tenants(moves.keys())
        self._moves |= moves

    def forget_tenants(self, tenants: Collection[str]) -> None:
        """Drop tenants from the cache."""
        for key in [key for key in self.known if key[0] in tenants]:
            del self.known[key]

    def forget(self, learners: Collection[str]) -> None:
        """Drop learners from the cache."""
        for key in [key for key, (learner, _) in self.known.items() if learner in learners]:
            del self.known[key]

    def _remember(self, found: dict[Key, tuple[str, int]]) -> None:
        self.known.update(found)
        surplus = len(self.known) - self._keys_max
        if surplus > 0:
            for key in [key for key, _ in zip(self.known, range(surplus), strict=False)]:
                del self.known[key]


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
