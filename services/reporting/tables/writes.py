"""What the folds write: one statement a table and batch, inside the consumer's transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from services.reporting.tables.read_models import MODELS, OF_LEARNERS, consumer_name, table_name
from services.reporting.tables.statements import column_types, upsert_statement
from shared.database import Connection, columns, incoming

Rows = Sequence[Sequence[Any]]


class Unfolded(NamedTuple):
    """An event of ours whose data cannot be read: where it is, whose it is, and why."""

    shard: int
    pos: int
    tenant: str
    subject: str
    reason: str
    data: bytes


class CheckpointRow(NamedTuple):
    """Up to which input positions a shard of the progression log is told."""

    shard: int
    generation: int
    evidence: int
    decisions: int


async def upsert(connection: Connection, table: str, version: int, rows: Rows) -> None:
    """Write rows into a read-model table: each key at most once, sorted, so that writers cannot deadlock."""
    if not rows:
        return
    target, types = table_name(table, version), column_types(table, version)
    source, arguments = await incoming(connection, f"{target}_in", types, rows)
    await connection.execute(upsert_statement(source, table, version), *arguments)


async def forget(connection: Connection, model: str, learners: Collection[tuple[str, str]]) -> None:
    """
    Delete the rows of (tenant, learner) from every version of a read model, also from those that are kept for a rollback;
    from what no version could fold and what was asked to be looked at again; and from the log of who looked at whom, which keeps
    its entries, but not who of the family it was that looked at nobody else.
    """
    if not learners:
        return
    tenants, names = columns(learners, 2)
    for table, column in (one for one in OF_LEARNERS if one[0] in MODELS[model]):
        for version in await _versions(connection, table):
            await connection.execute(
                f"delete from {table_name(table, version)} t using unnest($1::text[], $2::text[]) k (tenant, learner)"
                f" where t.tenant = k.tenant and t.{column} = k.learner",
                tenants,
                names,
            )
    await connection.execute(
        "delete from unfolded u using unnest($1::text[], $2::text[]) k (tenant, learner)"
        " where u.tenant = k.tenant and u.subject = k.learner",
        tenants,
        names,
    )
    await connection.execute(
        "delete from review_request r using unnest($1::text[], $2::text[]) k (tenant, learner)"
        " where r.tenant = k.tenant and r.learner = k.learner",
        tenants,
        names,
    )
    await _forget_looks(connection, tenants, names)


async def _forget_looks(connection: Connection, tenants: Sequence[str], names: Sequence[str]) -> None:
    """Take learners out of the log of who looked at whom, all of them at once: an entry may be of several."""
    await connection.execute(
        "with gone as (select tenant, array_agg(learner) as learners from unnest($1::text[], $2::text[])"
        "   k (tenant, learner) group by tenant),"
        " looked as (select l.id, l.target = any(g.learners) as at_one, array(select each from unnest(l.learners) with"
        "     ordinality u (each, n) where each <> all(g.learners) order by n) as others from gone g"
        "   join access_log l on l.tenant = g.tenant and (l.learners && g.learners or l.target = any(g.learners)))"
        " update access_log l set learners = k.others, target = case when k.at_one then '' else l.target end,"
        "   person = case when l.role = 'learner' or l.role = 'guardian' and k.others = '{}' then '' else l.person end"
        " from looked k where l.id = k.id",
        tenants,
        names,
    )


async def forget_assigned(
    connection: Connection, version: int, anew: Mapping[tuple[str, str], tuple[int, int]]
) -> None:
    """
    Delete who is assigned to (tenant, learner), in whose log it is told anew behind (shard, position).

    From this version, and from every other that has yet to read it, as those are that are kept for a rollback.
    """
    for each in await _versions(connection, "assignment") if anew else ():
        await connection.execute(
            f"delete from {table_name('assignment', each)} t"
            " using unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) k (tenant, learner, shard, pos)"
            " where t.tenant = k.tenant and t.kind = 'learner' and t.target = k.learner and ($5 or not exists (select"
            "   from consumer_shard c where c.consumer = $6 and c.shard = k.shard and c.pos >= k.pos))",
            *columns(((*learner, *place) for learner, place in anew.items()), 4),
            each == version,
            consumer_name("roster", each),
        )


async def _versions(connection: Connection, table: str) -> list[int]:
    """Return the versions that a read-model table is there in."""
    rows = await connection.fetch(
        "select substring(relname from '[0-9]+$')::int from pg_class"
        " where relkind in ('r', 'p') and relname ~ ('^' || $1 || '_v[0-9]+$') order by 1",
        table,
    )
    return [row[0] for row in rows]


async def move_checkpoints(connection: Connection, consumer: str, rows: Sequence[CheckpointRow]) -> None:
    """Store the last checkpoint of each shard in the batch."""
    await connection.execute(
        "insert into checkpoint (consumer, shard, generation, evidence, decisions)"
        " select $1, k.* from unnest($2::int[], $3::int[], $4::bigint[], $5::bigint[]) k"
        " on conflict (consumer, shard) do update set generation = excluded.generation, evidence = excluded.evidence,"
        "   decisions = excluded.decisions",
        consumer,
        *columns(rows, 4),
    )


async def count_events(connection: Connection, consumer: str, counts: Mapping[tuple[int, str], int]) -> None:
    """Add to the number of events folded, by (shard, tenant); a shard has one owner, so nobody waits for these rows."""
    await connection.execute(
        "insert into folded_count as c (consumer, shard, tenant, events)"
        " select $1, k.* from unnest($2::int[], $3::text[], $4::bigint[]) k"
        " on conflict (consumer, shard, tenant) do update set events = c.events + excluded.events",
        consumer,
        *columns([(*key, counts[key]) for key in sorted(counts)], 3),
    )


async def note_unfolded(connection: Connection, consumer: str, rows: Sequence[Unfolded]) -> dict[str, int]:
    """Keep what cannot be folded with its reason; return how many subjects of each tenant have such an event in the last hour."""
    await connection.execute(
        "insert into unfolded (consumer, shard, pos, tenant, subject, reason, data)"
        " select $1, k.* from unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[]) k"
        " on conflict do nothing",
        consumer,
        *columns(rows, 6),
    )
    blocked = await connection.fetch(
        "select tenant, count(distinct subject) from unfolded"
        " where consumer = $1 and noted_at > now() - interval '1 hour' group by tenant",
        consumer,
    )
    return {row["tenant"]: row["count"] for row in blocked}


async def tenants_folded(connection: Connection, consumer: str) -> list[str]:
    """Return the tenants of which the consumer has folded events."""
    rows = await connection.fetch(
        "select distinct tenant from folded_count where consumer = $1 and tenant <> ''", consumer
    )
    return [row["tenant"] for row in rows]


async def publish_frameworks(
    connection: Connection, version: int, current: Mapping[tuple[str, str], tuple[str, str]]
) -> None:
    """Make framework versions the current ones: (tenant, framework) to (title, framework version)."""
    await upsert(connection, "framework", version, [(*key, *current[key]) for key in sorted(current)])
