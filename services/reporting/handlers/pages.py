"""What the pages show: answers of the readers, put together for one screen, with names for those who may see them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from services.reporting.domain.amended import amended_cells, level_grid, lines_of
from services.reporting.domain.compared import compared, schools_in
from services.reporting.domain.needs import Waits, together
from services.reporting.domain.owners import owners
from services.reporting.domain.plain import facts_for_families, for_families
from services.reporting.domain.record import Record
from services.reporting.domain.standing import ON_RECORD
from services.reporting.domain.whom_to_ask import contacts
from services.reporting.handlers.access import (
    CLASSES,
    PLACE_VIEWS,
    READ_SCOPES,
    SELF,
    AccessLog,
    check_class,
    check_learner,
    check_tenant,
    if_permitted,
    is_leader,
    is_staff,
    opens,
    sees_in_tenant,
    writes_in_class,
)
from services.reporting.handlers.classes import ClassReader
from services.reporting.handlers.disclosures import DisclosureReader
from services.reporting.handlers.districts import DistrictReader
from services.reporting.handlers.finding import Finder
from services.reporting.handlers.people import People
from services.reporting.handlers.plans import PlanReader
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.review_requests import ReviewRequests
from services.reporting.handlers.terms import TermReader
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rights import learners_of, people_around, people_beside, schools_of, titles_of
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound, Unavailable
from shared.peer import Peer
from shared.permissions import FAMILY, PERMISSIONS, Role
from shared.tenant_limits import TenantLimits

EVENTS_SHOWN = 40
LOOKS_SHOWN = 20
REQUESTS_SHOWN = 100
BESIDE_MAX = 50
NEXT_SHOWN = 10
"""Open competencies of which a page says what could settle them: to find that may take some 15 ms each."""


class Pages:
    """Makes the context of each page; raises what the readers raise."""

    def __init__(
        self, database: Database, *, records: Reader, classes: ClassReader, queues: QueueReader,
        districts: DistrictReader, terms: TermReader, requests: ReviewRequests, people: People, finder: Finder, progression: Peer,
        disclosures: DisclosureReader, plans: PlanReader, limits: TenantLimits, log: AccessLog,
    ) -> None:  # fmt: skip
        self._database = database
        self._records = records
        self._classes = classes
        self._queues = queues
        self._districts = districts
        self._terms = terms
        self._requests = requests
        self._people = people
        self._finder = finder
        self._progression = progression
        self._disclosures = disclosures
        self._plans = plans
        self._limits = limits
        self._log = log

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
            return {"redirect": f"/learners/{quote(caller.learner, safe='')}"}
        names = await self._people.names(caller.tenant, children)
        return {
            "places": [(f"/{place['kind']}s/{quote(place['target'], safe='')}", place["title"]) for place in places],
            "children": [(learner, names.get(learner, learner)) for learner in children],
            "classes": classes,
            "districts": await self._districts.districts(caller) if sees_in_tenant(caller, PLACE_VIEWS["district"]) else [],
            "queues": await if_permitted(self._queues.summary(caller, class_id=None, school=None)) or [],
        }  # fmt: skip

    async def learner(self, caller: Identity, *, learner: str, as_family: bool, language: str) -> dict[str, Any]:
        """Return a learner's page, for family in plain words and without what is for staff."""
        role = await self._role(caller, learner)
        record = await self._records.record(caller, learner)
        grown = await if_permitted(self._records.growth(caller, learner))
        live = f"/live?learner={quote(learner, safe='')}"
        requests = await if_permitted(self._requests.of_learner(caller, learner, "", REQUESTS_SHOWN))
        plans = await self._planned(caller, learner)
        shown: dict[str, Any] = {
            "record": record, "grown": grown, "name": await self._name(caller, role, learner), "live": live,
            "terms": await self._terms.terms(caller), "requests": requests.items if requests else [],
            "plans": plans, "spared": [each["competency"] for each in plans or [] if each["kind"] in ("exempt", "substitute")],
            **await self._evidence_enough(caller, record, language),
        }  # fmt: skip
        if as_family or role in FAMILY:
            looks = await if_permitted(self._records.accesses(caller, learner, "", LOOKS_SHOWN))
            others = [look for look in looks.items if look["person"] != caller.subject] if looks else []
            missing = {item.competency: for_families(item.missing) for item in record.items}
            async with snapshot(self._database) as view:
                ask = contacts(await people_beside(view, caller.tenant, caller.today, learner, BESIDE_MAX))
                may_ask = await if_permitted(check_learner(view, caller, learner, "ask")) is not None
            known = {each.person for each in ask} | {look["person"] for look in others if look["role"] not in FAMILY}
            return shown | {
                "template": "family.html", "looks": others, "missing": missing, "ask": ask, "may_ask": may_ask,
                "staff_names": await self._people.staff(caller.tenant, known),
                "told": await self._told(caller, learner),
            }  # fmt: skip
        page = await if_permitted(self._records.timeline(caller, learner, "", EVENTS_SHOWN))
        support = await if_permitted(self._queues.support_of(caller, learner))
        async with snapshot(self._database) as view:
            answers = await if_permitted(check_learner(view, caller, learner, "answer"))
        happened = page.items if page else []
        return shown | {
            "happened": happened, "support": support or [], "may_answer": answers is not None,
            "owners": await self._owners(caller, support or [], None),
            "staff_names": await self._people.staff(caller.tenant, (each.by for each in happened)),
        }  # fmt: skip

    async def _planned(self, caller: Identity, learner: str) -> list[dict[str, Any]] | None:
        """Return the plans of a learner for whom they are; None where progression is away."""
        try:
            found = await if_permitted(self._plans.of_learner(caller, learner))
        except Unavailable:
            return None
        return found["items"] if found else []

    async def _told(self, caller: Identity, learner: str) -> list[dict[str, Any]] | None:
        """Return which systems were told of a learner; None where progression is away."""
        try:
            found = await if_permitted(self._disclosures.of_learner(caller, learner, 0, LOOKS_SHOWN))
        except Unavailable:
            return None
        return found["items"] if found else []

    async def why(self, caller: Identity, *, learner: str, competency: str, language: str) -> dict[str, Any]:
        """Return why a competency stands where it does, asked of progression once the right is checked, in a language."""
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "why")
            titles = await view.titles(caller.tenant, [competency])
        path = f"/v1/learners/{quote(learner, safe='')}/competencies/{quote(competency, safe='')}/explanation"
        query = {"tenant": caller.tenant, "language": language}
        answer = await self._progression.ask(path, query, expected=(200, 404))
        if answer.status_code == 404:
            raise NotFound("nothing is recorded of this competency")
        await self._log.note(caller, role, "why", learner, [learner])
        found, staff = answer.json(), role not in FAMILY
        missing = found["missing"] if staff else facts_for_families(found["missing"], found.get("missing_facts"))
        change = found["minimal_change"]
        shows = facts_for_families([change["shows"]], [change["shows_fact"]]) if change.get("shows") else ()
        plans = await self._planned(caller, learner)
        return {
            "found": found, "missing": missing, "shows": shows, "learner": learner,
            "name": await self._name(caller, role, learner), "title": titles.get(competency, competency), "staff": staff,
            "may_correct": await self._correctable(caller, learner, found["evidence"]),
            "plans": plans and [each for each in plans if each["competency"] == competency],
        }  # fmt: skip

    async def _evidence_enough(self, caller: Identity, record: Record, language: str) -> dict[str, Any]:
        """
        Return whether the caller `sees_why`; of which competencies there is `enough` evidence, and by competency what more
        `would` do, and what of it families are told: nothing for whom the reasons are not, or where progression is away.

        What would settle another status than the record shows is left out: it has moved on, and the record is about to.
        """
        async with snapshot(self._database) as view:
            sees_why = await if_permitted(check_learner(view, caller, record.learner, "why")) is not None
        nothing: dict[str, Any] = {"sees_why": sees_why, "enough": set(), "would": {}, "shows": {}}
        if not sees_why:
            return nothing
        path = f"/v1/learners/{quote(record.learner, safe='')}/next-evidence"
        query: dict[str, str | int] = {"tenant": caller.tenant, "language": language, "limit": NEXT_SHOWN}
        try:
            found = (await self._progression.ask(path, query)).json()
        except Unavailable:
            return nothing
        stands = {item.competency: item.status for item in record.items}
        following = [each for each in found["next"] if stands.get(each["competency"]) == each["status"]]
        return {
            "sees_why": True, "enough": set(found["enough"]), "would": {each["competency"]: each["text"] for each in following},
            "shows": {each["competency"]: facts_for_families([each["shows"]], [each["shows_fact"]]) for each in following},
        }  # fmt: skip

    async def _correctable(self, caller: Identity, learner: str, evidence: list[dict[str, Any]]) -> set[str]:
        """Return which pieces are offered for correction: those that count, where the caller may correct at all."""
        async with snapshot(self._database) as view:
            may_correct = await if_permitted(check_learner(view, caller, learner, "correct")) is not None
        return {piece["evidence_id"] for piece in evidence if may_correct and piece["counted"]}

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
            "owners": await self._owners(caller, needs.attention, class_id),
            "live": f"/live?class_id={quote(class_id, safe='')}",
            "names": await self._people.names(caller.tenant, grid.learners), "terms": await self._terms.terms(caller),
        }  # fmt: skip

    async def term_of_learner(self, caller: Identity, *, term: str, learner: str) -> dict[str, Any]:
        """Return what a closed term ended with for a learner; for family without what is for staff."""
        role = await self._role(caller, learner)
        found = await self._terms.record(caller, term, learner)
        return {
            "found": found, "lines": lines_of(found), "name": await self._name(caller, role, learner),
            "staff": role not in FAMILY,
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
            return {"redirect": f"/learners/{quote(found[0]['learner'], safe='')}"}
        return {"q": q, "found": found}

    async def _owners(
        self, caller: Identity, waiting: Sequence[Waits], class_id: str | None
    ) -> Mapping[Any, list[str]]:
        """Return the names of who owns what waits, as `domain.owners` has them; through a class only through the one shown."""
        learners = sorted({each.learner for each in waiting})
        if not learners:
            return {}
        async with snapshot(self._database) as view:
            rows = await people_around(view, caller.tenant, caller.today, learners, class_id)
        return owners(rows, await self._people.staff(caller.tenant, (row["person"] for row in rows)))

    async def _role(self, caller: Identity, learner: str) -> Role:
        async with snapshot(self._database) as view:
            return await check_learner(view, caller, learner, "record")

    async def _name(self, caller: Identity, role: Role, learner: str) -> str:
        if "names" not in PERMISSIONS[role] and role != "learner":
            return learner
        return (await self._people.names(caller.tenant, [learner])).get(learner, learner)
