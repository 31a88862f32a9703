"""
SQL that counts what a term ended with by school: over the states that `terms` gives of each learner, so it cannot disagree.

A learner is counted where the learner was when the term was closed, as the roster had told it by then, and a class in the school
that it was of. Of who was in a class before changes were kept, the first change says what was before it, and where there is none
it is as it is today. Which schools a district has is read as it is today.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.reporting.tables.analysis import levels_counted
from services.reporting.tables.reads import Rows, Snapshot
from services.reporting.tables.terms import ended
from shared.database import columns

_THEN = (
    "select {}k.active from {{enrolment_change}} k where (k.tenant, k.class, k.learner) = (e.tenant, e.class, e.learner)"
    " and k.at {} $3 order by k.at {} limit 1"
)
_MEMBER = (
    "with member as (select distinct c.school, e.learner from (select c.tenant, c.class,"
    "     case when k.at is null then c.school else k.school end as school from {class} c"
    "     left join lateral (select at, school from {class_change} k where (k.tenant, k.class) = (c.tenant, c.class)"
    "       order by k.at <= $3 desc, case when k.at <= $3 then k.at end desc, k.at limit 1) k on true"
    "     where c.tenant = $1) c join {enrolment} e using (tenant, class)"
    " where c.school = any($2::text[]) and coalesce(("
    + _THEN.format("", "<=", "desc")
    + "), ("
    + _THEN.format("not ", ">", "")
    + "), e.active))"
)
_COUNTED = ("status", "evidence_count", "mastered_at")
_STATES = f"{_MEMBER}, {ended(_COUNTED, term='$6', learners='$4', shards='$5')}"
_RECORDED = "case when f.{0} = 'reverify_due' then 'mastered' when f.{0} in ('mastered', 'credited', 'overridden') then f.{0} end"
"""What of a status is on the record; what is not yet, and why a re-check is due, newer evidence may have made otherwise since."""


class Ended(NamedTuple):
    """Whose and what is counted: the learners of schools as they were when a term was closed."""

    tenant: str
    schools: Sequence[str]
    closed_at: str
    term: str
    learners: Sequence[tuple[str, int]]
    """Each with its shard."""

    @property
    def arguments(self) -> tuple[object, ...]:
        """The arguments of the queries."""
        return (self.tenant, list(self.schools), self.closed_at, *columns(self.learners, 2), self.term)


async def members_of(view: Snapshot, tenant: str, schools: Sequence[str], closed_at: str) -> Rows:
    """Return (school, learner) of who was in a class of the schools at an instant."""
    return await view.rows(f"{_MEMBER} select school, learner from member", tenant, list(schools), closed_at)


async def counts_of(view: Snapshot, of: Ended) -> Rows:
    """Return learners by competency and status, by school and with school null in all, each learner once."""
    return await view.rows(
        f"{_STATES} select m.competency, m.status, member.school, count(distinct member.learner) as learners"
        " from member join ended m using (learner)"
        " group by grouping sets ((m.competency, m.status, member.school), (m.competency, m.status))",
        *of.arguments,
    )


async def levels_of(view: Snapshot, of: Ended) -> Rows:
    """Return rows as `analysis.level_counts` does."""
    return await view.rows(f"{_STATES}, {levels_counted('ended')}", *of.arguments)


async def amended_of(view: Snapshot, of: Ended) -> Rows:
    """Return (competency, school or null for all, learners of whom it is known by now that it was another than was told)."""
    return await view.rows(
        f"{_MEMBER}, found as (select a.learner, a.scope as competency, (array_agg(a.before order by a.position))[1] as before,"
        "   (array_agg(a.after order by a.position desc))[1] as after from {term_amendment} a"
        "   where a.tenant = $1 and a.term = $4 and a.scope_kind = 'competency' group by 1, 2)"
        " select f.competency, member.school, count(distinct member.learner) as learners from member"
        f" join found f using (learner) where {_RECORDED.format('after')} is distinct from {_RECORDED.format('before')}"
        " group by grouping sets ((f.competency, member.school), (f.competency))",
        of.tenant,
        list(of.schools),
        of.closed_at,
        of.term,
    )
