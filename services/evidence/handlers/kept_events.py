"""Events that are no evidence: kept, once each, for a tenant whose setting `statements_kept` is `all`."""

import datetime
from collections.abc import Sequence

from services.evidence.formats.reading import Kept
from services.evidence.handlers.learners import Learners
from services.evidence.tables import kept_events, premises
from services.evidence.tables.kept_events import Row
from shared.database import Database
from shared.shards import stable_id
from shared.tenant_limits import TenantLimits


class KeptEvents:
    """Keeps events until somebody whom they name is erased."""

    def __init__(self, database: Database, learners: Learners, limits: TenantLimits) -> None:
        self._database = database
        self._learners = learners
        self._limits = limits

    def are_wanted(self, tenant: str) -> bool:
        """Tell whether the tenant keeps what is no evidence."""
        return bool(self._limits.of(tenant, "statements_kept") == "all")

    async def keep(self, events: Sequence[Kept], tenant: str, source: str, form: str) -> None:
        """
        Keep events; durable when it returns. The first content of an id stays.

        Whom they name become learners, who can be asked for and erased. An event is not kept where that happens meanwhile.

        Raises:
            Unavailable: send them again; what was kept already has no second effect.
        """
        if not events:
            return
        rows = [
            Row(stable_id(tenant, source, one.id, form), one.reason, "\n".join(one.people), one.body) for one in events
        ]
        # Asked of the database, not of the cache: an identity that was erased elsewhere has to come again.
        await self._learners.identify({(tenant, source, person) for one in events for person in one.people})
        now = datetime.datetime.now(datetime.UTC)
        async with self._database.transaction() as connection:
            await premises.hold(connection, [tenant], [])
            await kept_events.add(connection, tenant, source, form, now, rows)
