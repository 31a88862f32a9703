"""Noticing that what a page shows has changed: one cheap look for all who watch the same."""

from typing import NamedTuple

from services.reporting.handlers.access import check_class, check_learner, check_school
from services.reporting.handlers.cached import Cached
from services.reporting.handlers.districts import DistrictReader
from services.reporting.tables.happened import version_of
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import InvalidEvent

EVERY_S = 0.5
"""Between two looks; with the reload of the page well below the two seconds that people wait for."""


class Watched(NamedTuple):
    """What somebody watches: a learner, a class or a district of a tenant."""

    tenant: str
    learner: str | None
    class_id: str | None
    district: str | None = None


class Watcher:
    """Tells versions of what is watched."""

    every_s = EVERY_S

    def __init__(self, database: Database, districts: DistrictReader) -> None:
        self._database = database
        self._districts = districts
        self._cached = Cached(EVERY_S / 2)

    async def begin(
        self, caller: Identity, *, learner: str | None, class_id: str | None, district: str | None
    ) -> Watched:
        """Return what the caller may watch; raises `NotFound`, `Forbidden`, or `InvalidEvent` for none or several."""
        if [learner, class_id, district].count(None) != 2:
            raise InvalidEvent("watch a learner, a class or a district", pointer="/learner")
        async with snapshot(self._database) as view:
            if learner is not None:
                await check_learner(view, caller, learner, "record")
            elif class_id is not None:
                await check_class(view, caller, class_id)
            elif district is not None:
                await check_school(view, caller, district, "analysis")
        return Watched(caller.tenant, learner, class_id, district)

    async def version(self, watched: Watched) -> str:
        """Return a text that changes with what is shown of it: for a district as seldom as its numbers are computed."""

        async def fresh() -> str:
            if watched.district is not None:
                return await self._districts.version(watched.tenant, watched.district)
            async with snapshot(self._database) as view:
                learners = [watched.learner] if watched.learner is not None else []
                if watched.class_id is not None:
                    learners = await view.class_learners(watched.tenant, watched.class_id)
                return await version_of(view, watched.tenant, learners)

        return await self._cached.get(watched, fresh)
