"""SQL on how learners grew: what came onto the record in a window of time, and in the one before."""

from collections.abc import Collection
from datetime import datetime

from services.reporting.tables.reads import MEMBERS, Rows, Snapshot

_OWN = (
    # $3 is the first instant of the window, $4 of the one before. Who has no evidence from before both has no past.
    MEMBERS + ", own as (select p.learner, coalesce(s.shown, 0) as shown, coalesce(s.shown_before, 0) as shown_before,"
    "   coalesce(s.has_past, false) as has_past, coalesce(s.not_yet, '{{}}') as not_yet"
    "   from (select distinct learner from member) p left join (select m.learner,"
    "     count(*) filter (where m.mastered_at::timestamptz >= $3) as shown,"
    "     count(*) filter (where m.mastered_at::timestamptz >= $4 and m.mastered_at::timestamptz < $3) as shown_before,"
    "     bool_or((convert_from(m.data, 'UTF8')::jsonb ->> 'first_evidence_at')::timestamptz < $4) as has_past,"
    "     array_agg(m.competency order by m.competency) filter (where m.status = 'not_yet') as not_yet"
    "     from {mastery} m where m.tenant = $1 and m.learner in (select learner from member) group by m.learner) s"
    "   using (learner))"
)


async def by_school(view: Snapshot, tenant: str, schools: Collection[str], since: datetime, before: datetime) -> Rows:
    """Return the members of `GrownCount` by school, and with school null of all, each learner once."""
    return await view.rows(
        f"{_OWN}, placed as (select school, own.* from member join own using (learner)"
        "   union all select null, own.* from own)"
        " select school, count(*) as learners, count(*) filter (where has_past and shown > shown_before) as more,"
        " count(*) filter (where has_past and shown = shown_before) as same,"
        " count(*) filter (where has_past and shown < shown_before) as less,"
        " percentile_cont(0.5) within group (order by shown - shown_before) filter (where has_past) as median_change,"
        " count(*) filter (where cardinality(not_yet) > 0) as not_yet from placed group by school",
        tenant,
        list(schools),
        since,
        before,
    )


async def of_learners(
    view: Snapshot, tenant: str, school: str, since: datetime, before: datetime, *, after: str, limit: int
) -> Rows:
    """Return (learner, shown, shown_before, has_past, not_yet) of a school's learners behind one, in order."""
    return await view.rows(
        f"{_OWN} select learner, shown, shown_before, has_past, not_yet from own where learner > $5"
        " order by learner limit $6",
        tenant,
        [school],
        since,
        before,
        after,
        limit,
    )
