"""Forgetting a learner: who it was, what was kept privately, and the bodies of the events; no position moves."""

from collections.abc import Sequence

from services.evidence.handlers.directory import Learners
from services.evidence.tables import merges, people, pieces, quarantine, statements
from shared.crash_points import reach
from shared.database import Database
from shared.errors import NotFound
from shared.event_log import EventLog
from shared.shards import shard_of


async def erase_learner(
    database: Database, logs: Sequence[EventLog], learners: Learners, tenant: str, learner: str
) -> dict[str, int]:
    """
    Erase a learner in one transaction; return how many identities, pieces and events were.

    Batches that identified the learner before either commit first, and are erased with the rest, or start over and
    meet a new learner. The ids of the evidence stay taken, so a source that sends it again is refused.

    Raises:
        NotFound: the tenant has no such learner.
    """
    async with database.transaction() as connection:
        sources = await people.erase(connection, pieces.ERASURE_LOCK, tenant, learner)
        if not sources:
            raise NotFound("no such learner")
        parked = await quarantine.erase(connection, tenant, [(row["source"], row["source_id"]) for row in sources])
        await statements.erase(connection, tenant, [(row["source"], row["source_id"]) for row in sources])
        erased = await pieces.erase(connection, tenant, learner, parked)
        # What was merged into the learner has its events under its own id still.
        merged = [str(row["merged"]) for row in await merges.in_force(connection, tenant, [learner])]
        redacted = 0
        for log in logs:
            for one in dict.fromkeys((learner, *merged)):
                redacted += await log.redact(connection, shard_of(tenant, one, log.shards), tenant, one)
        reach("erasure.redacted")
    reach("erasure.committed")
    learners.forget({learner})
    return {"identities": len(sources), "evidence": erased, "events": redacted}
