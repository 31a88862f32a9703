"""The alignment map: asked at intake, published in versions."""

import datetime
from collections.abc import Collection, Mapping, Sequence

import msgspec

from services.evidence.domain.alignment import Alignment, Dated, Entry, Target, check_source, in_force, named
from services.evidence.domain.evidence import Evidence, Park
from services.evidence.handlers.curriculum import Competencies
from services.evidence.tables import alignments
from shared.crash_points import reach
from shared.database import Database

CACHE_ENTRIES_MAX = 100_000
Key = tuple[str, str, str]
"""Tenant, source, id."""


class Published(msgspec.Struct):
    """The version of the map after a publication, and how many entries said something new."""

    version: int
    changed: int
    unchanged: int


class Alignments:
    """The map of every tenant, with a bounded cache of what was asked; `forget` drops a tenant's."""

    def __init__(self, database: Database, competencies: Competencies) -> None:
        self._database = database
        self._competencies = competencies
        self._seen: dict[str, int] = {}
        self._entries: dict[Key, Sequence[Dated]] = {}

    async def publish(self, tenant: str, given: Sequence[Entry], *, origin: str, by: str) -> Published:
        """
        Publish entries as one version of the map; what they say already is no news.

        Raises:
            InvalidEvent: an entry is not of its form; nothing is published.
        """
        for place, entry in enumerate(given):
            check_source(entry, place)
        now = datetime.datetime.now(datetime.UTC)
        async with self._database.transaction() as connection:
            version, changed = await alignments.publish(connection, tenant, given, origin, by, now)
            reach("alignment.stored")
        self.forget({tenant})
        return Published(version, changed, len(given) - changed)

    def forget(self, tenants: Collection[str]) -> None:
        """Drop what is cached of tenants."""
        for key in [key for key in self._entries if key[0] in tenants]:
            del self._entries[key]
        for tenant in tenants:
            self._seen.pop(tenant, None)

    async def align(self, tenant: str, contents: Mapping[int, Evidence]) -> dict[int, Alignment | Park]:
        """Return what the map says of pieces that name no competency themselves, or why they have to wait."""
        seen, entries = await self._look_up(tenant, contents.values())
        targets: dict[int, tuple[int, tuple[Target, ...]]] = {}
        for index, content in contents.items():
            dated = in_force(entries[_key(tenant, content)], content.source, content.occurred_at)
            if dated is not None:
                targets[index] = dated.version, dated.targets
            elif content.standard is not None:
                targets[index] = 0, (Target(content.standard),)
        names = {target.competency for _, several in targets.values() for target in several}
        ids = await self._competencies.name(tenant, names)
        return {index: self._say(content, seen, targets.get(index), ids) for index, content in contents.items()}

    def _say(
        self, content: Evidence, seen: int, found: tuple[int, tuple[Target, ...]] | None,
        ids: Mapping[str, tuple[str, bool]],
    ) -> Alignment | Park:  # fmt: skip
        key = content.align_by
        assert key is not None
        if found is None:
            return Park("unaligned", "/activity", None, key, seen)
        version, targets = found
        for target in targets:
            known = ids.get(target.competency)
            if known is None:
                return Park("unknown_competency" if version else "unaligned", "/activity", target.competency, key, seen)
            if known[1] and content.supersedes is None:
                return Park("retired_competency", "/activity", target.competency, key, seen)
        return Alignment(key, version, seen, named(targets, {name: id for name, (id, _) in ids.items()}))

    async def _look_up(self, tenant: str, contents: Collection[Evidence]) -> tuple[int, Mapping[Key, Sequence[Dated]]]:
        keys = {_key(tenant, content) for content in contents}
        missing = keys - self._entries.keys()
        if missing or tenant not in self._seen:
            async with self._database.connection() as connection:
                # The version first: what is read after it may be newer, and is then refused as stale.
                seen = (await alignments.heads(connection, [tenant])).get(tenant, 0)
                if self._seen.get(tenant, seen) != seen:
                    self.forget({tenant})
                    missing = keys
                found = await alignments.entries(connection, sorted(missing))
            if len(self._entries) + len(missing) > CACHE_ENTRIES_MAX:
                self._entries.clear()
            self._seen[tenant] = seen
            self._entries |= {key: found.get(key, ()) for key in missing}
        return self._seen[tenant], {key: self._entries.get(key, ()) for key in keys}


def _key(tenant: str, content: Evidence) -> Key:
    assert content.align_by is not None
    return tenant, content.source, content.align_by
