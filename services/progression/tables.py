"""The tables of progression and every statement over them. State columns hold MessagePack of the domain's structs."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from services.progression.inputs import Key, Learner
from services.progression.journal import JournalRow
from shared import consumer, event_log, reconciliation
from shared.database import Connection, columns, upsert_rows

metadata = sa.MetaData()
event_log.define_tables(metadata)
consumer.define_tables(metadata)
reconciliation.define_tables(metadata)
_text = sa.Text(collation="C")

StateRow: TypeAlias = tuple[str, str, str, int, int, bytes, str | None]
"""(tenant, learner, competency, shard, rules_no, state, deadline)."""

mastery = sa.Table(
    "mastery",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("competency", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("rules_no", sa.Integer, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("deadline", _text),
    sa.Index("mastery_deadline", "shard", "deadline", postgresql_where=sa.text("deadline is not null")),
    postgresql_with={"fillfactor": 70},
)
learner_standing = sa.Table(
    "learner_standing",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("deadline", _text),
    sa.Index("learner_standing_deadline", "shard", "deadline", postgresql_where=sa.text("deadline is not null")),
    postgresql_with={"fillfactor": 70},
)
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("batch", sa.BigInteger, primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("tenant", _text, nullable=False),
    sa.Column("learner", _text, nullable=False),
    sa.Column("competency", _text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Index("journal_key", "learner", "competency"),
)
policy = sa.Table(
    "policy",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("hash", _text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
framework = sa.Table(
    "framework",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("version", _text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
activation = sa.Table(
    "activation",
    metadata,
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True),
    sa.Column("input_id", _text, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("time", _text, nullable=False),
    sa.Column("framework", _text, nullable=False),
    sa.Column("policy", _text, nullable=False),
    sa.Column("version", _text, nullable=False),
    sa.Column("time_zone", _text, nullable=False, server_default=""),
    sa.Column("breaks", _text, nullable=False, server_default=""),
    sa.Column("mode", _text, nullable=False, server_default="grandfathered"),
    sa.Column("batch", _text, nullable=False, server_default=""),
    sa.Column("swept", sa.Boolean, nullable=False, server_default=sa.false()),
)
policy_proposal = sa.Table(
    "policy_proposal",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("policy", _text, nullable=False),
    sa.Column("replaced", _text, nullable=False),
    sa.Column("framework", _text, nullable=False),
    sa.Column("mode", _text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expected", sa.LargeBinary, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("approved_by", sa.Text),
    sa.Column("approved_at", sa.DateTime(timezone=True)),
)
blocked_learner = sa.Table(
    "blocked_learner",
    metadata,
    sa.Column("tenant", _text, primary_key=True),
    sa.Column("learner", _text, primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("pos", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)


async def journal_heads(connection: Connection, shards: Collection[int]) -> dict[int, int]:
    """Return the last journal position of each shard."""
    rows = await connection.fetch(
        "select s, coalesce((select max(batch) from journal where shard = s), 0) from unnest($1::int[]) s", list(shards)
    )
    return {row[0]: row[1] for row in rows}


async def append_journal(connection: Connection, rows: Sequence[JournalRow]) -> None:
    """Append rows whose positions the shard's owner has given."""
    if rows:
        await connection.copy_records_to_table("journal", records=rows)


async def load_states(connection: Connection, keys: Collection[Key]) -> list[Any]:
    """Return (tenant, learner, competency, rules_no, state) of the keys that exist."""
    return await connection.fetch(
        # The limit keeps the planner from joining by reading the whole table.
        "select k.tenant, k.learner, k.competency, m.rules_no, m.state"
        " from unnest($1::text[], $2::text[], $3::text[]) k (tenant, learner, competency)"
        " cross join lateral (select rules_no, state from mastery m where m.tenant = k.tenant"
        "   and m.learner = k.learner and m.competency = k.competency limit 1) m",
        *columns(keys, 3),
    )


