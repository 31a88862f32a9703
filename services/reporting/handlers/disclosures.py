"""Who was told what of learners by webhook, feed, stream and Kafka: asked of progression once the right is checked here."""

import datetime
from typing import Any
from urllib.parse import quote

from services.reporting.handlers.access import check_learner, check_tenant
from services.reporting.tables.reads import snapshot
from shared.auth import Identity
from shared.database import Database
from shared.peer import Peer


class DisclosureReader:
    """What progression has logged, for whom the log of looks is open too; raises `Unavailable` where it is away."""

    def __init__(self, database: Database, progression: Peer) -> None:
        self._database = database
        self._progression = progression

    async def of_learner(self, caller: Identity, learner: str, after: int, limit: int) -> dict[str, Any]:
        """Return a page of who was told what of a learner, the latest first; raises `NotFound` or `Forbidden`."""
        async with snapshot(self._database) as view:
            await check_learner(view, caller, learner, "own_access_log")
        path = f"/v1/learners/{quote(learner, safe='')}/disclosures"
        query: dict[str, str | int] = {"tenant": caller.tenant, "after": after, "limit": limit}
        found: dict[str, Any] = (await self._progression.ask(path, query)).json()
        return found

    async def of_tenant(self, caller: Identity, after: datetime.date | None, days: int) -> dict[str, Any]:
        """Return a page of which readers were given anything of the tenant on which days; raises `Forbidden`."""
        check_tenant(caller, "access_log")
        query: dict[str, str | int] = {"tenant": caller.tenant, "days": days}
        if after is not None:
            query["after"] = after.isoformat()
        found: dict[str, Any] = (await self._progression.ask("/v1/disclosures", query)).json()
        return found
