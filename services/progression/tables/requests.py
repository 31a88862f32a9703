"""Statements over what was asked for under a key: a row of the log `requests` each, by its id."""

from collections.abc import Collection
from typing import Any

from shared.database import Connection


async def lock(connection: Connection, id: str) -> None:
    """Let nobody else take up the request until the caller's transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(hashtext('request'), hashtext($1))", id)


async def find(connection: Connection, tenant: str, id: str) -> bytes | None:
    """Return the row of a request; None where it was not taken up."""
    body: bytes | None = await connection.fetchval(
        "select body from event_log where log = 'requests' and tenant = $1 and subject = $2"
        " and subject <> '' and subject <> 'checkpoint'",
        tenant, id,
    )  # fmt: skip
    return body


async def decisions(connection: Connection, tenant: str, learners: Collection[str], ids: Collection[str]) -> list[Any]:
    """Return (id, learner, shard, pos) of decisions on some learners, as far as nobody has erased them."""
    return await connection.fetch(
        "select e.id, e.subject as learner, e.shard, e.pos from ("
        "  select convert_from(body, 'UTF8')::jsonb ->> 'id' as id, subject, shard, pos from event_log"
        "  where log = 'decisions' and tenant = $1 and subject = any($2::text[])"
        "  and subject <> '' and subject <> 'checkpoint'"
        ") e where e.id = any($3::text[])",
        tenant, list(learners), list(ids),
    )  # fmt: skip
