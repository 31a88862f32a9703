"""Answers about districts and their schools: learners by status and level, today and as a closed term ended."""

import asyncio
import datetime
from typing import Any

import msgspec

from services.reporting.domain.counting import (
    Count,
    DistrictMastery,
    SchoolMastery,
    district_mastery,
    mastery_of_school,
)
from services.reporting.domain.given_often import digest
from services.reporting.domain.levels import (
    DistrictCounts,
    DistrictLevels,
    LevelCount,
    SchoolLevels,
    level_rows,
    levels_of_school,
)
from services.reporting.domain.term_places import TermDistrict, TermSchool, term_of_school
from services.reporting.handlers.access import check_tenant
from services.reporting.handlers.district_numbers import DistrictNumbers, Of
from services.reporting.handlers.term_places import term_in_district
from services.reporting.tables import analysis
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.database import Database
from shared.events import now
from shared.settings import Settings


class DistrictReader:
    """Answers about districts and their schools."""

    def __init__(self, database: Database, numbers: DistrictNumbers, settings: Settings) -> None:
        self._database = database
        self._numbers = numbers
        self._shards = settings.shards
        self._counts = numbers.question("counts", DistrictCounts, self._count)
        self._term = numbers.question("term", TermDistrict, self._count_term)

    async def districts(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the districts of the tenant."""
        check_tenant(caller, "aggregate")
        async with snapshot(self._database) as view:
            return [dict(row) for row in await view.districts(caller.tenant)]

    async def mastery(self, caller: Identity, district: str) -> DistrictMastery:
        """Return the counts of a district by competency, status and school; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "aggregate")
        return (await self._counts_of(caller.tenant, district)).mastery

    async def levels(self, caller: Identity, district: str) -> DistrictLevels:
        """Return the distribution over levels; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "aggregate")
        return (await self._counts_of(caller.tenant, district)).levels

    async def school_mastery(self, caller: Identity, school: str) -> SchoolMastery:
        """Return a school's column of its district's counts; raises `NotFound` or `Forbidden`."""
        district, title = await self._numbers.school(caller, school)
        return mastery_of_school((await self._counts_of(caller.tenant, district)).mastery, school, title)

    async def school_levels(self, caller: Identity, school: str) -> SchoolLevels:
        """Return a school's column of its district's distribution over levels; raises `NotFound` or `Forbidden`."""
        district, title = await self._numbers.school(caller, school)
        return levels_of_school((await self._counts_of(caller.tenant, district)).levels, school, title)

    async def term(self, caller: Identity, term: str, district: str) -> TermDistrict:
        """Return what a term ended with in a district; raises `NotFound`, `Forbidden`, `Unavailable` while it is being closed."""
        await self._numbers.check(caller, district, "aggregate")
        return await self._numbers.ask(self._term, caller.tenant, district, term)

    async def school_term(self, caller: Identity, term: str, school: str) -> TermSchool:
        """Return a school's column of what a term ended with in its district; raises as `term`."""
        district, title = await self._numbers.school(caller, school)
        return term_of_school(await self._numbers.ask(self._term, caller.tenant, district, term), school, title)

    async def are_alone(self, of: Of) -> bool:
        """Tell whether the counts of today are told without any sum of them beside; see `DistrictCounts`."""
        return (await self._numbers.of_today(self._counts, of._replace(detail=""))).alone

    async def version(self, tenant: str, district: str) -> str:
        """Return a text that changes with the numbers that are told of a district, once a day, and with nothing else."""
        told = msgspec.structs.replace((await self._counts_of(tenant, district)).levels, as_of="")
        return digest(msgspec.json.encode(told))

    async def days(self, tenant: str, **told_at: str) -> dict[str, str]:
        """Return the local days of instants, by the same names: not all that is told together is of the same day."""
        daily = self._numbers.daily
        return {
            what: str(await daily.day_of(tenant, datetime.datetime.fromisoformat(at))) for what, at in told_at.items()
        }

    async def _count_term(self, of: Of) -> TermDistrict:
        day = str(await self._numbers.daily.today(of.tenant))
        async with self._numbers.schools_of(of) as (view, schools):
            return await term_in_district(
                view, of.tenant, of.detail, of.district, schools, shards=self._shards, small=of.small, day=day
            )

    async def _counts_of(self, tenant: str, district: str) -> DistrictCounts:
        return await self._numbers.ask(self._counts, tenant, district)

    async def _count(self, of: Of) -> DistrictCounts:
        day = str(await self._numbers.daily.today(of.tenant))
        async with self._numbers.schools_of(of) as (view, schools):
            ids = [school for school, _ in schools]
            sizes = dict.fromkeys(ids, 0) | await _sizes(view, of.tenant, ids)
            counts = [Count(*row) for row in await view.school_counts(of.tenant, ids)]
            levels = [LevelCount(*row) for row in await analysis.level_counts(view, of.tenant, ids)]
            titles = await view.titles(of.tenant, {count.competency for count in counts})
            title = await view.title_of_place(of.tenant, of.district)

        def protect() -> DistrictCounts:
            mastery, alone = district_mastery(
                of.district, title, schools, day=day, sizes=sizes, counts=counts, titles=titles, small=of.small,
            )  # fmt: skip
            rows = level_rows(levels, sizes, of.small, mastery.competencies)
            levels_ = DistrictLevels(of.district, now(), of.small, rows)
            return DistrictCounts(mastery, levels_, alone)

        # A large district takes a while to protect; other requests go on meanwhile.
        return await asyncio.to_thread(protect)


async def _sizes(view: Snapshot, tenant: str, schools: list[str]) -> dict[str | None, int]:
    return {row["school"]: row["learners"] for row in await view.school_sizes(tenant, schools)}
