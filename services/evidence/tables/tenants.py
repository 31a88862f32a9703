"""Statements on tenants that are ended."""

from datetime import datetime

from shared.database import Connection


async def left(connection: Connection, tenant: str, before: datetime) -> int:
    """Return how much of a tenant is there from before its end: pieces that are kept, statements of people, good keys."""
    found: int = await connection.fetchval(
        "select (select count(*) from quarantine where tenant = $1 and received_at < $2)"
        " + (select count(*) from xapi_statement"
        "   where tenant = $1 and learner_source_id is not null and received_at < $2)"
        " + (select count(*) from api_key where tenant = $1 and created_at < $2 and revoked_at is null)",
        tenant,
        before,
    )
    return found
