"""
Answers about districts, in numbers that tell nothing about single learners; each from one snapshot, for all who ask that day.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from services.reporting.domain import district as domain
from services.reporting.domain.access import View
from services.reporting.domain.completeness import (
    SCHOOL_DAYS,
    DistrictCompleteness,
    SchoolShare,
    by_school,
    first_day,
    of_school,
)
from services.reporting.domain.counting import Count, DistrictMastery, district_mastery
from services.reporting.domain.equity import Burden, Counts, Pairs, Times, by_group
from services.reporting.domain.given_often import digest
from services.reporting.domain.own_growth import (
    WINDOW,
    DistrictGrowth,
    GrownCount,
    OwnSchoolGrowth,
    Windows,
    growth_by_school,
    growth_of_school,
    learner_growth,
    windows,
)
from services.reporting.domain.term_places import TermDistrict, TermSchool, term_of_school
from services.reporting.handlers.access import (
    AccessLog,
    asked_of_roster,
    check_school,
    check_tenant,
    permitted_school,
)
from services.reporting.handlers.cached import Cached
from services.reporting.handlers.cursors import Page, read_cursor, write_cursor
from services.reporting.handlers.daily import Daily
from services.reporting.handlers.groups import Groups
from services.reporting.handlers.term_places import term_in_district
from services.reporting.tables import analysis
from services.reporting.tables.growth import by_school as grown_by_school
from services.reporting.tables.growth import of_learners
from services.reporting.tables.reads import Rows, Snapshot, snapshot
from shared.auth import Identity
from shared.calendars import Calendars, in_words
from shared.database import Database
from shared.errors import InvalidEvent, NotFound
from shared.events import now
from shared.school_calendar import SchoolCalendar
from shared.settings import Settings
from shared.tenant_limits import TenantLimits

Answer = TypeVar("Answer")
Computed = Callable[[Snapshot, list[tuple[str, str]]], Awaitable[Any]]
"""Computes an answer from a snapshot and the schools of a district, as (id, title)."""


class DistrictReader:
    """Answers about districts and their schools."""

    def __init__(
        self, database: Database, groups: Groups, calendars: Calendars, limits: TenantLimits, settings: Settings,
        log: AccessLog,
    ) -> None:  # fmt: skip
        self._database = database
        self._groups = groups
        self._calendars = calendars
        self._daily = Daily(database, calendars, frozen=settings.aggregate_daily)
        self._limits = limits
        self._log = log
        self._page_rows_max = settings.page_rows_max
        self._shards = settings.shards
        self._cached = Cached(settings.aggregate_s)

    async def districts(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the districts of the tenant."""
        check_tenant(caller, "aggregate")
        async with snapshot(self._database) as view:
            return [dict(row) for row in await view.districts(caller.tenant)]

    async def mastery(self, caller: Identity, district: str) -> DistrictMastery:
        """Return the counts of a district by competency, status and school; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "aggregate")
        return await self._mastery(caller.tenant, district)

    async def levels(self, caller: Identity, district: str) -> domain.DistrictLevels:
        """Return the distribution over levels; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "aggregate")
        return await self._levels(caller.tenant, district)

    async def school_mastery(self, caller: Identity, school: str) -> domain.SchoolMastery:
        """Return a school's column of its district's counts; raises `NotFound` or `Forbidden`."""
        district, title = await self._school(caller, school)
        return domain.mastery_of_school(await self._mastery(caller.tenant, district), school, title)

    async def school_levels(self, caller: Identity, school: str) -> domain.SchoolLevels:
        """Return a school's column of its district's distribution over levels; raises `NotFound` or `Forbidden`."""
        district, title = await self._school(caller, school)
        return domain.levels_of_school(await self._levels(caller.tenant, district), school, title)

    async def term(self, caller: Identity, term: str, district: str) -> TermDistrict:
        """Return what a term ended with in a district; raises `NotFound`, `Forbidden`, `Unavailable` while it is being closed."""
        await self._check(caller, district, "aggregate")
        return await self._term(caller.tenant, term, district)

    async def school_term(self, caller: Identity, term: str, school: str) -> TermSchool:
        """Return a school's column of what a term ended with in its district; raises as `term`."""
        district, title = await self._school(caller, school)
        return term_of_school(await self._term(caller.tenant, term, district), school, title)

    async def _term(self, tenant: str, term: str, district: str) -> TermDistrict:
        small, day = self._limits.small_number(tenant), str(await self._daily.today(tenant))

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            return await term_in_district(
                view, tenant, term, district, schools, shards=self._shards, small=small, day=day
            )

        return await self._computed(tenant, district, f"term {term}", TermDistrict, compute)

    async def version(self, tenant: str, district: str) -> str:
        """Return a text that changes with the numbers that are told of a district, once a day, and with nothing else."""
        told = msgspec.structs.replace(await self._levels(tenant, district), as_of="")
        return digest(msgspec.json.encode(told))

    async def _mastery(self, tenant: str, district: str) -> DistrictMastery:
        small = self._limits.small_number(tenant)

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            ids = [school for school, _ in schools]
            sizes = await _sizes(view, tenant, ids)
            counts = [Count(*row) for row in await view.school_counts(tenant, ids)]
            titles = await view.titles(tenant, {count.competency for count in counts})
            # A large district takes a while to protect; other requests go on meanwhile.
            return await asyncio.to_thread(
                district_mastery, district, dict(schools).get(district, district), schools,
                day=str(await self._daily.today(tenant)), sizes=sizes, counts=counts, titles=titles, small=small,
            )  # fmt: skip

        return await self._computed(tenant, district, "mastery", DistrictMastery, compute)

    async def _levels(self, tenant: str, district: str) -> domain.DistrictLevels:
        small = self._limits.small_number(tenant)

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            ids = [school for school, _ in schools]
            sizes = dict.fromkeys(ids, 0) | await _sizes(view, tenant, ids)
            counts = [domain.LevelCount(*row) for row in await analysis.level_counts(view, tenant, ids)]
            rows = await asyncio.to_thread(domain.level_rows, counts, sizes, small)
            return domain.DistrictLevels(district, now(), small, rows)

        return await self._computed(tenant, district, "levels", domain.DistrictLevels, compute)

    async def watch(self, caller: Identity, district: str) -> domain.DistrictWatch:
        """Return completeness and expectations by school; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "analysis")
        return (await self._schools(caller.tenant, district)).watch

    async def completeness(self, caller: Identity, district: str) -> DistrictCompleteness:
        """Return by school how many learners evidence came of lately; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "analysis")
        return (await self._schools(caller.tenant, district)).completeness

    async def school_completeness(self, caller: Identity, school: str) -> SchoolShare | None:
        """Return a school's row of its district's completeness; raises `NotFound` or `Forbidden`."""
        district, _ = await self._school(caller, school)
        return of_school((await self._schools(caller.tenant, district)).completeness, school)

    async def _schools(self, tenant: str, district: str) -> domain.DistrictSchools:
        """Return what is told by school, counted at once: else the difference of two tables would tell what came between."""
        small, known = self._limits.small_number(tenant), await self._calendars.of(tenant)

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            calendar = known or SchoolCalendar()
            day = first_day(calendar.day_of(datetime.datetime.now(datetime.UTC)), calendar.breaks)
            since = calendar.midnight_of(day)
            rows = await analysis.school_counts(view, tenant, [school for school, _ in schools], since)
            counts, titles, at = [domain.SchoolCount(*row) for row in rows], dict(schools), now()
            came = by_school({each.school: (each.learners, each.lately) for each in counts}, titles, small)
            zone = known.time_zone if known is not None else None
            return domain.DistrictSchools(
                domain.DistrictWatch(district, at, small, domain.school_watch(counts, titles, small)),
                DistrictCompleteness(district, at, small, SCHOOL_DAYS, in_words(known), zone, str(day), came),
            )

        return await self._computed(tenant, district, "schools", domain.DistrictSchools, compute)

    async def testing(self, caller: Identity, district: str) -> domain.DistrictTesting:
        """Return how much evidence came after mastery was confirmed; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "analysis")
        tenant, small = caller.tenant, self._limits.small_number(caller.tenant)

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            of = analysis.Grouping(tenant, [school for school, _ in schools], {})
            learners = sum(row["learners"] for row in await analysis.sizes(view, of))
            rows = await analysis.burden(view, of)
            count = domain.PieceCount(*rows[0][1:]) if rows else None
            return domain.told_testing(district, now(), learners, count, small)

        return await self._computed(tenant, district, "testing", domain.DistrictTesting, compute)

    async def equity(self, caller: Identity, district: str, grouping: str | None) -> domain.DistrictEquity:
        """
        Return how groups fare, the groups of one grouping.

        Raises:
            NotFound, Forbidden: of the district.
            InvalidEvent: no such grouping.
        """
        tenant, small = caller.tenant, self._limits.small_number(caller.tenant)
        await self._check(caller, district, "analysis")
        memberships = await self._groups.of(tenant)
        available = sorted(memberships)
        if grouping is not None and grouping not in memberships:
            raise InvalidEvent(f"no grouping {grouping[:60]!r}; there are {', '.join(available) or 'none'}",
                               pointer="/group")  # fmt: skip
        chosen = grouping if grouping is not None else next(iter(available), None)

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            groups = []
            if chosen is not None:
                of = analysis.Grouping(tenant, [school for school, _ in schools], memberships[chosen])
                groups = await asyncio.to_thread(by_group, await _group_counts(view, of), small)
            return domain.told_equity(district, now(), small, chosen, available, groups)

        return await self._computed(tenant, district, f"equity {chosen}", domain.DistrictEquity, compute)

    async def growth(self, caller: Identity, district: str) -> DistrictGrowth:
        """Return by school how learners grew against their own past; raises `NotFound` or `Forbidden`."""
        await self._check(caller, district, "analysis")
        return await self._growth(caller.tenant, district)

    async def school_growth(self, caller: Identity, school: str) -> OwnSchoolGrowth | None:
        """Return a school's row of its district's growth, None where it has none; raises `NotFound` or `Forbidden`."""
        district, _ = await self._school(caller, school)
        return growth_of_school(await self._growth(caller.tenant, district), school)

    async def growth_of_learners(self, caller: Identity, school: str, after: str, limit: int) -> Page:
        """
        Return a page of a school's learners with how each grew: who is behind the numbers.

        Raises:
            NotFound, Forbidden: there is no such school, or the caller may not see its learners.
        """
        key = read_cursor(after, tuple[str]) or ("",)
        limit = min(limit, self._page_rows_max)
        calendar = await self._calendars.of(caller.tenant) or SchoolCalendar()
        since, before = _windows(calendar)
        async with snapshot(self._database) as view:
            role = await check_school(view, caller, school, "growth")
            if await view.school_of(caller.tenant, school) is None:
                raise NotFound(f"no school {school[:100]!r}")
            rows = await of_learners(
                view, caller.tenant, school, calendar.midnight_of(since), calendar.midnight_of(before),
                after=key[0], limit=limit + 1,
            )  # fmt: skip
        items = [learner_growth(dict(row)) for row in rows[:limit]]
        # Each page is of other learners, so each is a look of its own.
        await self._log.note_each(caller, role, "growth", school, [item.learner for item in items])
        return Page(items, write_cursor(items[-1].learner) if len(rows) > limit else None)

    async def _growth(self, tenant: str, district: str) -> DistrictGrowth:
        small, calendar = self._limits.small_number(tenant), await self._calendars.of(tenant) or SchoolCalendar()

        async def compute(view: Snapshot, schools: list[tuple[str, str]]) -> Any:
            since, before = _windows(calendar)
            rows = await grown_by_school(
                view,
                tenant,
                [school for school, _ in schools],
                calendar.midnight_of(since),
                calendar.midnight_of(before),
            )
            counts = [GrownCount(*row) for row in rows]
            whole, by_school_ = await asyncio.to_thread(growth_by_school, counts, dict(schools), small)
            return DistrictGrowth(district, now(), small, WINDOW, str(since), str(before), whole, by_school_)

        return await self._computed(tenant, district, "growth", DistrictGrowth, compute)

    async def _check(self, caller: Identity, district: str, what: View) -> None:
        if asked_of_roster(caller) is None:
            permitted_school(caller, what, ())
            return
        async with snapshot(self._database) as view:
            await check_school(view, caller, district, what)

    async def _school(self, caller: Identity, school: str) -> tuple[str, str]:
        """Return the district and title of a school that the caller may see in numbers."""
        async with snapshot(self._database) as view:
            await check_school(view, caller, school, "aggregate")
            found = await view.school_of(caller.tenant, school)
        if found is None:
            raise NotFound(f"no school {school[:100]!r}")
        return found["district"] or school, found["title"]

    async def _computed(self, tenant: str, district: str, name: str, kind: type[Answer], compute: Computed) -> Answer:
        """Return what is computed for all who may see it, once a day; raises `NotFound`."""
        # What was told by a smaller number is not told any more once the tenant has asked for a larger one.
        day, small = await self._daily.today(tenant), self._limits.small_number(tenant)

        async def anew() -> Any:
            async with snapshot(self._database) as view:
                if district not in {row["district"] for row in await view.districts(tenant)}:
                    raise NotFound(f"no district {district[:100]!r}")
                rows = await view.district_schools(tenant, district)
                return await compute(view, [(row["school"], row["title"]) for row in rows])

        async def fresh() -> Answer:
            question = msgspec.json.encode((district, name, small)).decode()
            return await self._daily.get(tenant, day, question, kind=kind, compute=anew)

        found: Answer = await self._cached.get((tenant, district, name, small, day), fresh)
        return found


def _windows(calendar: SchoolCalendar) -> Windows:
    return windows(calendar.day_of(datetime.datetime.now(datetime.UTC)), calendar.breaks)


async def _sizes(view: Snapshot, tenant: str, schools: list[str]) -> dict[str | None, int]:
    return {row["school"]: row["learners"] for row in await view.school_sizes(tenant, schools)}


async def _group_counts(view: Snapshot, of: analysis.Grouping) -> Counts:
    statuses: dict[str, dict[Any, Pairs]] = {}
    for label, status, pairs, learners in await analysis.status_counts(view, of):
        statuses.setdefault(label, {})[status] = Pairs(pairs, learners)
    judged = await analysis.judgements(view, of)
    return Counts(
        learners=_column(await analysis.sizes(view, of), "learners"),
        statuses=statuses,
        mastery=[Times(*row) for row in await analysis.times_to_mastery(view, of)],
        burden={
            row["label"]: Burden(*(row[name] for name in Burden._fields)) for row in await analysis.burden(view, of)
        },
        sign_offs=[Times(*row) for row in await analysis.sign_off_waits(view, of)],
        overridden=_column(judged, "overridden"),
        withheld=_column(judged, "withheld"),
    )


def _column(rows: Rows, name: str) -> dict[str, Any]:
    return {row["label"]: row[name] for row in rows}
