"""Analyses of districts by school and group: whether evidence comes, what is asked for, how groups fare, how learners grew."""

import asyncio
import datetime
from typing import Any

from services.reporting.domain.completeness import (
    SCHOOL_DAYS,
    DistrictCompleteness,
    SchoolShare,
    by_school,
    first_day,
    of_school,
)
from services.reporting.domain.equity import Burden, Counts, DistrictEquity, Pairs, Times, by_group, told_equity
from services.reporting.domain.own_growth import (
    WINDOW,
    DistrictGrowth,
    GrownCount,
    LearnerGrowth,
    OwnSchoolGrowth,
    Windows,
    growth_by_school,
    growth_of_school,
    learner_growth,
    windows,
)
from services.reporting.domain.testing import DistrictTesting, PieceCount, told_testing
from services.reporting.domain.watch import DistrictSchools, DistrictWatch, SchoolCount, all_are_recent, school_watch
from services.reporting.handlers.access import AccessLog, check_school
from services.reporting.handlers.district_numbers import DistrictNumbers, Of
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.groups import Groups
from services.reporting.tables import analysis
from services.reporting.tables.growth import by_school as grown_by_school
from services.reporting.tables.growth import of_learners
from services.reporting.tables.reads import Rows, Snapshot, snapshot
from shared.auth import Identity
from shared.calendars import Calendars, in_words
from shared.cursors import Page, read_cursor, write_cursor
from shared.database import Database
from shared.errors import InvalidEvent, NotFound
from shared.events import now
from shared.school_calendar import SchoolCalendar
from shared.settings import Settings

NO_GROUPING = ""
"""The detail of a question about groups where the tenant has none."""


