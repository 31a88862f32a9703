"""Looking for learners by what they are called: asked of evidence in the caller's name, for those who may see names."""

from collections.abc import Mapping
from urllib.parse import quote

import httpx

from services.reporting.handlers.access import AccessLog, check_tenant
from shared.auth import Identity
from shared.peer import Peer

PASSED_ON = (200, 308, 401, 403, 404, 422, 429)


class Finder:
    """Finds learners of the tenant; who was found is in the log of looks, what was looked for is not: it is a name."""

    def __init__(self, evidence: Peer, log: AccessLog) -> None:
        self._evidence = evidence
        self._log = log

    async def find(self, caller: Identity, q: str, token: str) -> httpx.Response:
        """Return evidence's answer of learners by name or source id; raises `Forbidden`."""
        return await self._ask(caller, "/v1/learners", {"q": q}, token)

    async def person(self, caller: Identity, learner: str, token: str) -> httpx.Response:
        """Return evidence's answer of the name and source ids of a learner; raises `Forbidden`."""
        return await self._ask(caller, f"/v1/learners/{quote(learner, safe='')}", {}, token)

    async def _ask(self, caller: Identity, path: str, query: Mapping[str, str], token: str) -> httpx.Response:
        role = check_tenant(caller, "names")
        answer = await self._evidence.ask(path, query, expected=PASSED_ON, token=token)
        if answer.status_code == 200:
            told = answer.json()
            found = {each["learner"] for each in (told if isinstance(told, list) else [told])}
            await self._log.note(caller, role, "names", caller.tenant, sorted(found))
        return answer
