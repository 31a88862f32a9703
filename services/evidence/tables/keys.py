"""The API keys of learning systems."""

import datetime

import asyncpg

from services.evidence.domain.keys import ApiKey
from shared.database import Connection

_COLUMNS = "key_id, tenant, name, source, scopes, digest, created_at, expires_at, revoked_at"


async def add(connection: Connection, key: ApiKey) -> bool:
    """Store a new key; tell whether there was none by its id."""
    added = await connection.fetchval(
        f"insert into api_key ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " on conflict (key_id) do nothing returning true",
        key.key_id, key.tenant, key.name, key.source, list(key.scopes), key.digest, key.created_at, key.expires_at,
        key.revoked_at,
    )  # fmt: skip
    return added is not None


async def find(connection: Connection, key_id: str) -> ApiKey | None:
    """Return a key of any tenant: its holder does not name one."""
    row = await connection.fetchrow(f"select {_COLUMNS} from api_key where key_id = $1", key_id)
    return None if row is None else _key(row)


async def of_tenant(connection: Connection, tenant: str) -> list[ApiKey]:
    """Return the keys of a tenant, oldest first."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from api_key where tenant = $1 order by created_at, key_id", tenant
    )
    return [_key(row) for row in rows]


async def unrevoked(connection: Connection, tenant: str, key_id: str) -> ApiKey | None:
    """Return a key of a tenant, locked; None where there is none, or it is revoked."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from api_key where tenant = $1 and key_id = $2 and revoked_at is null for update",
        tenant, key_id,
    )  # fmt: skip
    return None if row is None else _key(row)


async def end(connection: Connection, key_id: str, at: datetime.datetime) -> None:
    """Let a key end at a time, if it does not end before."""
    await connection.execute("update api_key set expires_at = least(expires_at, $2) where key_id = $1", key_id, at)


async def revoke(connection: Connection, tenant: str, key_id: str, at: datetime.datetime) -> ApiKey | None:
    """Revoke a key of a tenant; the first time stays. Return it, None where there is none."""
    row = await connection.fetchrow(
        "update api_key set revoked_at = coalesce(revoked_at, $3) where tenant = $1 and key_id = $2"
        f" returning {_COLUMNS}",
        tenant, key_id, at,
    )  # fmt: skip
    return None if row is None else _key(row)


async def revoke_before(connection: Connection, tenant: str, at: datetime.datetime) -> None:
    """Revoke the keys of a tenant that were made before an instant."""
    await connection.execute(
        "update api_key set revoked_at = $2 where tenant = $1 and created_at < $2 and revoked_at is null", tenant, at
    )


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(**dict(row) | {"scopes": tuple(row["scopes"])})
