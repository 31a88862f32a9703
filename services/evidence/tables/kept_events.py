"""Statements on events that are no evidence and are kept nevertheless."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from shared.database import Connection, columns
from shared.expiry import Days, Gone, Kept, remove_older


class Row(NamedTuple):
    """An event; `people` are the source ids of whom it names, a line each."""

    event_key: str
    reason: str
    people: str
    body: bytes


async def add(
    connection: Connection, tenant: str, source: str, form: str, received_at: datetime, rows: Sequence[Row]
) -> None:
    """
    Store events in the order of their keys, so that writers of the same cannot deadlock.

    Not those of a key that is stored already, nor those that name somebody who has no identity, or has it no more.
    """
    await connection.execute(
        "insert into kept_event (event_key, tenant, source, form, reason, received_at, people, body)"
        " select e.event_key, $1, $2, $3, e.reason, $4, string_to_array(e.people, e'\\n'), e.body"
        " from unnest($5::uuid[], $6::text[], $7::text[], $8::bytea[]) e (event_key, reason, people, body)"
        " where not exists (select from unnest(string_to_array(e.people, e'\\n')) p (source_id)"
        "   where not exists (select from learner_identity i"
        "     where i.tenant = $1 and i.source = $2 and i.source_id = p.source_id))"
        " on conflict do nothing",
        tenant,
        source,
        form,
        received_at,
        *columns(sorted(rows, key=itemgetter(0)), 4),
    )


async def expire(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete what is said in events that are too old; the ids stay taken."""
    kept = Kept("kept_event", "event_key", "received_at", "t.body is not null")
    return await remove_older(connection, "update kept_event set body = null, people = '{}'", kept, days, rows)


async def erase_all(connection: Connection, tenant: str, before: datetime) -> None:
    """Delete what is said in events of a tenant from before an instant; the ids stay taken."""
    await connection.execute(
        "update kept_event set body = null, people = '{}'"
        " where tenant = $1 and received_at < $2 and (body is not null or people <> '{}')",
        tenant,
        before,
    )


async def erase(connection: Connection, tenant: str, people: Sequence[tuple[str, str]]) -> None:
    """Delete what is said in events that name one of (source, source id); the ids stay taken."""
    await connection.execute(
        "update kept_event e set body = null, people = '{}' from unnest($2::text[], $3::text[]) k (source, source_id)"
        " where e.tenant = $1 and e.source = k.source and e.people @> array[k.source_id]",
        tenant,
        *columns(people, 2),
    )
