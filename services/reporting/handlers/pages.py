"""
What the pages show: answers of the readers, put together for one screen, with names for those who may see them.

The pages of a learner are in `learner_pages`, those of districts and schools in `place_pages`.
"""

from typing import Any
from urllib.parse import quote

from services.reporting.domain.amended import amended_cells, level_grid
from services.reporting.domain.compared import compared, schools_in
from services.reporting.domain.needs import together
from services.reporting.domain.page_paths import page_of
from services.reporting.domain.standing import ON_RECORD
from services.reporting.handlers.access import (
    CLASSES,
    PLACE_VIEWS,
    READ_SCOPES,
    SELF,
    check_class,
    check_tenant,
    if_permitted,
    is_leader,
    is_staff,
    opens,
    sees_in_tenant,
    writes_in_class,
)
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.finding import Finder
from services.reporting.handlers.people import People, owners_of
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.terms import TermReader
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rights import learners_of, schools_of, titles_of
from shared.auth import Identity
from shared.database import Database
from shared.errors import Unavailable
from shared.peer import Peer
from shared.tenant_limits import TenantLimits


class Pages:
    """Makes the context of each page; raises what the readers raise."""

    def __init__(
        self, database: Database, *, classes: ClassReader, queues: QueueReader, districts: DistrictReader,
        terms: TermReader, people: People, finder: Finder, progression: Peer, limits: TenantLimits,
    ) -> None:  # fmt: skip
        self._database = database
        self._classes = classes
        self._queues = queues
        self._districts = districts
        self._terms = terms
        self._people = people
        self._finder = finder
        self._progression = progression
        self._limits = limits

    async def home(self, caller: Identity) -> dict[str, Any]:
        """Return the start: a learner's own page, or what the caller may see."""
        children: list[str] = []
        places: list[Any] = []
        if caller.scopes & {CLASSES, SELF}:
            asking = caller.tenant, caller.today, caller.subject
            async with snapshot(self._database) as view:
                children = await learners_of(view, *asking)
                if CLASSES in caller.scopes:
                    assigned = await schools_of(view, *asking)
                    places = [each for each in assigned if await opens(view, caller, each["kind"], each["target"])]
        classes = await self._classes.classes(caller)
        if caller.learner is not None and not (classes or children or places):
            return {"redirect": page_of("learner", caller.learner)}
        names = await self._people.names(caller.tenant, children)
        return {
            "places": [(page_of(place["kind"], place["target"]), place["title"]) for place in places],
            "children": [(learner, names.get(learner, learner)) for learner in children],
            "classes": classes,
            "districts": await self._districts.districts(caller) if sees_in_tenant(caller, PLACE_VIEWS["district"]) else [],
            "queues": await if_permitted(self._queues.summary(caller, class_id=None, school=None)) or [],
        }  # fmt: skip

    async def class_(self, caller: Identity, *, class_id: str) -> dict[str, Any]:
        """Return a class: the grid, what each needs, and names."""
        grid = await self._classes.mastery(caller, class_id)
        needs = await self._classes.needs(caller, class_id)
        shown = {
            competency: sum(counts.get(status, 0) for status in ON_RECORD) for competency, counts in grid.counts.items()
        }
        async with snapshot(self._database) as view:
            writes = await writes_in_class(view, caller, class_id)
            sees_why = await if_permitted(check_class(view, caller, class_id, "why")) is not None
        return {
            "writes": writes, "sees_why": sees_why, "grid": grid, "needs": needs,
            "attention": together(needs.attention), "shown": shown,
            "owners": await owners_of(self._database, self._people, caller, needs.attention, class_id),
            "live": f"/live?class_id={quote(class_id, safe='')}",
            "names": await self._people.names(caller.tenant, grid.learners), "terms": await self._terms.terms(caller),
        }  # fmt: skip

    async def term_of_class(self, caller: Identity, *, term: str, class_id: str) -> dict[str, Any]:
        """Return what a closed term ended with for the learners of a class, with names."""
        found = await self._terms.class_(caller, term, class_id)
        levels, stands = level_grid(found)
        return {
            "found": found, "grid": found.mastery, "levels": levels, "stands": stands, "amended": amended_cells(found),
            "names": await self._people.names(caller.tenant, found.mastery.learners),
        }  # fmt: skip

    async def policies(self, caller: Identity, *, language: str) -> dict[str, Any]:
        """Return the policies in force on their cards; staff see how each was adopted, leaders what was foreseen."""
        caller.require(*READ_SCOPES)
        answer = await self._progression.ask("/v1/policies/in-force", {"tenant": caller.tenant, "language": language})
        policies = answer.json()["items"]
        adopted = [each["adoption"] for each in policies if each["adoption"]]
        async with snapshot(self._database) as view:
            leads = await is_leader(view, caller)
            reports = [each["comparison"] for each in adopted if leads and each["comparison"]]
            titles = await titles_of(view, caller.tenant, schools_in(reports)) if reports else {}
            staff = await is_staff(view, caller)
        small = self._limits.small_number(caller.tenant)
        for each in adopted:
            each["comparison"] = compared(each["comparison"], titles, small) if leads and each["comparison"] else None
        by = [each[name] for each in adopted for name in ("proposed_by", "approved_by")] if staff else []
        return {"policies": policies, "staff": staff, "staff_names": await self._people.staff(caller.tenant, by)}

    async def find(self, caller: Identity, *, q: str, token: str) -> dict[str, Any]:
        """Return learners by name or source id; for those who may see the names of the tenant, in their name."""
        if not q:
            check_tenant(caller, "names")
            return {"q": q, "found": []}
        answer = await self._finder.find(caller, q, token)
        if answer.status_code not in (200, 422):
            raise Unavailable(f"evidence answered {answer.status_code}")
        found = answer.json() if answer.status_code == 200 else []
        if len(found) == 1:
            return {"redirect": page_of("learner", found[0]["learner"])}
        return {"q": q, "found": found}