async def load_learner_states(connection: Connection, learners: Collection[Learner]) -> list[Any]:
    """Return all states of the learners, in the form of `load_states`."""
    return await connection.fetch(
        "select m.tenant, m.learner, m.competency, m.rules_no, m.state from mastery m"
        " join unnest($1::text[], $2::text[]) k (tenant, learner) using (tenant, learner)",
        *columns(learners, 2),
    )


async def load_evidence(connection: Connection, keys: Collection[Key]) -> list[Any]:
    """Return (tenant, learner, competency, body) of every journal row of the keys, in journal order."""
    return await connection.fetch(
        "select j.tenant, j.learner, j.competency, j.body"
        " from unnest($1::text[], $2::text[], $3::text[]) k (tenant, learner, competency)"
        " join journal j on j.learner = k.learner and j.competency = k.competency and j.tenant = k.tenant"
        " order by j.shard, j.batch",
        *columns(keys, 3),
    )


async def load_journal_of(connection: Connection, shard: int, tenant: str, learner: str) -> list[bytes]:
    """Return the bodies of a learner's journal rows in order."""
    rows = await connection.fetch(
        "select body from journal where learner = $1 and tenant = $2 and shard = $3 order by batch, no",
        learner, tenant, shard,
    )  # fmt: skip
    return [row[0] for row in rows]


async def read_journal(connection: Connection, shard: int, after: int, limit: int) -> list[Any]:
    """Return the rows of the next whole batches behind a position, `limit` rows or a batch more, in order."""
    return await connection.fetch(
        "select * from journal where shard = $1 and batch > $2 and batch <= (select max(batch) from"
        "   (select batch from journal where shard = $1 and batch > $2 order by batch, no limit $3) page)"
        " order by batch, no",
        shard, after, limit,
    )  # fmt: skip


async def save_states(connection: Connection, rows: Sequence[StateRow]) -> None:
    """Store states, each key once, in the order of the keys."""
    await upsert_rows(
        connection, "mastery", ("text", "text", "text", "int", "int", "bytea", "text"), rows,
        "on conflict (tenant, learner, competency) do update set state = excluded.state, rules_no = excluded.rules_no,"
        " deadline = excluded.deadline",
    )  # fmt: skip


async def load_standings(connection: Connection, learners: Collection[Learner]) -> list[Any]:
    """Return (tenant, learner, state) of the learners that have a standing."""
    return await connection.fetch(
        "select k.tenant, k.learner, s.state from unnest($1::text[], $2::text[]) k (tenant, learner)"
        " cross join lateral (select state from learner_standing s where s.tenant = k.tenant"
        "   and s.learner = k.learner limit 1) s",
        *columns(learners, 2),
    )


async def save_standings(connection: Connection, rows: Sequence[tuple[str, str, int, bytes, str | None]]) -> None:
    """Store (tenant, learner, shard, state, deadline)."""
    await upsert_rows(
        connection, "learner_standing", ("text", "text", "int", "bytea", "text"), rows,
        "on conflict (tenant, learner) do update set state = excluded.state, deadline = excluded.deadline",
    )  # fmt: skip


async def next_deadlines(connection: Connection, shards: Collection[int], after: str) -> dict[int, str]:
    """Return the first deadline behind an instant of each shard that has one."""
    rows = await connection.fetch(
        "select s, least((select min(deadline) from mastery where shard = s and deadline > $2),"
        "   (select min(deadline) from learner_standing where shard = s and deadline > $2))"
        " from unnest($1::int[]) s",
        list(shards), after,
    )  # fmt: skip
    return {row[0]: row[1] for row in rows if row[1] is not None}


async def load_due(connection: Connection, shard: int, now: str, limit: int) -> list[Any]:
    """Return (tenant, learner, competency) whose deadlines have passed, the competency null for levels; by deadline."""
    return await connection.fetch(
        "select tenant, learner, competency from ("
        "   (select tenant, learner, competency, deadline from mastery where shard = $1 and deadline <= $2"
        "    order by deadline limit $3)"
        "   union all (select tenant, learner, null, deadline from learner_standing where shard = $1 and deadline <= $2"
        "    order by deadline limit $3)) due order by deadline, tenant, learner limit $3",
        shard, now, limit,
    )  # fmt: skip


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
    if rows:
        names = [
            "shard", "tenant", "no", "input_id", "pos", "time", "framework", "policy", "version", "time_zone", "breaks",
            "mode", "batch",
        ]  # fmt: skip
        await connection.copy_records_to_table("activation", records=rows, columns=names)


