"""
SQL of terms that are closed: what was on the record then.

A closing copies nothing. A state is copied before its first change behind the closing, so what was on the record is the copy
where there is one, else the state as it is; of several terms that ended in between the last one has it.
"""

from collections.abc import Sequence

from services.reporting.tables.read_models import table_name
from services.reporting.tables.reads import Rows, Snapshot
from shared.database import Connection, columns

Keys = Sequence[tuple[str, str, str, int]]
"""Tenant, learner, competency, and the shard of the learner."""


def ended(names: Sequence[str], *, term: str, learners: str, shards: str) -> str:
    """
    Return a query `ended`, and those it reads: the states of learners of the tenant $1 as a term ended, by these columns.

    The first column is one that no state lacks. The term, the learners and the shard of each are places, such as `$2`.
    """
    of_record, of_state = (", ".join(f"{table}.{name}" for name in names) for table in "rm")
    return (
        f"asked as (select k.learner, t.position, k.shard from unnest({learners}::text[], {shards}::int[]) k (learner, shard)"
        f"   join {{term}} t on t.tenant = $1 and t.term = {term} and t.shard = k.shard),"
        f" kept as (select distinct on (r.learner, r.competency) r.learner, r.competency, {of_record}"
        "   from asked a join {term_record} r on r.tenant = $1 and r.learner = a.learner"
        "   join {term} t on t.tenant = $1 and t.term = r.term and t.shard = a.shard and t.position >= a.position"
        "   order by r.learner, r.competency, t.position),"
        f" ended as (select * from kept where {names[0]} is not null union all"
        f"   select m.learner, m.competency, {of_state} from asked join {{mastery}} m"
        "   on m.tenant = $1 and m.learner = asked.learner"
        "   where (m.learner, m.competency) not in (select learner, competency from kept))"
    )


async def keep_as_closed(connection: Connection, version: int, keys: Keys) -> None:
    """Copy the states of keys that are about to change, where that is the first change since a term was closed."""
    if not keys:
        return
    term, record, mastery = (table_name(name, version) for name in ("term", "term_record", "mastery"))
    tenants = sorted({key[0] for key in keys})
    if not await connection.fetchval(f"select exists (select from {term} where tenant = any($1::text[]))", tenants):
        return
    await connection.execute(
        f"insert into {record} (tenant, learner, competency, term, status, score, evidence_count, last_evidence_at,"
        "   mastered_at, seq, data)"
        " select k.tenant, k.learner, k.competency, t.term, m.status, m.score, m.evidence_count, m.last_evidence_at,"
        "   m.mastered_at, m.seq, m.data"
        " from unnest($1::text[], $2::text[], $3::text[], $4::int[]) k (tenant, learner, competency, shard)"
        f" join lateral (select term from {term} t where t.tenant = k.tenant and t.shard = k.shard"
        "   order by position desc limit 1) t on true"
        f" left join {mastery} m on (m.tenant, m.learner, m.competency) = (k.tenant, k.learner, k.competency)"
        " on conflict do nothing",
        *columns(keys, 4),
    )


async def terms_of(view: Snapshot, tenant: str) -> Rows:
    """Return (term, closed_at, closed_by, parts closed) of the tenant's terms, the latest first."""
    return await view.rows(
        "select term, closed_at, closed_by, count(*) as parts from {term} where tenant = $1"
        " group by 1, 2, 3 order by closed_at desc, term",
        tenant,
    )


async def term_of(view: Snapshot, tenant: str, term: str) -> Rows:
    """Return (shard, closed_at) of a term in each shard where it is closed."""
    return await view.rows("select shard, closed_at from {term} where tenant = $1 and term = $2", tenant, term)


async def records_of(view: Snapshot, tenant: str, term: str, learners: Sequence[tuple[str, int]]) -> Rows:
    """Return (learner, competency, data) of the states of learners, given with their shards, when a term was closed."""
    states = ended(["data"], term="$2", learners="$3", shards="$4")
    return await view.rows(f"with {states} select * from ended order by 1, 2", tenant, term, *columns(learners, 2))


async def snapshots_of(view: Snapshot, tenant: str, term: str, learners: Sequence[str]) -> Rows:
    """Return (learner, digest) of those learners of whom a term's snapshot was told."""
    return await view.rows(
        "select learner, digest from {term_snapshot} where tenant = $1 and term = $2 and learner = any($3::text[])",
        tenant,
        term,
        list(learners),
    )


async def levels_told(view: Snapshot, tenant: str, term: str, learners: Sequence[str], kinds: Sequence[str]) -> Rows:
    """Return what had been told of levels when a term was closed, in order: members of `amended.LevelTold`."""
    return await view.rows(
        "select a.learner, a.id, a.kind, a.scope, a.framework, a.effective_at,"
        "   array(select json_array_elements_text(convert_from(a.data, 'UTF8')::json -> 'levels_affected'))"
        " from {term_snapshot} s"
        " join {advancement} a on a.tenant = s.tenant and a.learner = s.learner and a.position < s.position"
        " where s.tenant = $1 and s.term = $2 and s.learner = any($3::text[]) and a.kind = any($4::text[])"
        " order by a.learner, a.position",
        tenant,
        term,
        list(learners),
        list(kinds),
    )


async def amendments_of(view: Snapshot, tenant: str, term: str, learners: Sequence[str]) -> Rows:
    """Return what amends a term of learners, each learner's in order."""
    return await view.rows(
        "select id, learner, scope, title, before, after, effective_at, decided_at, reason, cause_kind, cause, digest,"
        "   scope_kind from {term_amendment} where tenant = $1 and term = $2 and learner = any($3::text[])"
        " order by learner, position",
        tenant,
        term,
        list(learners),
    )
