"""Group memberships, asked of evidence: they are in no event and in no read model, and kept here in memory only."""

import httpx

from services.reporting.handlers.cached import Cached
from shared.auth import service_token
from shared.errors import Unavailable
from shared.settings import Settings

PAGE = 10_000


class Groups:
    """The groupings of a tenant's learners: by grouping, the value of each learner that has one."""

    def __init__(self, evidence: httpx.AsyncClient, settings: Settings) -> None:
        self._evidence = evidence
        self._settings = settings
        self._cached = Cached(settings.aggregate_s)

    async def of(self, tenant: str) -> dict[str, dict[str, str]]:
        """Return grouping -> learner -> value; raises `Unavailable` where evidence does not answer."""

        async def fresh() -> dict[str, dict[str, str]]:
            return await self._read(tenant)

        found: dict[str, dict[str, str]] = await self._cached.get(tenant, fresh)
        return found

    async def _read(self, tenant: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        after = ""
        while True:
            headers = {"Authorization": f"Bearer {service_token(self._settings)}"}
            query: dict[str, str | int] = {"tenant": tenant, "after": after, "limit": PAGE}
            try:
                answer = await self._evidence.get("/v1/roster/groups", params=query, headers=headers)
            except httpx.HTTPError as error:
                raise Unavailable(f"evidence does not answer: {type(error).__name__}") from error
            if not answer.is_success:
                raise Unavailable(f"evidence answered {answer.status_code} to a question on groups")
            body = answer.json()
            for item in body["items"]:
                found.setdefault(item["group"], {})[item["learner"]] = item["value"] or item["group"]
            if not body["items"]:
                return found
            after = body["next"]
