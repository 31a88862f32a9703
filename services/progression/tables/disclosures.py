"""
Statements on who was given public events and standings, and the register of readers.

Events are ranges of positions by reader, day and shard, standings ranges of learners by reader and day: what a range says of
one learner follows from what lies in it, so nothing is stored for each of them.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.progression.domain.disclosing import Given, Reader, Stood, Via
from shared.database import Connection, columns


class Span(NamedTuple):
    """Positions of a shard that were given: those behind `behind`, up to `last`."""

    shard: int
    behind: int
    last: int


async def note(
    connection: Connection, tenant: str, via: Via, reader: str, spans: Sequence[Span], *, source: str = "", learner: str = ""
) -> None:  # fmt: skip
    """
    Log that a reader is given events: all of the tenant in those spans, or one learner's.

    A span that goes on from what the same reader was given on the same day makes that longer, so a reader that follows the
    log is one row a shard and day. Rows are locked in order: two that read alike wait for each other and do not deadlock.
    """
    await connection.execute(
        "with given as (select * from unnest($6::int[], $7::bigint[], $8::bigint[]) k (shard, behind, last)),"
        " held as (select d.*, g.last as given from disclosure d join given g on d.shard = g.shard"
        "   and d.first <= g.behind + 1 and d.last >= g.behind where d.tenant = $1 and d.via = $2 and d.reader = $3"
        "   and d.source = $4 and d.learner = $5 and d.sent and d.day = (now() at time zone 'UTC')::date"
        "   order by d.shard, d.first for update of d),"
        " longer as (update disclosure d set last = greatest(d.last, h.given), until = now() from held h"
        "   where (d.tenant, d.shard, d.via, d.reader, d.source, d.learner, d.day, d.first)"
        "     = (h.tenant, h.shard, h.via, h.reader, h.source, h.learner, h.day, h.first)"
        "   returning d.shard)"
        " insert into disclosure (tenant, shard, via, reader, source, learner, day, first, last)"
        "   select $1, g.shard, $2, $3, $4, $5, (now() at time zone 'UTC')::date, g.behind + 1, g.last from given g"
        "   where g.shard not in (select shard from longer) order by g.shard"
        " on conflict (tenant, shard, via, reader, source, learner, day, first) do update"
        "   set last = greatest(disclosure.last, excluded.last), until = now()",
        tenant, via, reader, source, learner, *columns(spans, 3),
    )  # fmt: skip


async def note_standings(connection: Connection, tenant: str, reader: str, behind: str, last: str) -> None:
    """Log that a reader is given the standings of all learners behind one up to another; pages in turn are one row a day."""
    await connection.execute(
        "with longer as (update standing_disclosure set last = greatest(last, $4), until = now()"
        "   where tenant = $1 and reader = $2 and day = (now() at time zone 'UTC')::date and behind <= $3 and last >= $3"
        "   returning 1)"
        " insert into standing_disclosure (tenant, reader, day, behind, last)"
        "   select $1, $2, (now() at time zone 'UTC')::date, $3, $4 where not exists (select from longer)",
        tenant, reader, behind, last,
    )  # fmt: skip


async def stood(connection: Connection, tenant: str, learner: str, begun: datetime.datetime, limit: int) -> list[Stood]:
    """Return who was given standings in which the learner's were, who was `begun` at an instant; the latest first."""
    rows = await connection.fetch(
        "select reader, day, min(since) as since, max(until) as until from standing_disclosure"
        " where tenant = $1 and behind < $2 and last >= $2 and until >= $3"
        " group by reader, day order by until desc, reader limit $4",
        tenant, learner, begun, limit,
    )  # fmt: skip
    return [Stood(*row) for row in rows]


async def note_unsent(connection: Connection, webhook: str, cursor: Mapping[int, int] | None = None) -> None:
    """
    Log of the learners who wait at a webhook what is not sent to it: all it has passed, as it ends, or what lies before the
    `cursor` behind which it goes on.
    """
    await connection.execute(
        "insert into disclosure (tenant, shard, via, reader, source, learner, day, first, last, sent)"
        " select w.tenant, h.shard, 'webhook', w.id, w.source, h.learner, (now() at time zone 'UTC')::date, h.pos, c.pos, false"
        " from webhook w join webhook_held h on h.webhook = w.id"
        " join (select shard, pos from webhook_cursor where webhook = $1 and $2::int[] is null"
        "   union all select * from unnest($2::int[], $3::bigint[])) c (shard, pos) on c.shard = h.shard and c.pos >= h.pos"
        " where w.id = $1 on conflict (tenant, shard, via, reader, source, learner, day, first) do update"
        "   set last = excluded.last, sent = false",
        webhook, *(columns(cursor.items(), 2) if cursor is not None else (None, None)),
    )  # fmt: skip


