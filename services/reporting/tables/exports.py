"""SQL of exports that join more than one table."""

from services.reporting.tables.reads import Rows, Snapshot


async def states_of(view: Snapshot, tenant: str, after: tuple[str, str], limit: int) -> Rows:
    """Return members of `oneroster.State` in key order behind (learner, competency); states that never had evidence are none."""
    return await view.rows(
        "select m.learner, m.competency, m.status, greatest(m.last_evidence_at, m.mastered_at) as changed_at,"
        " coalesce(c.title, m.competency) as title, c.identifier from {mastery} m"
        " left join {framework} f on f.tenant = m.tenant and f.framework = split_part(m.competency, ':', 1)"
        " left join {competency} c on c.tenant = m.tenant and c.framework = f.framework and c.version = f.version"
        "   and c.code = substr(m.competency, strpos(m.competency, ':') + 1)"
        " where m.tenant = $1 and (m.learner, m.competency) > ($2, $3)"
        "   and greatest(m.last_evidence_at, m.mastered_at) is not null order by m.learner, m.competency limit $4",
        tenant,
        *after,
        limit,
    )
