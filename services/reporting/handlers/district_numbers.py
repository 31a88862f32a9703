"""
Numbers of districts and schools that tell nothing about single learners: who may see them, and each computed from one
snapshot, once a tenant's day, for all who ask.
"""

import contextlib
import datetime
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from services.reporting.handlers.access import asked_of_roster, check_school, permitted_school
from services.reporting.handlers.cached import Cached
from services.reporting.handlers.daily import Daily, OfDay
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.calendars import Calendars
from shared.database import Database
from shared.errors import NotFound
from shared.permissions import View
from shared.settings import Settings
from shared.tenant_limits import TenantLimits

Answer = TypeVar("Answer")


class Of(NamedTuple):
    """What is asked: of which district, without what is of fewer than `small`; `detail` is what else the question needs."""

    tenant: str
    district: str
    detail: str
    small: int


class Question(Generic[Answer]):
    """What can be asked of a district: its name, the kind of the answer, and what computes it; raises `NotFound`."""

    def __init__(self, name: str, kind: type[Answer], compute: Callable[[Of], Awaitable[Answer]]) -> None:
        self.name = name
        self.kind = kind
        self.compute = compute

    def of_day(self, of: Of, day: datetime.date, kept: str) -> OfDay[Answer]:
        """Return the question as it is told on a day, by the text under which it is kept."""
        return OfDay(of.tenant, day, kept, self.kind, functools.partial(self.compute, of))


class Asked(msgspec.Struct, frozen=True):
    """
    A question as it is kept; one of an earlier version, which asked otherwise, has no name.

    What was told by a smaller number is not told any more once the tenant has a larger one.
    """

    name: str
    district: str
    detail: str
    small: int


def _read(kept: str) -> Asked:
    try:
        return msgspec.json.decode(kept, type=Asked)
    except msgspec.ValidationError:
        return Asked("", "", "", 0)


class DistrictNumbers:
    """Checks who asks, and keeps what is computed of districts."""

    def __init__(self, database: Database, calendars: Calendars, limits: TenantLimits, settings: Settings) -> None:
        self._database = database
        self._limits = limits
        self.daily = Daily(database, calendars, frozen=settings.aggregate_daily)
        self._cached = Cached(settings.aggregate_s)
        self._questions: dict[str, Question[Any]] = {}

    def small(self, tenant: str) -> int:
        """Return below which number of people nothing is told."""
        return self._limits.small_number(tenant)

    async def check(self, caller: Identity, district: str, what: View) -> None:
        """Let the caller pass who may see this of a district; raises `NotFound` or `Forbidden`."""
        if asked_of_roster(caller) is None:
            permitted_school(caller, what, ())
            return
        async with snapshot(self._database) as view:
            await check_school(view, caller, district, what)

    async def school(self, caller: Identity, school: str) -> tuple[str, str]:
        """Return the district and title of a school that the caller may see in numbers; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            await check_school(view, caller, school, "aggregate")
            found = await view.school_of(caller.tenant, school)
        if found is None:
            raise NotFound(f"no school {school[:100]!r}")
        return found["district"] or school, found["title"]

    def question(self, name: str, kind: type[Answer], compute: Callable[[Of], Awaitable[Answer]]) -> Question[Answer]:
        """Return a question that can be asked from now on; each name once."""
        assert name not in self._questions
        found = self._questions[name] = Question(name, kind, compute)
        return found

    @contextlib.asynccontextmanager
    async def schools_of(self, of: Of) -> AsyncIterator[tuple[Snapshot, list[tuple[str, str]]]]:
        """Lend a snapshot with the schools of a district in it, as (id, title); raises `NotFound`."""
        async with snapshot(self._database) as view:
            if of.district not in {row["district"] for row in await view.districts(of.tenant)}:
                raise NotFound(f"no district {of.district[:100]!r}")
            rows = await view.district_schools(of.tenant, of.district)
            yield view, [(row["school"], row["title"]) for row in rows]

    async def ask(self, question: Question[Answer], tenant: str, district: str, detail: str = "") -> Answer:
        """Return what is told of a district to all who may see it, computed once a day; raises `NotFound`."""
        of = Of(tenant, district, detail, self.small(tenant))
        asked = await self._asked(question, of)
        return await self._cached.get((question.name, of, asked.day), functools.partial(self.daily.get, asked))

    async def of_today(self, question: Question[Answer], of: Of) -> Answer:
        """Return what is told of today, never of a day before: for another answer of today; raises `NotFound`."""
        return await self.daily.get(await self._asked(question, of), of_day=True)

    async def _asked(self, question: Question[Answer], of: Of) -> OfDay[Answer]:
        kept = msgspec.json.encode(Asked(question.name, of.district, of.detail, of.small)).decode()
        return question.of_day(of, await self.daily.today(of.tenant), kept)

    async def answer_ahead(self, tenant: str, today: datetime.date, kept: str) -> bool:
        """
        Answer a question as it is kept, for a tenant's day of today, and return whether that was done.

        One that can be asked no more, because the district, the detail or the smallest number is another now, is forgotten.
        """
        asked = _read(kept)
        question = self._questions.get(asked.name)
        if question is not None and asked.small == self.small(tenant):
            of = Of(tenant, asked.district, asked.detail, asked.small)
            with contextlib.suppress(NotFound):
                await self.daily.tell(question.of_day(of, today, kept))
                return True
        await self.daily.forget(tenant, kept)
        return False
