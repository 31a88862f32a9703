"""What the pages of districts and schools show: numbers of today and of closed terms, and a school's learners for its leaders."""

from typing import Any
from urllib.parse import quote

from services.reporting.domain.own_growth import WINDOW
from services.reporting.domain.page_paths import page_of
from services.reporting.domain.term_places import TermDistrict, TermSchool
from services.reporting.handlers.access import check_school, if_permitted
from services.reporting.handlers.analyses import Analyses
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.on_behalf import OnBehalf
from services.reporting.handlers.people import People
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.terms import TermReader
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.contracts.internal_events import STATUSES
from shared.database import Database
from shared.errors import NotFound, Unavailable

GROWN_SHOWN = 200


class PlacePages:
    """Makes the context of each page of a place; raises what the readers raise."""

    def __init__(
        self, database: Database, *, districts: DistrictReader, analyses: Analyses, queues: QueueReader, terms: TermReader,
        people: People, in_evidence: OnBehalf,
    ) -> None:  # fmt: skip
        self._database = database
        self._districts = districts
        self._analyses = analyses
        self._queues = queues
        self._terms = terms
        self._people = people
        self._in_evidence = in_evidence

    async def term_of_district(self, caller: Identity, *, term: str, district: str) -> dict[str, Any]:
        """Return what a closed term ended with in a district."""
        found = await self._districts.term(caller, term, district)
        return _counted(found, page_of("district", district))

    async def term_of_school(self, caller: Identity, *, term: str, school: str) -> dict[str, Any]:
        """Return what a closed term ended with in a school."""
        found = await self._districts.school_term(caller, term, school)
        return _counted(found, page_of("school", school))

    async def district(self, caller: Identity, *, district: str, group: str | None) -> dict[str, Any]:
        """Return a district for those who lead it."""
        async with snapshot(self._database) as view:
            await check_school(view, caller, district, "analysis")
        mastery = await self._districts.mastery(caller, district)
        told: dict[str, Any] = {
            "levels": await self._districts.levels(caller, district),
            "testing": await self._analyses.testing(caller, district),
            "watch": await self._analyses.watch(caller, district),
            "completeness": await self._analyses.completeness(caller, district),
            "growth": await self._analyses.growth(caller, district),
            "equity": await self._analyses.equity(caller, district, group),
        }
        return told | {
            "district": district,
            "live": f"/live?district={quote(district, safe='')}",
            "title": mastery.title,
            "learners": mastery.learners,
            "days": await self._districts.days(caller.tenant, **{what: each.as_of for what, each in told.items()}),
            "sources": await self._sources(caller),
            "queues": await if_permitted(self._queues.summary(caller, class_id=None, school=district)) or [],
            "terms": await self._terms.terms(caller),
        }

    async def _sources(self, caller: Identity) -> dict[str, Any] | None:
        """Return what the sources of the tenant sent, in the caller's name; None where evidence cannot tell it now."""
        try:
            found: dict[str, Any] = await self._in_evidence.ask(caller, "/v1/sources/completeness", "records:read")
        except (Unavailable, NotFound):  # an older version of evidence has no such route
            return None
        return found

    async def school(self, caller: Identity, *, school: str) -> dict[str, Any]:
        """Return a school for those who lead it."""
        levels = await self._districts.school_levels(caller, school)
        queues = await if_permitted(self._queues.summary(caller, class_id=None, school=school))
        came = await if_permitted(self._analyses.school_completeness(caller, school))
        growth = await self._analyses.school_growth(caller, school)
        async with snapshot(self._database) as view:
            sees = await if_permitted(check_school(view, caller, school, "growth")) is not None
        told_at = {"levels": levels.as_of} | ({"growth": growth.as_of} if growth is not None else {})
        return {
            "levels": levels, "queues": queues or [], "completeness": came, "growth": growth, "sees_learners": sees,
            "days": await self._districts.days(caller.tenant, **told_at),
            "terms": await self._terms.terms(caller),
        }  # fmt: skip

    async def growth_of_school(self, caller: Identity, *, school: str, after: str) -> dict[str, Any]:
        """Return the learners behind a school's growth, with names; raises `NotFound` or `Forbidden`."""
        page = await self._analyses.growth_of_learners(caller, school, after, GROWN_SHOWN)
        async with snapshot(self._database) as view:
            titles = await view.titles(caller.tenant, {each for item in page.items for each in item.not_yet})
        return {
            "school": school, "page": page, "titles": titles, "school_days": WINDOW,
            "names": await self._people.names(caller.tenant, [item.learner for item in page.items]),
        }  # fmt: skip


def _counted(found: TermDistrict | TermSchool, place: str) -> dict[str, Any]:
    """Return the context of the page of a term in a place: statuses that nobody had have no column."""
    rows = found.mastery.competencies
    statuses = [status for status in STATUSES if any(row.counts.get(status, 0) != 0 for row in rows)]
    amended = {row.competency: row.learners for row in found.amended}
    return {"found": found, "place": place, "statuses": statuses, "amended": amended}