async def add_proposal(connection: Connection, row: Sequence[Any]) -> None:
    """Store (tenant, id, policy, replaced, framework, mode, reason, expected, proposed_by)."""
    await connection.execute(
        "insert into policy_proposal (tenant, id, policy, replaced, framework, mode, reason, expected, proposed_by)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *row,
    )


async def proposals_of(connection: Connection, tenant: str, id: str | None = None) -> list[Any]:
    """Return a tenant's proposals, or the one, the latest first."""
    return await connection.fetch(
        "select * from policy_proposal where tenant = $1 and ($2::text is null or id = $2) order by proposed_at desc",
        tenant, id,
    )  # fmt: skip


async def approve_proposal(connection: Connection, tenant: str, id: str, author: str) -> bool:
    """Note who approved a proposal; return False where that was done before."""
    done = await connection.execute(
        "update policy_proposal set approved_by = $3, approved_at = now()"
        " where tenant = $1 and id = $2 and approved_by is null",
        tenant, id, author,
    )  # fmt: skip
    return bool(done == "UPDATE 1")


async def mark_swept(connection: Connection, rows: Iterable[tuple[int, str, int]]) -> None:
    """Note that all keys of (shard, tenant) are refolded up to activation `no`."""
    await connection.execute(
        "update activation a set swept = true from unnest($1::int[], $2::text[], $3::int[]) k (shard, tenant, no)"
        " where a.shard = k.shard and a.tenant = k.tenant and a.no <= k.no",
        *columns(rows, 3),
    )


async def stale_learners(
    connection: Connection, shard: int, tenant: str, rules_no: int, after: str, limit: int
) -> list[str]:
    """Return learners of a shard with keys older than an activation, in order behind `after`."""
    rows = await connection.fetch(
        "select distinct learner from mastery where tenant = $1 and learner > $2 and shard = $3 and rules_no < $4"
        " order by learner limit $5",
        tenant, after, shard, rules_no, limit,
    )  # fmt: skip
    return [row[0] for row in rows]


async def load_blocked(connection: Connection, shards: Collection[int]) -> list[Any]:
    """Return (shard, tenant, learner, pos) of the blocked learners; `pos` is the first input that is not folded."""
    return await connection.fetch(
        "select shard, tenant, learner, pos from blocked_learner where shard = any($1::int[])", list(shards)
    )


async def save_blocked(connection: Connection, rows: Sequence[tuple[str, str, int, int, str]]) -> None:
    """Store (tenant, learner, shard, pos, reason); a learner blocked before keeps the first position."""
    await connection.execute(
        "insert into blocked_learner (tenant, learner, shard, pos, reason)"
        " select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[])"
        " on conflict (tenant, learner) do update set reason = excluded.reason",
        *columns(rows, 5),
    )


async def delete_blocked(connection: Connection, learners: Collection[Learner]) -> None:
    """Take learners off the list of blocked ones."""
    await connection.execute(
        "delete from blocked_learner b using unnest($1::text[], $2::text[]) k (tenant, learner)"
        " where b.tenant = k.tenant and b.learner = k.learner",
        *columns(learners, 2),
    )


async def count_blocked(connection: Connection) -> tuple[int, int]:
    """Return how many learners are blocked, and how many of them since less than an hour."""
    row = await connection.fetchrow(
        "select count(*), count(*) filter (where since > now() - interval '1 hour') from blocked_learner"
    )
    assert row is not None
    return row[0], row[1]


async def states_of(connection: Connection, tenant: str, learner: str) -> list[Any]:
    """Return (competency, state) of a learner, in order."""
    return await connection.fetch(
        "select competency, state from mastery where tenant = $1 and learner = $2 order by competency", tenant, learner
    )


