"""Statements on xAPI statements: a digest of each, and the body of those that are kept."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

import asyncpg

from shared.database import Connection, affected, columns, upsert_rows
from shared.expiry import Days, Gone, Kept, remove_older

_TYPES = ("uuid", "text", "text", "bytea", "text", "timestamptz", "uuid", "text", "bytea", "text")
"""Of the columns, as `Row` has them."""
_EMPTY = "body = null, learner_source_id = null, people = null"
_OF = "s.source = k.source and (s.learner_source_id = k.source_id or string_to_array(s.people, e'\\n') @> array[k.source_id])"
"""Whether a statement `s` is of somebody `k` of a source, or names them."""


class Known(NamedTuple):
    """What is stored of a statement: the digest that it came with first, and when."""

    digest: bytes
    received_at: datetime


class Row(NamedTuple):
    """A row of the table, in the order of its columns."""

    statement_key: str
    tenant: str
    source: str
    digest: bytes
    outcome: str
    received_at: datetime
    voids: str | None
    learner_source_id: str | None
    body: bytes | None
    people: str | None
    """The source ids of all whom the body names, a line each."""


async def known(connection: Connection, statement_keys: Sequence[str]) -> dict[str, Known]:
    """Return what is stored of statements."""
    rows = await connection.fetch(
        "select statement_key, digest, received_at from xapi_statement where statement_key = any($1::uuid[])",
        statement_keys,
    )
    return {str(row["statement_key"]): Known(row["digest"], row["received_at"]) for row in rows}


async def add(connection: Connection, rows: Sequence[Row]) -> bool:
    """
    Store statements, in the order of their keys so that writers of the same ids cannot deadlock.

    False where an id is known already, or comes twice.
    """
    added = await upsert_rows(
        connection, "xapi_statement", _TYPES, sorted(rows, key=itemgetter(0)), "on conflict do nothing"
    )
    return added == len(rows)


async def find(connection: Connection, statement_key: str) -> asyncpg.Record | None:
    """Return a statement with its body, and whether it is voided; a voiding statement never is."""
    return await connection.fetchrow(
        "select outcome, received_at, body, voids is null and exists (select from xapi_statement v"
        "   where v.voids = s.statement_key) voided from xapi_statement s where statement_key = $1",
        statement_key,
    )


async def outcomes(connection: Connection, tenant: str) -> dict[str, int]:
    """Return how many distinct statements of a tenant came to what."""
    rows = await connection.fetch(
        "select outcome, count(*) n from xapi_statement where tenant = $1 group by outcome order by outcome", tenant
    )
    return {row["outcome"]: row["n"] for row in rows}


async def expire(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete what is said in statements that are too old; the ids stay taken."""
    kept = Kept("xapi_statement", "statement_key", "received_at", "t.body is not null")
    change = f"update xapi_statement set {_EMPTY}"
    return await remove_older(connection, change, kept, days, rows)


async def erase_all(connection: Connection, tenant: str, before: datetime) -> None:
    """Delete what is said in all statements of a tenant from before an instant; the ids stay taken."""
    await connection.execute(
        f"update xapi_statement set {_EMPTY} where tenant = $1 and received_at < $2"
        "   and num_nonnulls(body, learner_source_id, people) > 0",
        tenant,
        before,
    )


async def keys_of(connection: Connection, tenant: str, people: Sequence[tuple[str, str]]) -> list[str]:
    """Return the keys of statements that are of (source, source id) or name them."""
    rows = await connection.fetch(
        "select distinct s.statement_key::text from xapi_statement s, unnest($2::text[], $3::text[]) k (source, source_id)"
        f" where s.tenant = $1 and {_OF} order by 1",
        tenant,
        *columns(people, 2),
    )
    return [row[0] for row in rows]


async def erase_keys(connection: Connection, tenant: str, statement_keys: Sequence[str], before: datetime) -> int:
    """Delete what is said in statements from before an instant; return in how many it was anything."""
    return affected(
        await connection.execute(
            f"update xapi_statement set {_EMPTY} where tenant = $1 and statement_key = any($2::uuid[])"
            "   and received_at < $3 and num_nonnulls(body, learner_source_id, people) > 0",
            tenant,
            statement_keys,
            before,
        )
    )


async def erase(connection: Connection, tenant: str, people: Sequence[tuple[str, str]]) -> None:
    """Delete what is said in statements that are of (source, source id) or name them; the ids stay taken."""
    await connection.execute(
        f"update xapi_statement s set {_EMPTY} from unnest($2::text[], $3::text[]) k (source, source_id)"
        f" where s.tenant = $1 and {_OF}",
        tenant,
        *columns(people, 2),
    )
