"""What the routes read of the read model `advancement`: what happened to learners, and what waits, with its present state."""

from collections.abc import Collection

from services.reporting.tables.reads import ON_RECORD, Rows, Snapshot

_ENTRY = (
    "select w.learner, w.scope, w.queue, w.opened_at, w.due_by, w.owner, w.detail, m.status, m.mastered_at,"
    " case when strpos(w.scope, '#') = 0 then coalesce(m.evidence_count, 0) > 0"
    "   when w.queue = 'ready' then exists (select 1 from {framework} f join {competency} c using (tenant, framework,"
    "     version) join {mastery} b on b.tenant = c.tenant and b.learner = w.learner"
    "     and b.competency = c.framework || ':' || c.code and b.evidence_count > 0"
    "     where f.tenant = w.tenant and f.framework = split_part(w.scope, '#', 1)"
    "       and c.framework || '#' || coalesce(c.subject, '') || '/' || c.level = w.scope) else false end as begun,"
    " case when w.queue = 'review' then (select count(*) from unnest(string_to_array(w.detail, e'\\n')) k (needed)"
    "   where not exists (select 1 from {mastery} b where b.tenant = w.tenant and b.learner = w.learner"
    f"    and b.competency = k.needed and {ON_RECORD.format('b')})) else 0 end as missing"
    " from {waiting} w left join {mastery} m"
    "   on m.tenant = w.tenant and m.learner = w.learner and m.competency = w.scope"
    " where w.tenant = $1 and w.queue = any($2::text[]) and w.closed_at is null"
)
_HELD = "convert_from(m.data, 'utf8')::json -> 'held'"
# Holds are told by states: of what was not on the record no event tells one, and of none until when it was renewed.
_HOLDS = (
    "select m.learner, m.competency as scope, 'withheld' as queue, h.since, h.until, h.role, '', m.status, m.mastered_at,"
    "   m.evidence_count > 0, 0 from {mastery} m"
    f" cross join lateral json_to_record({_HELD}) h (since text, until text, role text)"
    " where m.tenant = $1 and 'withheld' = any($2::text[]) and m.status = 'overridden'"
    f"   and json_typeof({_HELD}) = 'object'"
)


async def open_entries(
    view: Snapshot,
    tenant: str,
    *,
    queues: Collection[str],
    learners: Collection[str] | None,
    after: tuple[str, str, str, str] = ("", "", "", ""),
    limit: int | None = None,
) -> Rows:
    """Return the open entries of queues, the oldest first, behind a key; of some learners, or with None of the tenant."""
    return await view.rows(
        f"select * from ({_ENTRY} and not (w.queue = 'withheld' and m.status = 'overridden' and {_HELD} is not null)"
        f" union all {_HOLDS}) w where ($3::text[] is null or w.learner = any($3))"
        "   and (w.opened_at, w.learner, w.scope, w.queue) > ($4, $5, $6, $7)"
        " order by w.opened_at, w.learner, w.scope, w.queue limit $8",
        tenant,
        list(queues),
        None if learners is None else list(learners),
        *after,
        limit,
    )


async def happened(
    view: Snapshot,
    tenant: str,
    *,
    learners: Collection[str] | None,
    kinds: Collection[str] | None,
    before: tuple[str, str, int],
    limit: int,
) -> Rows:
    """
    Return what happened, the latest decision first, below (decided at, learner, position).

    Args:
        learners: whose, or None for all of the tenant.
        kinds: which events, such as `level.advanced`, or None for all.
    """
    return await view.rows(
        "select learner, position, id, kind, scope_kind, scope, framework, seq, effective_at, decided_at, data"
        " from {advancement} where tenant = $1 and ($2::text[] is null or learner = any($2))"
        "   and ($3::text[] is null or kind = any($3)) and (decided_at, learner, position) < ($4, $5, $6)"
        " order by decided_at desc, learner desc, position desc limit $7",
        tenant,
        None if learners is None else list(learners),
        None if kinds is None else list(kinds),
        *before,
        limit,
    )


async def told_by(view: Snapshot, tenant: str, learner: str, instant: str) -> Rows:
    """Return what had been decided of a learner's competencies by an instant, in order: members of `as_of.Event`."""
    return await view.rows(
        "select scope, kind, framework, seq, effective_at, data from {advancement} where tenant = $1 and learner = $2"
        "   and scope_kind = 'competency' and decided_at <= $3 order by position",
        tenant,
        learner,
        instant,
    )


async def shown_since(view: Snapshot, tenant: str, learner: str, instant: str) -> dict[str, str]:
    """Return when it was last told of a learner's competencies that they are shown, where that was since an instant."""
    rows = await view.rows(
        "select scope, max(decided_at) as told_at from {advancement} where tenant = $1 and learner = $2"
        "   and kind = 'competency.mastered' and decided_at >= $3 group by scope",
        tenant,
        learner,
        instant,
    )
    return {row["scope"]: row["told_at"] for row in rows}


async def learners_in(view: Snapshot, tenant: str, *, school: str) -> list[str]:
    """Return the learners actively enrolled in a school, or in the schools of a district."""
    rows = await view.rows(
        "select distinct e.learner from {enrolment} e join {class} c using (tenant, class)"
        " left join {school} s on s.tenant = c.tenant and s.school = c.school"
        " where e.tenant = $1 and e.active and (c.school = $2 or s.district = $2) order by 1",
        tenant,
        school,
    )
    return [row["learner"] for row in rows]


async def version_of(view: Snapshot, tenant: str, learners: Collection[str]) -> str:
    """
    Return a text that changes whenever a state of these learners does, or something happens to them, is asked or stated, or they
    are others.

    A state may change in its score alone, and a statement in its text; the number of the transaction that wrote its row (`xmin`)
    rises with every change.
    """
    rows = await view.rows(
        "select concat_ws('.', hash_array_extended($2::text[], 0), count(*), sum(m.xmin::text::bigint),"
        "   (select count(*) from {advancement} a where a.tenant = $1 and a.learner = any($2)),"
        "   (select count(*) + count(s.closed_at) from {suggestion} s where s.tenant = $1 and s.learner = any($2)),"
        "   (select concat_ws('.', count(*), sum(r.xmin::text::bigint)) from review_request r"
        "     where r.tenant = $1 and r.learner = any($2))) as version"
        " from {mastery} m where m.tenant = $1 and m.learner = any($2)",
        tenant,
        list(learners),
    )
    return str(rows[0]["version"])
