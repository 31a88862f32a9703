"""
What the analyses of a district count: grouped in the database, so that what is read does not grow with its learners.

A member is a learner with an active enrolment in a school of the district; with groups, `label` is the learner's value of the
grouping. What a state's columns do not have is read from its stored data.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from services.reporting.tables.reads import MEMBERS, ON_RECORD, Rows, Snapshot

_ON_RECORD = ON_RECORD.format("m")
_LABELLED = (
    MEMBERS + ", labelled as (select distinct member.learner, coalesce(k.label, '') as label from member"
    " left join unnest($3::text[], $4::text[]) k (learner, label) on k.learner = member.learner)"
)
_CONFIRMED = (
    # Pieces at the last confirmation, those of finished re-checks since, and the pieces at which an open re-check began.
    "(select learner, scope, max(pieces) filter (where position = confirmed_at) as pieces,"
    "   coalesce(sum(greatest(0, later - pieces)) filter (where is_check), 0) as checked,"
    "   max(pieces) filter (where is_check and later is null) as open_from"
    " from (select *, kind = 'competency.reverify_due' and position > confirmed_at as is_check"
    "   from (select a.learner, a.scope, a.kind, a.position, k.pieces,"
    "     lead(k.pieces) over (partition by a.learner, a.scope order by a.position) as later,"
    "     max(a.position) filter (where a.kind = 'competency.mastered') over (partition by a.learner, a.scope)"
    "       as confirmed_at"
    "     from {advancement} a, lateral (select"
    "       (convert_from(a.data, 'UTF8')::jsonb #>> '{{basis,pieces}}')::int as pieces) k where a.tenant = $1"
    "     and a.kind in ('competency.mastered', 'competency.reverify_due', 'competency.reverified')) e) c"
    " group by learner, scope)"
)
_DEPTHS = (
    # What a competency asks for, and the deepest evidence that its last mastery was told with; then how many of a learner's
    # are below. The states are looked up by what was told: how much that is, the server has no statistics to guess by.
    "depth as (select distinct on (a.learner, a.scope) a.learner, a.scope as competency, c.dok as asked,"
    "   (convert_from(a.data, 'UTF8')::jsonb ->> 'dok_shown')::int as shown"
    "   from {framework} f join {competency} c using (tenant, framework, version)"
    "   join {advancement} a on a.tenant = $1 and a.kind = 'competency.mastered' and a.scope = f.framework || ':' || c.code"
    "   where f.tenant = $1 and c.dok is not null order by a.learner, a.scope, a.position desc),"
    " deep as (select d.learner, count(*) filter (where d.shown < d.asked) as below,"
    "   count(*) filter (where d.shown >= d.asked) as reaching, count(*) filter (where d.shown is null) as untagged"
    "   from depth d join {mastery} m on m.tenant = $1 and m.learner = d.learner and m.competency = d.competency"
    "     and m.status in ('mastered', 'reverify_due') group by 1)"
)
_COUNTED = "coalesce((convert_from(m.data, 'UTF8')::jsonb ->> 'counted')::int, m.evidence_count)"


class Grouping:
    """The arguments of a query over the members of some schools, each learner with a label."""

    def __init__(self, tenant: str, schools: Collection[str], labels: dict[str, str]) -> None:
        self.arguments: Sequence[object] = (tenant, list(schools), list(labels), list(labels.values()))


async def sizes(view: Snapshot, of: Grouping) -> Rows:
    """Return (label, learners): how many members a label has."""
    return await view.rows(
        f"{_LABELLED} select label, count(*) as learners from labelled group by label", *of.arguments
    )


async def status_counts(view: Snapshot, of: Grouping) -> Rows:
    """Return (label, status, pairs of learner and competency, learners of these)."""
    return await view.rows(
        f"{_LABELLED} select l.label, m.status, count(*) as pairs, count(distinct l.learner) as learners from labelled l"
        " join {mastery} m on m.tenant = $1 and m.learner = l.learner group by 1, 2",
        *of.arguments,
    )


async def known_zone(view: Snapshot, time_zone: str) -> str:
    """Return a time zone if the server knows it by its name, else UTC."""
    rows = await view.rows("select name from pg_timezone_names where name = $1", time_zone)
    return str(rows[0]["name"]) if rows else "UTC"


async def times_to_mastery(view: Snapshot, of: Grouping, time_zone: str) -> Rows:
    """
    Return (label, days, whether it was shown then, pairs, learners of the label, those of them who are in any pair that was
    shown, or not): local days from the first piece to mastery, else to the latest day on which the district has any evidence.
    """
    return await view.rows(
        f"{_LABELLED}, piece as (select l.label, l.learner, m.mastered_at, m.last_evidence_at,"
        "   convert_from(m.data, 'UTF8')::jsonb ->> 'first_evidence_at' as first_at from labelled l"
        "   join {mastery} m on m.tenant = $1 and m.learner = l.learner and m.last_evidence_at is not null),"
        " people as (select label, count(distinct learner) as learners,"
        "   count(distinct learner) filter (where mastered_at is not null) as done,"
        "   count(distinct learner) filter (where mastered_at is null) as waiting"
        "   from piece where first_at is not null group by label)"
        " select label, greatest(0, (coalesce(mastered_at, last)::timestamptz at time zone $5)::date"
        "   - (first_at::timestamptz at time zone $5)::date) as days,"
        "   mastered_at is not null as happened, count(*) as pairs, min(people.learners) as learners,"
        "   min(case when mastered_at is not null then done else waiting end) as alike"
        " from piece join people using (label), (select max(last_evidence_at) as last from piece) k"
        " where first_at is not null group by 1, 2, 3",
        *of.arguments,
        time_zone,
    )


async def burden(view: Snapshot, of: Grouping) -> Rows:
    """
    Return (label, pieces, surplus, median pieces at confirmation, pairs confirmed, learners with surplus pieces, learners with a
    confirmed pair). Surplus are pieces after confirmation that no re-check asked for.
    """
    return await view.rows(
        f"{_LABELLED}, pair as (select l.label, l.learner, {_COUNTED} as counted, k.pieces,"
        f"   case when {_ON_RECORD} then greatest(0, least({_COUNTED}, k.open_from) - k.pieces - k.checked) end as surplus"
        "   from labelled l join {mastery} m on m.tenant = $1 and m.learner = l.learner"
        f"   left join {_CONFIRMED} k on k.learner = m.learner and k.scope = m.competency)"
        " select label, coalesce(sum(counted), 0)::bigint as pieces, coalesce(sum(surplus), 0)::bigint as surplus,"
        " percentile_cont(0.5) within group (order by pieces) as median_pieces, count(pieces) as confirmed,"
        " count(distinct learner) filter (where surplus > 0) as learners_surplus,"
        " count(distinct learner) filter (where pieces is not null) as learners_confirmed from pair group by label",
        *of.arguments,
    )


async def sign_off_waits(view: Snapshot, of: Grouping, time_zone: str) -> Rows:
    """
    Return (label, local days, whether it was signed or refused then, entries, learners of the label, those of them of whom any
    was so, or not) of requests to sign.
    """
    return await view.rows(
        f"{_LABELLED}, asked as (select l.label, l.learner, w.opened_at::timestamptz as opened,"
        "   w.closed_at::timestamptz as closed,"
        "   exists (select 1 from {advancement} a where a.tenant = $1 and a.learner = l.learner and a.scope = w.scope"
        "     and a.kind in ('level.advanced', 'level.withheld') and a.decided_at = w.closed_at) as happened"
        "   from labelled l join {waiting} w on w.tenant = $1 and w.learner = l.learner and w.queue = 'sign_off'),"
        " people as (select label, count(distinct learner) as learners,"
        "   count(distinct learner) filter (where happened) as done,"
        "   count(distinct learner) filter (where not happened) as waiting from asked group by label)"
        " select label, greatest(0, (coalesce(closed, now()) at time zone $5)::date - (opened at time zone $5)::date) as days,"
        "   happened, count(*) as entries, min(people.learners) as learners,"
        "   min(case when happened then done else waiting end) as alike"
        " from asked join people using (label) group by 1, 2, 3",
        *of.arguments,
        time_zone,
    )


async def judgements(view: Snapshot, of: Grouping) -> Rows:
    """Return (label, learners with an override, learners who were refused a level)."""
    return await view.rows(
        f"{_LABELLED} select l.label, count(*) filter (where exists (select 1 from {{mastery}} m where m.tenant = $1"
        "   and m.learner = l.learner and m.status = 'overridden')) as overridden,"
        " count(*) filter (where exists (select 1 from {waiting} w where w.tenant = $1 and w.learner = l.learner"
        "   and w.queue = 'withheld')) as withheld from labelled l group by 1",
        *of.arguments,
    )


def levels_counted(states: str, mine: str = "true") -> str:
    """Return what counts the members of a query by level and how far they are: by the states of a table `m`, where `mine`."""
    return (
        "standard as (select f.framework, c.subject, c.level, f.framework || ':' || c.code as competency,"
        "   min(c.ordinal) over w as ordinal, count(*) over w as size,"
        "   case when count(*) over w = 1 then f.framework || ':' || c.code end as single from {framework} f"
        "   join {competency} c using (tenant, framework, version) where f.tenant = $1 and c.level is not null"
        "   window w as (partition by f.framework, c.subject, c.level)),"
        " place as (select member.school, member.learner, s.framework, s.subject, s.level, min(s.ordinal) as ordinal,"
        "   min(s.single) as single,"
        f"   case when count(*) filter (where {_ON_RECORD}) >= min(s.size) then 'complete' else 'begun' end as how_far"
        f"   from member join {states} m on m.learner = member.learner and (m.evidence_count > 0 or {_ON_RECORD}) and {mine}"
        "   join standard s on s.competency = m.competency group by 1, 2, 3, 4, 5)"
        " select framework, subject, level, min(ordinal) as ordinal, school, how_far, count(distinct learner) as learners,"
        "   min(single) as single"
        " from place group by grouping sets ((framework, subject, level, how_far, school),"
        "   (framework, subject, level, how_far))"
    )


async def level_counts(view: Snapshot, tenant: str, schools: Collection[str]) -> Rows:
    """Return members of `LevelCount` by school, and with school null in all, without those at 0."""
    counted = levels_counted("{mastery}", "m.tenant = $1")
    return await view.rows(f"{MEMBERS}, {counted}", tenant, list(schools))


async def school_counts(view: Snapshot, tenant: str, schools: Collection[str], since: datetime) -> Rows:
    """Return the columns of `SchoolCount` by school, lately being `since` or later; without schools that have no learners."""
    return await view.rows(
        f"{MEMBERS}, {_DEPTHS}, seen as (select member.school, member.learner, max(m.last_evidence_at) as last,"
        f"   count(*) filter (where {_ON_RECORD}) as recorded,"
        f"   count(*) filter (where {_ON_RECORD} and m.status = 'overridden') as by_hand,"
        "   count(*) filter (where m.status = 'reverify_due') as due"
        "   from member left join {mastery} m on m.tenant = $1 and m.learner = member.learner group by 1, 2)"
        " select school, count(*) as learners, count(last) as with_evidence,"
        "   count(*) filter (where last::timestamptz >= $3) as lately,"
        "   sum(recorded)::bigint as recorded, sum(by_hand)::bigint as by_hand, sum(due)::bigint as due,"
        "   count(*) filter (where by_hand > 0) as learners_by_hand,"
        "   count(*) filter (where recorded > by_hand) as learners_not_by_hand,"
        "   count(*) filter (where due > 0) as learners_due, count(*) filter (where recorded > due) as learners_not_due,"
        "   coalesce(sum(below), 0)::bigint as below, coalesce(sum(reaching), 0)::bigint as reaching,"
        "   coalesce(sum(untagged), 0)::bigint as untagged,"
        "   count(*) filter (where below > 0) as learners_below,"
        "   count(*) filter (where reaching > 0) as learners_reaching,"
        "   count(*) filter (where untagged > 0) as learners_untagged"
        " from seen left join deep using (learner) group by school order by school",
        tenant,
        list(schools),
        since,
    )
