"""Answers about classes: their grid, and who needs what today."""

import datetime
from typing import Any

from services.reporting.domain.counting import ClassMastery, class_mastery
from services.reporting.domain.needs import ClassNeeds, OpenRow, Stands, class_needs, waits_of
from services.reporting.domain.waiting import QUEUES
from services.reporting.handlers.access import CLASSES, READ_SCOPES, TENANT, AccessLog, check_class
from services.reporting.handlers.curricula import Curricula
from services.reporting.tables import rights
from services.reporting.tables.happened import open_entries
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database


class ClassReader:
    """Answers about classes; each from one snapshot of the read models."""

    def __init__(self, database: Database, curricula: Curricula, log: AccessLog) -> None:
        self._database = database
        self._curricula = curricula
        self._log = log

    async def classes(self, caller: Identity) -> list[dict[str, Any]]:
        """Return the classes that the caller may see."""
        caller.require(*READ_SCOPES)
        if not caller.scopes & {TENANT, CLASSES}:
            return []
        async with snapshot(self._database) as view:
            person = None if TENANT in caller.scopes else caller.subject
            return [dict(row) for row in await rights.classes_of(view, caller.tenant, person)]

    async def mastery(self, caller: Identity, class_id: str) -> ClassMastery:
        """Return the grid and counts of a class; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id)
            learners = await view.class_learners(tenant, class_id)
            states = await view.statuses(tenant, learners)
            competencies = {row["competency"] for row in states}
            frameworks = {competency.partition(":")[0] for competency in competencies}
            standards = (await self._curricula.of(view, tenant, frameworks)).standards
            titles = {standard.competency: standard.title for standard in standards}
            if retired := competencies - titles.keys():
                titles |= await view.titles(tenant, retired)
        await self._log.note(caller, role, "class", class_id, learners)
        statuses = [(row["learner"], row["competency"], row["status"]) for row in states]
        return class_mastery(
            class_id, title, learners, statuses, order=[standard.competency for standard in standards], titles=titles
        )

    async def needs(self, caller: Identity, class_id: str) -> ClassNeeds:
        """Return who of a class needs what, and what waits; raises `NotFound` or `Forbidden`."""
        tenant = caller.tenant
        async with snapshot(self._database) as view:
            title, role = await check_class(view, caller, class_id)
            learners = await view.class_learners(tenant, class_id)
            held: dict[str, dict[str, Stands]] = {learner: {} for learner in learners}
            for row in await view.statuses(tenant, learners):
                held[row["learner"]][row["competency"]] = Stands(row["status"], row["mastered_at"])
            frameworks = sorted({c.partition(":")[0] for states in held.values() for c in states}) or None
            standards, prerequisites = await self._curricula.of(view, tenant, frameworks)
            rows = await open_entries(view, tenant, queues=list(QUEUES), learners=learners)
        await self._log.note(caller, role, "needs", class_id, learners)
        titles = {standard.competency: standard.title for standard in standards}
        now = datetime.datetime.now(datetime.UTC)
        waiting = [each for row in rows if (each := waits_of(OpenRow(*row), titles, now)) is not None]
        return class_needs(class_id, title, held, standards, prerequisites, waiting)