async def states_behind(connection: Connection, tenant: str, after: str, limit: int) -> list[Any]:
    """Return (learner, competency, state) of the next `limit` learners behind one, in order."""
    return await connection.fetch(
        "select learner, competency, state from mastery where tenant = $1 and learner in"
        " (select distinct learner from mastery where tenant = $1 and learner > $2 order by learner limit $3)"
        " order by learner, competency",
        tenant, after, limit,
    )  # fmt: skip


async def standing_of(connection: Connection, tenant: str, learner: str) -> bytes | None:
    """Return a learner's standing, None where nothing is on the record."""
    state: bytes | None = await connection.fetchval(
        "select state from learner_standing where tenant = $1 and learner = $2", tenant, learner
    )
    return state


async def standings_behind(
    connection: Connection, tenant: str, after: str, limit: int, learners: Collection[str] | None
) -> list[Any]:
    """Return (learner, state) of a tenant's learners behind one, in order; of these alone where they are named."""
    return await connection.fetch(
        "select learner, state from learner_standing where tenant = $1 and learner > $2"
        " and ($4::text[] is null or learner = any($4)) order by learner limit $3",
        tenant, after, limit, list(learners) if learners is not None else None,
    )  # fmt: skip


async def all_states(connection: Connection, tenant: str | None, after: Key, limit: int) -> list[Any]:
    """Return (tenant, learner, competency, state) behind a key, in order; of all tenants where `tenant` is None."""
    return await connection.fetch(
        "select tenant, learner, competency, state from mastery"
        " where (tenant, learner, competency) > ($1, $2, $3) and ($4::text is null or tenant = $4)"
        " order by tenant, learner, competency limit $5",
        *after, tenant, limit,
    )  # fmt: skip


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


async def public_events(
    connection: Connection, tenant: str, learner: str | None, after: dict[int, int], limit: int
) -> list[Any]:
    """Return (shard, pos, generation, subject, body) of a tenant's public events behind a vector of positions."""
    return await connection.fetch(
        "select e.shard, e.pos, h.generation, e.subject, e.body"
        " from unnest($3::int[], $4::bigint[]) c (shard, after)"
        " join log_head h on h.log = 'advancement' and h.shard = c.shard"
        " cross join lateral (select shard, pos, subject, body from event_log e where e.log = 'advancement'"
        "   and e.shard = c.shard and e.pos > c.after and e.tenant = $1 and ($2::text is null or e.subject = $2)"
        "   order by e.pos limit $5) e order by e.shard, e.pos",
        tenant, learner, *columns(after.items(), 2), limit,
    )  # fmt: skip


async def folded_positions(connection: Connection, name: str) -> dict[int, tuple[int, int, int]]:
    """Return (generation, pos, inbox_pos) of every shard of a consumer."""
    rows = await connection.fetch(
        "select shard, generation, pos, inbox_pos from consumer_shard where consumer = $1", name
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def count_unswept(connection: Connection) -> int:
    """Return how many activations have not reached all keys of their shard yet."""
    count: int = await connection.fetchval("select count(*) from activation where not swept")
    return count


INPUT_ROWS = "select tenant, events as n from journal where shard = k.shard and batch > k.after and batch <= k.until"
"""The journalled events of the evidence log in a range of journal positions `k`, for a tally."""


async def learners_behind(connection: Connection, after: str, limit: int) -> list[str]:
    """Return learners with journalled inputs, in order behind `after`."""
    rows = await connection.fetch(
        "select distinct learner from journal where learner > $1 order by learner limit $2", after, limit
    )
    return [row[0] for row in rows]


async def journal_of(connection: Connection, learner: str) -> list[Any]:
    """Return (tenant, competency, body) of a learner's journal rows in all tenants, in order."""
    return await connection.fetch(
        "select tenant, competency, body from journal where learner = $1 order by shard, batch, no", learner
    )


async def tenants_where_blocked(connection: Connection, learner: str) -> set[str]:
    """Return the tenants in which a learner is blocked."""
    rows = await connection.fetch("select tenant from blocked_learner where learner = $1", learner)
    return {row[0] for row in rows}
