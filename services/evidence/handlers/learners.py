"""Who is meant: the learners that sources name, with a bounded cache."""

import uuid
from collections.abc import Collection, Mapping

from services.evidence.tables import people
from services.evidence.tables.people import Key
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.settings import Settings
from shared.shards import shard_of

IDENTIFY_ATTEMPTS_MAX = 5


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
        async with self._database.connection() as connection:
            found = await self.identify_in(connection, keys)
        self._remember(found)
        return found

    async def identify_in(self, connection: Connection, keys: Collection[Key]) -> dict[Key, tuple[str, int]]:
        """Return what `identify` does, as of the caller's transaction, and remember nothing of it."""
        found: dict[Key, tuple[str, int]] = {}
        missing = set(keys)
        for _ in range(IDENTIFY_ATTEMPTS_MAX):
            if not missing:
                break
            learners = await people.identify(connection, [(*key, str(uuid.uuid4())) for key in missing])
            reach("evidence.identified")
            for key, learner in learners.items():
                found[key] = (learner, shard_of(key[0], learner, self._shards))
            missing -= learners.keys()
        if missing:
            raise Unavailable("identities are being changed by another process; send it again")
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
