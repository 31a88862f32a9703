"""Answers on what each source should have sent and did."""

import datetime
from typing import Any

from services.evidence.domain.completeness import PAST_DAYS, Source, SourceDay, Waiting, source_of
from services.evidence.tables import source_days
from shared.database import Database


async def completeness(
    database: Database, tenant: str, today: datetime.date, breaks: str, *, window: int, after: str | None, limit: int
) -> list[Source]:
    """Return a page of the sources of a tenant, in order, by its breaks; `window` days of each are told."""
    async with database.connection() as connection:
        rows = await source_days.sources(connection, tenant, after, limit)
        since = {
            row["source"]: row["last"] - datetime.timedelta(days=PAST_DAYS) for row in rows if row["last"] is not None
        }
        found: dict[str, list[Any]] = {row["source"]: [] for row in rows}
        for source, *counted in await source_days.days(connection, tenant, since):
            found[source].append(SourceDay(*counted))
    return [
        source_of(row["source"], row["first"], found[row["source"]],
                  Waiting(row["parked"], row["quarantined"], row["unaligned"]),
                  today=today, window=window, breaks=breaks)
        for row in rows
    ]  # fmt: skip
