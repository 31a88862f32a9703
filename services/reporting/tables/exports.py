"""SQL of exports that join more than one table."""

from services.reporting.tables.reads import Rows, Snapshot


async def states_of(view: Snapshot, tenant: str, after: tuple[str, str], limit: int, now: str) -> Rows:
    """
    Return members of `oneroster.State` in key order behind (learner, competency), but for what is presumed and was never told of.

    What an earlier release has written changed when its evidence or events were; where it has neither, `now`.
    """
    return await view.rows(
        "select m.learner, m.competency, m.status, m.mastered_at, m.evidence_count,"
        "   coalesce(m.changed_at, greatest(shown_at, told_at), $5) as changed_at, coalesce(shown_at, told_at, $5) as scored_at,"
        "   coalesce(c.title, m.competency) as title, c.identifier from {mastery} m"
        " cross join lateral (select greatest(m.last_evidence_at, m.mastered_at) as shown_at, max(a.decided_at) as told_at"
        "   from {advancement} a where a.tenant = m.tenant and a.learner = m.learner and a.scope = m.competency) t"
        " left join {framework} f on f.tenant = m.tenant and f.framework = split_part(m.competency, ':', 1)"
        " left join {competency} c on c.tenant = m.tenant and c.framework = f.framework and c.version = f.version"
        "   and c.code = substr(m.competency, strpos(m.competency, ':') + 1)"
        " where m.tenant = $1 and (m.learner, m.competency) > ($2, $3)"
        "   and (m.status <> 'presumed' or coalesce(shown_at, told_at) is not null) order by m.learner, m.competency limit $4",
        tenant,
        *after,
        limit,
        now,
    )
