"""Answers about districts and schools, in numbers that tell nothing about single learners."""

import asyncio
from typing import Any

from services.reporting.domain.counting import Count, DistrictMastery, district_mastery
from services.reporting.handlers.access import check_school, check_tenant
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound


class DistrictReader:
    """Answers about districts; each from one snapshot of the read models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def districts(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the districts of the tenant."""
        check_tenant(caller, "aggregate")
        async with snapshot(self._database) as view:
            return [dict(row) for row in await view.districts(caller.tenant)]

    async def mastery(self, caller: Identity, district: str) -> DistrictMastery:
        """Return the counts of a district with small numbers suppressed; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            await check_school(view, caller, district)
            title = {row["district"]: row["title"] for row in await view.districts(tenant)}.get(district)
            if title is None:
                raise NotFound(f"no district {district[:100]!r}")
            schools = [(row["school"], row["title"]) for row in await view.district_schools(tenant, district)]
            ids = [school for school, _ in schools]
            sizes = {row["school"]: row["learners"] for row in await view.school_sizes(tenant, ids)}
            counts = [Count(*row) for row in await view.school_counts(tenant, ids)]
            titles = await view.titles(tenant, {count.competency for count in counts})
        # A large district takes a while to protect; other requests go on meanwhile.
        return await asyncio.to_thread(
            district_mastery, district, title, schools, sizes=sizes, counts=counts, titles=titles
        )
