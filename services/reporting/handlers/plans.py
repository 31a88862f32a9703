"""The individual plans of a learner: asked of progression once the right is checked here; reporting keeps none."""

from typing import Any
from urllib.parse import quote

from services.reporting.handlers.access import AccessLog, check_learner
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.peer import Peer


class PlanReader:
    """Tells the plans that are in force to whom they are for."""

    def __init__(self, database: Database, progression: Peer, log: AccessLog) -> None:
        self._database = database
        self._progression = progression
        self._log = log

    async def of_learner(self, caller: Identity, learner: str) -> dict[str, Any]:
        """
        Return the plans of a learner, with the titles of what they are about.

        Raises:
            NotFound, Forbidden: of the learner.
            Unavailable: progression is away.
        """
        async with snapshot(self._database) as view:
            role = await check_learner(view, caller, learner, "plan")
        path = f"/v1/learners/{quote(learner, safe='')}/plans"
        found = (await self._progression.ask(path, {"tenant": caller.tenant})).json()["items"]
        if found:
            await self._log.note(caller, role, "plan", learner, [learner])
        named = {code for each in found for code in (each["competency"], each["instead"]) if code is not None}
        async with snapshot(self._database) as view:
            titles = await view.titles(caller.tenant, named)
        items = [
            each | {"title": titles.get(each["competency"]), "instead_title": titles.get(each["instead"] or "")}
            for each in found
        ]
        return {"learner": learner, "items": items}