class Analyses:
    """Answers about districts for those who see analyses, and about a school's learners for those who lead it."""

    def __init__(
        self, database: Database, numbers: DistrictNumbers, districts: DistrictReader, groups: Groups, calendars: Calendars,
        settings: Settings, log: AccessLog,
    ) -> None:  # fmt: skip
        self._database = database
        self._numbers = numbers
        self._districts = districts
        self._groups = groups
        self._calendars = calendars
        self._log = log
        self._page_rows_max = settings.page_rows_max
        self._schools = numbers.question("schools", DistrictSchools, self._count_schools)
        self._testing = numbers.question("testing", DistrictTesting, self._count_testing)
        self._equity = numbers.question("equity", DistrictEquity, self._count_equity)
        self._growth = numbers.question("growth", DistrictGrowth, self._count_growth)

    async def watch(self, caller: Identity, district: str) -> DistrictWatch:
        """Return completeness and expectations by school; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "analysis")
        return (await self._schools_of(caller.tenant, district)).watch

    async def completeness(self, caller: Identity, district: str) -> DistrictCompleteness:
        """Return by school how many learners evidence came of lately; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "analysis")
        return (await self._schools_of(caller.tenant, district)).completeness

    async def school_completeness(self, caller: Identity, school: str) -> SchoolShare | None:
        """Return a school's row of its district's completeness; raises `NotFound` or `Forbidden`."""
        district, _ = await self._numbers.school(caller, school)
        return of_school((await self._schools_of(caller.tenant, district)).completeness, school)

    async def _schools_of(self, tenant: str, district: str) -> DistrictSchools:
        """Return what is told by school, counted at once: else the difference of two tables would tell what came between."""
        return await self._numbers.ask(self._schools, tenant, district)

    async def _count_schools(self, of: Of) -> DistrictSchools:
        known = await self._calendars.of(of.tenant)
        calendar = known or SchoolCalendar()
        day = first_day(calendar.day_of(datetime.datetime.now(datetime.UTC)), calendar.breaks)
        no_sums = await self._districts.are_alone(of)
        async with self._numbers.schools_of(of) as (view, schools):
            since = calendar.midnight_of(day)
            ids = [school for school, _ in schools]
            rows = await analysis.school_counts(view, of.tenant, ids, since)
            learners = next(row["learners"] for row in await view.school_sizes(of.tenant, ids) if row["school"] is None)
        counts, titles, at = [SchoolCount(*row) for row in rows], dict(schools), now()
        came = by_school(
            {each.school: (each.learners, each.lately) for each in counts}, learners, titles, of.small,
            all_are_recent(counts) if no_sums else (),
        )  # fmt: skip
        zone = known.time_zone if known is not None else None
        return DistrictSchools(
            DistrictWatch(of.district, at, of.small, school_watch(counts, learners, titles, of.small, no_sums=no_sums)),
            DistrictCompleteness(of.district, at, of.small, SCHOOL_DAYS, in_words(known), zone, str(day), came),
        )

    async def testing(self, caller: Identity, district: str) -> DistrictTesting:
        """Return how much evidence came after mastery was confirmed; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "analysis")
        return await self._numbers.ask(self._testing, caller.tenant, district)

    async def _count_testing(self, of: Of) -> DistrictTesting:
        no_sums = await self._districts.are_alone(of)
        async with self._numbers.schools_of(of) as (view, schools):
            grouping = analysis.Grouping(of.tenant, [school for school, _ in schools], {})
            learners = sum(row["learners"] for row in await analysis.sizes(view, grouping))
            rows = await analysis.burden(view, grouping)
        count = PieceCount(*rows[0][1:]) if rows else None
        return told_testing(of.district, now(), learners, count, of.small, no_sums=no_sums)

    async def equity(self, caller: Identity, district: str, grouping: str | None) -> DistrictEquity:
        """
        Return how groups fare, the groups of one grouping.

        Raises:
            NotFound, Forbidden: of the district.
            InvalidEvent: no such grouping.
        """
        await self._numbers.check(caller, district, "analysis")
        available = sorted(await self._groups.of(caller.tenant))
        if grouping is not None and grouping not in available:
            raise InvalidEvent(f"no grouping {grouping[:60]!r}; there are {', '.join(available) or 'none'}",
                               pointer="/group")  # fmt: skip
        chosen = grouping if grouping is not None else next(iter(available), NO_GROUPING)
        return await self._numbers.ask(self._equity, caller.tenant, district, chosen)

    async def _count_equity(self, of: Of) -> DistrictEquity:
        memberships = await self._groups.of(of.tenant)
        available = sorted(memberships)
        if of.detail == NO_GROUPING:
            return told_equity(of.district, now(), of.small, None, available, [])
        if of.detail not in memberships:
            raise NotFound(f"no grouping {of.detail[:60]!r}")
        calendar = await self._calendars.of(of.tenant) or SchoolCalendar()
        no_sums = await self._districts.are_alone(of)
        async with self._numbers.schools_of(of) as (view, schools):
            grouping = analysis.Grouping(of.tenant, [school for school, _ in schools], memberships[of.detail])
            counts = await _group_counts(view, grouping, calendar.time_zone)
        groups = await asyncio.to_thread(by_group, counts, of.small, no_sums=no_sums)
        return told_equity(of.district, now(), of.small, of.detail, available, groups)

    async def growth(self, caller: Identity, district: str) -> DistrictGrowth:
        """Return by school how learners grew against their own past; raises `NotFound` or `Forbidden`."""
        await self._numbers.check(caller, district, "analysis")
        return await self._numbers.ask(self._growth, caller.tenant, district)

    async def school_growth(self, caller: Identity, school: str) -> OwnSchoolGrowth | None:
        """Return a school's row of its district's growth, None where it has none; raises `NotFound` or `Forbidden`."""
        district, _ = await self._numbers.school(caller, school)
        return growth_of_school(await self._numbers.ask(self._growth, caller.tenant, district), school)

    async def growth_of_learners(self, caller: Identity, school: str, after: str, limit: int) -> Page[LearnerGrowth]:
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

    async def _count_growth(self, of: Of) -> DistrictGrowth:
        calendar = await self._calendars.of(of.tenant) or SchoolCalendar()
        since, before = _windows(calendar)
        no_sums = await self._districts.are_alone(of)
        async with self._numbers.schools_of(of) as (view, schools):
            rows = await grown_by_school(
                view,
                of.tenant,
                [school for school, _ in schools],
                calendar.midnight_of(since),
                calendar.midnight_of(before),
            )
        counts = [GrownCount(*row) for row in rows]
        whole, by_school_ = await asyncio.to_thread(growth_by_school, counts, dict(schools), of.small, no_sums=no_sums)
        return DistrictGrowth(of.district, now(), of.small, WINDOW, str(since), str(before), whole, by_school_)


def _windows(calendar: SchoolCalendar) -> Windows:
    return windows(calendar.day_of(datetime.datetime.now(datetime.UTC)), calendar.breaks)


async def _group_counts(view: Snapshot, of: analysis.Grouping, time_zone: str) -> Counts:
    zone = await analysis.known_zone(view, time_zone)
    statuses: dict[str, dict[Any, Pairs]] = {}
    for label, status, pairs, learners in await analysis.status_counts(view, of):
        statuses.setdefault(label, {})[status] = Pairs(pairs, learners)
    judged = await analysis.judgements(view, of)
    return Counts(
        learners=_column(await analysis.sizes(view, of), "learners"),
        statuses=statuses,
        mastery=[Times(*row) for row in await analysis.times_to_mastery(view, of, zone)],
        burden={
            row["label"]: Burden(*(row[name] for name in Burden._fields)) for row in await analysis.burden(view, of)
        },
        sign_offs=[Times(*row) for row in await analysis.sign_off_waits(view, of, zone)],
        overridden=_column(judged, "overridden"),
        withheld=_column(judged, "withheld"),
    )


def _column(rows: Rows, name: str) -> dict[str, Any]:
    return {row["label"]: row[name] for row in rows}
