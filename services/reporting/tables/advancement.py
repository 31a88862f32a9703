"""SQL of the read model `advancement`: the log of what happened, and the queues of what waits."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.reporting.domain.waiting import Entry
from services.reporting.tables.read_models import table_name
from services.reporting.tables.writes import upsert
from shared.database import Connection, incoming

WaitingKey = tuple[str, str, str, str]
"""Tenant, learner, scope, queue."""


async def save_waiting(
    connection: Connection, version: int, said: Mapping[WaitingKey, Sequence[tuple[str, Entry | None]]]
) -> None:
    """
    Write what a batch says of the queues, each entry's words in order: when, and what waits or None where it is done.

    A closed entry keeps what it was opened with, so that the wait can be told; closing what was never opened is nothing.
    """
    opened: list[tuple[Any, ...]] = []
    closed: list[tuple[str, ...]] = []
    for key in sorted(said):
        entry, closed_at = None, None
        for at, word in said[key]:
            if word is not None:
                entry, closed_at = word, None
            elif closed_at is None:
                closed_at = at
        if entry is not None:
            opened.append((*key, entry.opened_at, closed_at, entry.due_by, entry.owner, "\n".join(entry.detail)))
        elif closed_at is not None:
            closed.append((*key, closed_at))
    await upsert(connection, "waiting", version, opened)
    if closed:
        await _close(connection, table_name("waiting", version), closed)


async def _close(connection: Connection, waiting: str, closed: Sequence[tuple[str, ...]]) -> None:
    """Close entries of queues, by key and instant."""
    names = ("tenant", "learner", "scope", "queue", "at")
    source, arguments = await incoming(connection, "waiting_closed_in", ("text",) * len(names), closed)
    await connection.execute(
        f"update {waiting} w set closed_at = k.at from {source} k ({', '.join(names)})"
        " where (w.tenant, w.learner, w.scope, w.queue) = (k.tenant, k.learner, k.scope, k.queue) and w.closed_at is null",
        *arguments,
    )
