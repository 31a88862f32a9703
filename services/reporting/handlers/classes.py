"""Answers about classes: their grid, and who needs what today."""

from typing import Any

import msgspec

from services.reporting.domain.continuum import framework_of
from services.reporting.domain.counting import ClassMastery, class_mastery
from services.reporting.domain.needs import ClassNeeds, OpenRow, Stands, class_needs, waits_of
from services.reporting.domain.waiting import QUEUES
from services.reporting.handlers.access import (
    CLASSES,
    READ_SCOPES,
    AccessLog,
    asked_of_roster,
    check_class,
    if_permitted,
    permitted_class,
    roles_in,
    sees_in_tenant,
)
from services.reporting.handlers.curricula import Curricula
from services.reporting.handlers.review_requests import asked
from services.reporting.handlers.support import suggested
from services.reporting.tables import rights
from services.reporting.tables.at_once import AtOnce
from services.reporting.tables.happened import open_entries
from services.reporting.tables.reads import Snapshot, snapshot
from shared.auth import Identity
from shared.contracts.internal_events import Status
from shared.database import Database
from shared.permissions import may

_decode_statuses = msgspec.json.Decoder(dict[str, Status]).decode


class ClassReader:
    """Answers about classes; each from one snapshot of the read models."""

    def __init__(self, database: Database, at_once: AtOnce, curricula: Curricula, log: AccessLog) -> None:
        self._database = database
        self._at_once = at_once
        self._curricula = curricula
        self._log = log

    async def classes(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the classes that the caller may see."""
        caller.require(*READ_SCOPES)
        async with snapshot(self._database) as view:
            among = None if sees_in_tenant(caller, "class") else await _classes_by_roster(view, caller)
            return [dict(row) for row in await rights.classes_of(view, caller.tenant, among)]

    async def mastery(self, caller: Identity, class_id: str) -> ClassMastery:
        """Return the grid and counts of a class; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        found = await self._at_once.class_(tenant, caller.today, asked_of_roster(caller), class_id)
        title, roles = permitted_class(caller, class_id, "class", title=found.title, found=found.roles)
        await self._log.note(caller, roles[0], "class", class_id, found.learners)
        states = [_decode_statuses(told) for told in found.statuses]
        competencies = set[str]().union(*states)
        frameworks = set(map(framework_of, competencies))
        titles = (await self._curricula.at(self._database, tenant, found.frameworks, frameworks)).titles
        order = list(titles)
        if retired := competencies - titles.keys():
            async with snapshot(self._database) as view:
                titles = titles | await view.titles(tenant, retired)
        by_learner = dict(zip(found.learners, states, strict=True))
        return class_mastery(class_id, title, by_learner, order=order, titles=titles)

    async def needs(self, caller: Identity, class_id: str) -> ClassNeeds:
        """Return who of a class needs what, and what waits; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id)
            learners = await view.class_learners(tenant, class_id)
            held: dict[str, dict[str, Stands]] = {learner: {} for learner in learners}
            for row in await view.statuses(tenant, learners):
                held[row["learner"]][row["competency"]] = Stands(row["status"], row["mastered_at"])
            frameworks = {framework_of(c) for states in held.values() for c in states} or None
            standards, prerequisites, titles = await self._curricula.of(view, tenant, frameworks)
            rows = await open_entries(view, tenant, queues=list(QUEUES), learners=learners)
            sees = await if_permitted(check_class(view, caller, class_id, "support"))
            prompts = await suggested(view, tenant, caller.now, learners) if sees else []
            reads = await if_permitted(check_class(view, caller, class_id, "asked"))
            requests = await asked(view, tenant, learners, with_text=reads is not None)
        await self._log.note(caller, role, "needs", class_id, learners)
        if sees:
            # At everybody: who is in the log must not tell families of whom something is suggested.
            await self._log.note(caller, sees[1], "support", class_id, learners)
        now = caller.now
        waiting = [each for row in rows if (each := waits_of(OpenRow(*row), titles, now)) is not None]
        return class_needs(class_id, title, held, standards, prerequisites, [*waiting, *prompts, *requests])


async def _classes_by_roster(view: Snapshot, caller: Identity) -> list[str]:
    """Return the classes that the caller may see by a role that the roster gives."""
    if CLASSES not in caller.scopes:
        return []
    found: dict[str, list[Any]] = {}
    for row in await rights.roles_towards_classes(view, caller.tenant, caller.today, caller.subject):
        found.setdefault(row["class"], []).append(row)
    return [class_id for class_id, rows in found.items() if may(roles_in(rows), "class")]
