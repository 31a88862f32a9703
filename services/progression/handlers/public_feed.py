"""The public log, page by page behind a cursor, as one caller may read it."""

from services.progression.domain.disclosing import Via
from services.progression.domain.subscribing import addressed
from services.progression.handlers.cursors import generation_of, read_cursor, write_cursor
from services.progression.handlers.references import References
from services.progression.tables import disclosures, published
from services.progression.tables.disclosures import Span
from shared.auth import Identity
from shared.database import Database
from shared.event_log import EventLog
from shared.events import placed


class PublicFeed:
    """The public log as one tenant's pages, each event with the caller's own ids of the learner."""

    def __init__(self, database: Database, log: EventLog, references: References, rows_max: int) -> None:
        self._database = database
        self._log = log
        self._references = references
        self._rows_max = rows_max

    async def check(self, after: str) -> None:
        """Raise as `page` does for a cursor that is none."""
        async with self._database.connection() as connection:
            read_cursor(after, await self._log.heads(connection))

    async def page(
        self, caller: Identity, learner: str | None, after: str, limit: int, via: Via = "feed"
    ) -> tuple[list[tuple[str, bytes]], str]:
        """
        Return up to `limit` events behind a cursor, each with the cursor behind it, and the cursor of the page.

        That the caller is given them is logged before.
        """
        limit = min(limit, self._rows_max)
        async with self._database.connection() as connection:
            heads = await self._log.heads(connection)
            cursor = read_cursor(after, heads)
            rows = await published.public_events(connection, caller.tenant, learner, cursor, limit)
            taken = rows[:limit]
            if taken:
                last = {row["shard"]: row["pos"] for row in taken}
                spans = [Span(shard, cursor[shard], pos) for shard, pos in last.items()]
                await disclosures.note(
                    connection,
                    caller.tenant,
                    via,
                    caller.subject,
                    spans,
                    source=caller.source or "",
                    learner=learner or "",
                )
        events, generation, known = [], generation_of(heads), {}
        if caller.source:
            learners = {row["subject"] for row in taken if row["subject"]}
            known = await self._references.of(caller.tenant, caller.source, learners)
        for row in taken:
            cursor[row["shard"]] = row["pos"]
            body = placed(row["body"], row["generation"], row["shard"], row["pos"])
            address = known.get(row["subject"])
            events.append((write_cursor(cursor, generation), addressed(body, address) if address else body))
        return events, write_cursor(cursor, generation)
