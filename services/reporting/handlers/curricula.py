"""The standards and prerequisites of framework versions, kept in memory: a version never changes once it is current."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from services.reporting.domain.continuum import Standard
from services.reporting.tables.at_once import Frameworks
from services.reporting.tables.reads import Snapshot, Version, snapshot
from shared.database import Database

KEPT = 32
"""Sets of frameworks; one of 5,000 standards is about 3 MB."""


class Curriculum(NamedTuple):
    """The current version of some frameworks: competencies, and by full id the direct prerequisites and the titles."""

    standards: list[Standard]
    prerequisites: dict[str, list[str]]
    titles: dict[str, str]


class Curricula:
    """Reads each set of framework versions once; whoever has one must not change it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Curriculum] = OrderedDict()

    async def of(self, view: Snapshot, tenant: str, frameworks: Collection[str] | None) -> Curriculum:
        """Return the frameworks as the snapshot has them; with None, all of the tenant."""
        versions = await view.framework_versions(tenant, frameworks)
        live = view.live["curriculum"]
        found = self._find(live, tenant, versions)
        if found is None:
            found = await _read(view, tenant, [framework for framework, _ in versions])
            self._kept[live, tenant, *versions] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    async def at(
        self, database: Database, tenant: str, current: Frameworks, frameworks: Collection[str] | None
    ) -> Curriculum:
        """Return the frameworks in their versions of `current`, or where those are not kept here, of now."""
        versions = [each for each in current.versions if frameworks is None or each[0] in frameworks]
        found = self._find(current.live, tenant, versions)
        if found is not None:
            return found
        async with snapshot(database) as view:
            return await self.of(view, tenant, frameworks)

    def _find(self, live: int, tenant: str, versions: Sequence[Version]) -> Curriculum | None:
        key = (live, tenant, *versions)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)


async def _read(view: Snapshot, tenant: str, frameworks: list[str]) -> Curriculum:
    standards = [Standard(*row) for row in await view.competencies(tenant, frameworks)]
    prerequisites: dict[str, list[str]] = {}
    for framework, origin, destination in await view.prerequisites(tenant, frameworks):
        prerequisites.setdefault(f"{framework}:{destination}", []).append(f"{framework}:{origin}")
    return Curriculum(standards, prerequisites, {standard.competency: standard.title for standard in standards})
