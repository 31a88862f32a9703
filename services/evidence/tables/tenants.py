"""Statements on tenants that are ended."""

from datetime import datetime

from shared.database import Connection


async def left(connection: Connection, tenant: str, before: datetime) -> int:
    """Return how much of a tenant is there from before its end: pieces, statements and events that are kept, good keys."""
    found: int = await connection.fetchval(
        "select (select count(*) from quarantine where tenant = $1 and received_at < $2)"
        " + (select count(*) from xapi_statement where tenant = $1 and received_at < $2"
        "   and num_nonnulls(body, learner_source_id, people) > 0)"
        " + (select count(*) from kept_event where tenant = $1 and received_at < $2 and body is not null)"
        " + (select count(*) from api_key where tenant = $1 and created_at < $2 and revoked_at is null)",
        tenant,
        before,
    )
    return found
