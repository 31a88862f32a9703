"""
Statements on school years that ended: what each ended, so that it can be undone.

The key of a place names its learner, who may be forgotten; so digests of keys are kept, by which facts that are there are found.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec

from shared.contracts.roster_events import ROSTER_ENROLMENT, ROSTER_STAFF
from shared.database import Connection, columns

FactKey = tuple[str, str]
"""(kind, digest of the key)."""
_decode_keys = msgspec.json.Decoder(list[FactKey]).decode


async def in_classes(connection: Connection, tenant: str) -> list[asyncpg.Record]:
    """Return who is in a class, or teaches one, now: (kind, key, subject, data)."""
    return await connection.fetch(
        "select kind, key, subject, data from roster_fact where tenant = $1 and kind = any($2)"
        "   and convert_from(data, 'UTF8')::jsonb @> '{\"active\": true}' order by kind, key",
        tenant,
        [ROSTER_ENROLMENT, ROSTER_STAFF],
    )


async def facts(connection: Connection, tenant: str, keys: Collection[FactKey]) -> list[asyncpg.Record]:
    """Return the facts of keys, as far as they are there: (kind, key, subject, data)."""
    return await connection.fetch(
        "select r.kind, r.key, r.subject, r.data from roster_fact r join unnest($2::text[], $3::text[]) k (kind, digest)"
        "   on r.kind = k.kind and encode(sha256(convert_to(r.key, 'UTF8')), 'hex') = k.digest where r.tenant = $1",
        tenant,
        *columns(keys, 2),
    )


async def add(connection: Connection, tenant: str, session: str, ended: Sequence[tuple[str, str]], by: str) -> bool:
    """Note which (kind, key) a session ended; False where it was ended before and that was not undone."""
    row = await connection.fetchrow(
        "insert into rollover as r (tenant, session, ended, done_by) values ($1, $2, $3, $4)"
        " on conflict (tenant, session) do update set ended = excluded.ended, done_by = excluded.done_by,"
        "   done_at = now(), undone_at = null where r.undone_at is not null returning 1",
        tenant,
        session,
        msgspec.json.encode([(kind, _digest(key)) for kind, key in ended]),
        by,
    )
    return row is not None


async def latest(connection: Connection, tenant: str) -> str | None:
    """Return the session that began last, None where none has."""
    session: str | None = await connection.fetchval(
        "select session from rollover where tenant = $1 and undone_at is null order by done_at desc limit 1", tenant
    )
    return session


async def undo(connection: Connection, tenant: str, session: str, now: datetime) -> list[FactKey] | None:
    """Note that a session's end is undone; return what it ended, None where there is nothing to undo."""
    ended = await connection.fetchval(
        "update rollover set undone_at = $3 where tenant = $1 and session = $2 and undone_at is null returning ended",
        tenant,
        session,
        now,
    )
    # A replica of an earlier version may have noted the key itself, which is of several parts.
    return (
        None if ended is None else [(kind, _digest(key) if "\x1f" in key else key) for kind, key in _decode_keys(ended)]
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
