"""Group memberships, asked of evidence: they are in no event and in no read model, and kept here in memory only."""

import functools

from services.reporting.handlers.cached import Cached
from shared.peer import Peer
from shared.settings import Settings

PAGE = 10_000


class Groups:
    """The groupings of a tenant's learners: by grouping, the value of each learner that has one."""

    def __init__(self, evidence: Peer, settings: Settings) -> None:
        self._evidence = evidence
        self._cached = Cached(settings.aggregate_s)

    async def of(self, tenant: str) -> dict[str, dict[str, str]]:
        """Return grouping -> learner -> value; raises `Unavailable` where evidence does not answer."""
        return await self._cached.get(tenant, functools.partial(self._read, tenant))

    async def _read(self, tenant: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        after = ""
        while True:
            answer = await self._evidence.ask("/v1/roster/groups", {"tenant": tenant, "after": after, "limit": PAGE})
            body = answer.json()
            for item in body["items"]:
                found.setdefault(item["group"], {})[item["learner"]] = item["value"] or item["group"]
            if not body["items"]:
                return found
            after = body["next"]
