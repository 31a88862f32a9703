"""Statements over policies, frameworks, what was proposed and decided of them, and what is in force."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from shared.database import Connection, columns


async def save_policy(connection: Connection, tenant: str, digest: str, body: bytes) -> None:
    """Store a policy version; the same one again changes nothing."""
    await connection.execute(
        "insert into policy (tenant, hash, body) values ($1, $2, $3) on conflict do nothing", tenant, digest, body
    )


async def save_framework(connection: Connection, tenant: str, id: str, version: str, body: bytes) -> None:
    """Store a framework version; the same one again changes nothing."""
    await connection.execute(
        "insert into framework (tenant, id, version, body) values ($1, $2, $3, $4) on conflict do nothing",
        tenant, id, version, body,
    )  # fmt: skip


async def load_activations(connection: Connection, shards: Collection[int]) -> list[Any]:
    """Return the activations of the shards in order, with the bodies of their policies and frameworks."""
    return await connection.fetch(
        f"{_ACTIVATIONS} where a.shard = any($1::int[]) order by a.shard, a.tenant, a.no", list(shards)
    )


async def tenant_activations(connection: Connection, tenant: str, shard: int, framework: str | None) -> list[Any]:
    """Return a tenant's activations on a shard in order; of frameworks that are not this one (None: any) without the body."""
    return await connection.fetch(
        f"{_ACTIVATIONS} and ($3::text is null or f.id = $3) where a.shard = $2 and a.tenant = $1 order by a.no",
        tenant,
        shard,
        framework,
    )


async def zone_of(connection: Connection, tenant: str) -> str:
    """Return the time zone of a tenant's days, UTC where none is set, as its first shard has folded it."""
    found: str | None = await connection.fetchval(
        "select time_zone from activation where shard = 0 and tenant = $1 and time_zone <> '' order by no desc limit 1",
        tenant,
    )
    return found or "UTC"


_ACTIVATIONS = (
    "select a.shard, a.tenant, a.no, a.input_id, a.pos, a.time, a.framework, a.policy, a.time_zone, a.breaks,"
    " a.swept, a.mode, a.batch, p.body as policy_body, f.body as framework_body from activation a"
    " left join policy p on p.tenant = a.tenant and p.hash = a.policy"
    " left join framework f on f.tenant = a.tenant and f.id = a.framework and f.version = a.version"
)


async def load_documents(connection: Connection, tenant: str, policy: str, framework: str, version: str) -> Any:
    """Return the bodies (policy, framework) that an activation names; None where it names none."""
    return await connection.fetchrow(
        "select (select body from policy where tenant = $1 and hash = $2),"
        " (select body from framework where tenant = $1 and id = $3 and version = $4)",
        tenant, policy, framework, version,
    )  # fmt: skip


async def save_activations(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store (shard, tenant, no, input_id, pos, time, framework, policy, version, time_zone, breaks, mode, batch)."""
    names = (
        "shard", "tenant", "no", "input_id", "pos", "time", "framework", "policy", "version", "time_zone", "breaks",
        "mode", "batch",
    )  # fmt: skip
    values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    await connection.executemany(f"insert into activation ({', '.join(names)}) values ({values})", rows)


async def add_proposal(connection: Connection, row: Sequence[Any]) -> None:
    """Store (tenant, id, policy, replaced, framework, mode, reason, expected, comparison, proposed_by)."""
    await connection.execute(
        "insert into policy_proposal"
        " (tenant, id, policy, replaced, framework, mode, reason, expected, comparison, proposed_by)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *row,
    )


async def proposals_of(connection: Connection, tenant: str, id: str | None = None) -> list[Any]:
    """Return a tenant's proposals, or the one, the latest first."""
    return await connection.fetch(
        "select * from policy_proposal where tenant = $1 and ($2::text is null or id = $2) order by proposed_at desc",
        tenant, id,
    )  # fmt: skip


async def approve_proposal(connection: Connection, tenant: str, id: str, author: str, now_because: str | None) -> None:
    """Note who approved a proposal, and in a freeze why; who did so first stays noted."""
    await connection.execute(
        "update policy_proposal set approved_by = $3, approved_at = now(), now_because = $4"
        " where tenant = $1 and id = $2 and approved_by is null",
        tenant, id, author, now_because,
    )  # fmt: skip


async def mark_swept(connection: Connection, rows: Iterable[tuple[int, str, int]]) -> None:
    """Note that all keys of (shard, tenant) are refolded up to activation `no`."""
    await connection.execute(
        "update activation a set swept = true from unnest($1::int[], $2::text[], $3::int[]) k (shard, tenant, no)"
        " where a.shard = k.shard and a.tenant = k.tenant and a.no <= k.no",
        *columns(rows, 3),
    )


async def policies_of(connection: Connection, tenant: str | None) -> list[Any]:
    """Return (hash, body) of a tenant's policies, or of all tenants'."""
    return await connection.fetch(
        "select distinct hash, body from policy where $1::text is null or tenant = $1", tenant
    )


async def policy_body(connection: Connection, tenant: str, digest: str) -> bytes | None:
    """Return the body of a policy version."""
    body: bytes | None = await connection.fetchval(
        "select body from policy where tenant = $1 and hash = $2", tenant, digest
    )
    return body


async def lock_decisions(connection: Connection, tenant: str) -> None:
    """Let no one else decide for a tenant until the caller's transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(hashtext('decisions'), hashtext($1))", tenant)


async def last_decision(connection: Connection, tenant: str, type: str, about: bytes) -> tuple[bytes, dict[int, int]]:
    """
    Return the last decision of a type, folded or not, and its place in the inbox of every shard.

    `about` is a JSON object that its data contains.
    """
    rows = await connection.fetch(
        "select distinct on (shard) shard, pos, body from event_log where log = 'decisions' and tenant = $1"
        " and subject = 'decision'"
        " and convert_from(body, 'UTF8')::jsonb @> jsonb_build_object('type', $2::text, 'data', $3::text::jsonb)"
        " order by shard, pos desc",
        tenant,
        type,
        about.decode(),
    )
    return (rows[0]["body"] if rows else b""), {row["shard"]: row["pos"] for row in rows}


async def frameworks_of(connection: Connection, tenant: str) -> list[bytes]:
    """Return the bodies of the framework versions in force for a tenant."""
    rows = await connection.fetch(
        "select distinct on (a.framework) f.body from activation a"
        " join framework f on f.tenant = a.tenant and f.id = a.framework and f.version = a.version"
        " where a.tenant = $1 and a.policy = '' and a.shard = 0 order by a.framework, a.no desc",
        tenant,
    )
    return [row[0] for row in rows]


async def all_frameworks_of(connection: Connection, tenant: str) -> list[bytes]:
    """Return the bodies of all framework versions of a tenant."""
    return [row[0] for row in await connection.fetch("select body from framework where tenant = $1", tenant)]


async def unswept(connection: Connection) -> list[Any]:
    """Return (shard, activations, since) of the shards where activations have not reached all keys yet."""
    return await connection.fetch("select shard, count(*), min(time) from activation where not swept group by shard")