async def given(connection: Connection, tenant: str, shard: int, learner: str, limit: int) -> list[Given]:
    """Return what was given of a shard that may be of a learner, the latest first."""
    rows = await connection.fetch(
        "select via, reader, source, learner, day, first, last, sent, since, until from disclosure"
        " where tenant = $1 and shard = $2 and learner in ('', $3) order by since desc, first desc limit $4",
        tenant, shard, learner, limit,
    )  # fmt: skip
    return [Given(*row) for row in rows]


async def of_tenant(connection: Connection, tenant: str, before: datetime.date | None, limit: int) -> list[Any]:
    """Return when each reader was given anything, by days, the latest first; up to so many whole days before one."""
    return await connection.fetch(
        "with given as (select day, via, reader, since, until from disclosure where tenant = $1 and sent"
        "   union all select day, 'standings', reader, since, until from standing_disclosure where tenant = $1)"
        " select day, via, reader, min(since) as since, max(until) as until from given"
        " where day in (select distinct day from given where $2::date is null or day < $2 order by day desc limit $3)"
        " group by day, via, reader order by day desc, via, reader",
        tenant, before, limit,
    )  # fmt: skip


async def events_of(connection: Connection, tenant: str, shard: int, learner: str) -> list[tuple[int, bytes]]:
    """Return (position, body) of a learner's public events."""
    rows = await connection.fetch(
        "select pos, body from event_log where log = 'advancement' and shard = $2 and tenant = $1 and subject = $3 order by pos",
        tenant, shard, learner,
    )  # fmt: skip
    return [(row["pos"], row["body"]) for row in rows]


async def waiting(connection: Connection, tenant: str, learner: str) -> dict[str, int]:
    """Return from which position on webhooks have not sent a learner's events, by webhook."""
    rows = await connection.fetch(
        "select h.webhook, h.pos from webhook_held h join webhook w on w.id = h.webhook"
        " where w.tenant = $1 and h.learner = $2",
        tenant, learner,
    )  # fmt: skip
    return {row["webhook"]: row["pos"] for row in rows}


async def lock_register(connection: Connection, tenant: str) -> None:
    """Let nobody else enter a reader of the tenant until the transaction ends, so that what is counted stays true."""
    await connection.execute("select pg_advisory_xact_lock(hashtext('subscriber'), hashtext($1))", tenant)


async def enter(connection: Connection, reader: Reader, author: str) -> None:
    """Add a reader to the register."""
    await connection.execute(
        "insert into subscriber (id, tenant, via, reader, name, purpose, types, frameworks, declared_by)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        reader.id, reader.tenant, reader.via, reader.reader, reader.name, reader.purpose, list(reader.types),
        list(reader.frameworks), author,
    )  # fmt: skip


async def end(connection: Connection, tenant: str, id: str, *vias: Via) -> bool:
    """Note that a reader reads no more from now on; tell whether there was one that did."""
    found = await connection.fetchval(
        "update subscriber set until = now() where tenant = $1 and id = $2 and via = any($3::text[]) and until is null"
        " returning 1",
        tenant, id, list(vias),
    )  # fmt: skip
    return found is not None


async def readers(connection: Connection, tenant: str) -> list[Reader]:
    """Return the tenant's register, those that read no more with it, in the order of their beginning."""
    rows = await connection.fetch(
        "select id, tenant, via, reader, name, purpose, types, frameworks, since, until from subscriber"
        " where tenant = $1 order by since, id",
        tenant,
    )
    return [
        Reader(
            row["id"], row["tenant"], row["via"], row["reader"], row["name"], row["purpose"], tuple(row["types"]),
            tuple(row["frameworks"]), row["since"], row["until"],
        )
        for row in rows
    ]  # fmt: skip
