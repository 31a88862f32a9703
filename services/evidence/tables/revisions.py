"""Statements on results that their source overwrites."""

import hashlib
from collections.abc import Mapping, Sequence

from services.evidence.domain.revisions import Group, decode_group, encode_group
from shared.database import Connection, columns

REVISION_LOCK = 0x6174_7265


async def lock(connection: Connection, tenant: str, source: str, groups: Sequence[str]) -> dict[str, Group]:
    """Let no one else revise results of the source until this transaction ends; return the groups that are there."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", REVISION_LOCK, f"{tenant}|{source}")
    keys = {_key(group): group for group in groups}
    rows = await connection.fetch(
        "select group_key, state from revision_group where tenant = $1 and source = $2 and group_key = any($3)",
        tenant,
        source,
        list(keys),
    )
    return {keys[row["group_key"]]: decode_group(row["state"]) for row in rows}


async def store(connection: Connection, tenant: str, source: str, groups: Mapping[str, Group]) -> None:
    """Store groups as they are now."""
    if groups:
        await connection.execute(
            "insert into revision_group (tenant, source, group_key, state)"
            " select $1, $2, k.* from unnest($3::bytea[], $4::bytea[]) k (group_key, state)"
            " on conflict (tenant, source, group_key) do update set state = excluded.state",
            tenant,
            source,
            *columns(((_key(name), encode_group(group)) for name, group in sorted(groups.items())), 2),
        )


def _key(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()
