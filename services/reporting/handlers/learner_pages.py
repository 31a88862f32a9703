"""What the pages of a learner show, for staff, and for learner and family in plain words."""

from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

from services.reporting.domain.amended import lines_of
from services.reporting.domain.plain import facts_for_families, for_families
from services.reporting.domain.record import Record
from services.reporting.domain.whom_to_ask import contacts
from services.reporting.handlers.access import AccessLog, check_learner, if_permitted
from services.reporting.handlers.disclosures import DisclosureReader
from services.reporting.handlers.people import People, owners_of
from services.reporting.handlers.plans import PlanReader
from services.reporting.handlers.queues import QueueReader
from services.reporting.handlers.reading import Reader
from services.reporting.handlers.review_requests import ReviewRequests
from services.reporting.handlers.terms import TermReader
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rights import people_beside
from shared.auth import Identity
from shared.database import Database
from shared.errors import NotFound, Unavailable
from shared.peer import Peer
from shared.permissions import FAMILY, PERMISSIONS, Role

EVENTS_SHOWN = 40
LOOKS_SHOWN = 20
REQUESTS_SHOWN = 100
BESIDE_MAX = 50
NEXT_SHOWN = 10
"""Open competencies of which a page says what could settle them: to find that may take some 15 ms each."""


class LearnerPages:
    """Makes the context of each page of a learner; raises what the readers raise."""

    def __init__(
        self, database: Database, *, records: Reader, queues: QueueReader, terms: TermReader, requests: ReviewRequests,
        people: People, progression: Peer, disclosures: DisclosureReader, plans: PlanReader, log: AccessLog,
    ) -> None:  # fmt: skip
        self._database = database
        self._records = records
        self._queues = queues
        self._terms = terms
        self._requests = requests
        self._people = people
        self._progression = progression
        self._disclosures = disclosures
        self._plans = plans
        self._log = log

    async def learner(self, caller: Identity, *, learner: str, as_family: bool, language: str) -> dict[str, Any]:
        """Return a learner's page, for family in plain words and without what is for staff."""
        role = await self._role(caller, learner)
        record = await self._records.record(caller, learner)
        grown = await if_permitted(self._records.growth(caller, learner))
        live = f"/live?learner={quote(learner, safe='')}"
        requests = await if_permitted(self._requests.of_learner(caller, learner, "", REQUESTS_SHOWN))
        plans = await _items_of(self._plans.of_learner(caller, learner))
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
                "told": await _items_of(self._disclosures.of_learner(caller, learner, 0, LOOKS_SHOWN)),
            }  # fmt: skip
        page = await if_permitted(self._records.timeline(caller, learner, "", EVENTS_SHOWN))
        support = await if_permitted(self._queues.support_of(caller, learner))
        async with snapshot(self._database) as view:
            answers = await if_permitted(check_learner(view, caller, learner, "answer"))
        happened = page.items if page else []
        return shown | {
            "happened": happened, "support": support or [], "may_answer": answers is not None,
            "owners": await owners_of(self._database, self._people, caller, support or [], None),
            "staff_names": await self._people.staff(caller.tenant, (each.by for each in happened)),
        }  # fmt: skip

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
        plans = await _items_of(self._plans.of_learner(caller, learner))
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

    async def term_of_learner(self, caller: Identity, *, term: str, learner: str) -> dict[str, Any]:
        """Return what a closed term ended with for a learner; for family without what is for staff."""
        role = await self._role(caller, learner)
        found = await self._terms.record(caller, term, learner)
        return {
            "found": found, "lines": lines_of(found), "name": await self._name(caller, role, learner),
            "staff": role not in FAMILY,
        }  # fmt: skip

    async def _role(self, caller: Identity, learner: str) -> Role:
        async with snapshot(self._database) as view:
            return await check_learner(view, caller, learner, "record")

    async def _name(self, caller: Identity, role: Role, learner: str) -> str:
        if "names" not in PERMISSIONS[role] and role != "learner":
            return learner
        return (await self._people.names(caller.tenant, [learner])).get(learner, learner)


async def _items_of(asked: Awaitable[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the items of an answer of progression, none where the caller does not see it; None where progression is away."""
    try:
        found = await if_permitted(asked)
    except Unavailable:
        return None
    return found["items"] if found else []
