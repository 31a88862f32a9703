"""The standards and prerequisites of framework versions, kept in memory: a version never changes once it is current."""

from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from services.reporting.domain.continuum import Standard
from services.reporting.tables.reads import Snapshot

KEPT = 32
"""Sets of frameworks; one of 5,000 standards is about 3 MB."""


class Curriculum(NamedTuple):
    """The current version of some frameworks: its competencies, and the direct prerequisites of each by full id."""

    standards: list[Standard]
    prerequisites: dict[str, list[str]]


class Curricula:
    """Reads each set of framework versions once; whoever has one must not change it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Curriculum] = OrderedDict()

    async def of(self, view: Snapshot, tenant: str, frameworks: Collection[str] | None) -> Curriculum:
        """Return the frameworks as the snapshot has them; with None, all of the tenant."""
        versions = await view.framework_versions(tenant, frameworks)
        key = (view.live["curriculum"], tenant, *(tuple(row) for row in versions))
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = await _read(view, tenant, [row["framework"] for row in versions])
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


async def _read(view: Snapshot, tenant: str, frameworks: list[str]) -> Curriculum:
    standards = [Standard(*row) for row in await view.competencies(tenant, frameworks)]
    prerequisites: dict[str, list[str]] = {}
    for framework, origin, destination in await view.prerequisites(tenant, frameworks):
        prerequisites.setdefault(f"{framework}:{destination}", []).append(f"{framework}:{origin}")
    return Curriculum(standards, prerequisites)
