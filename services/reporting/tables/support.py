"""SQL of the restricted read model `support`: what is suggested and open, and how long answers took."""

from collections.abc import Collection, Sequence

from services.reporting.tables.read_models import table_name
from services.reporting.tables.reads import Rows, Snapshot
from shared.database import Connection, columns

OPEN = (None,) * 3
"""When it was closed, with what outcome, after how many days, of a suggestion that is open."""
FORGOTTEN = (None,) * 6
"""What was asked, of one that is closed."""


async def close(connection: Connection, version: int, closed: Sequence[tuple[str, str, str, str, str, int]]) -> None:
    """Close suggestions, and forget what was asked: (tenant, learner, id, closed at, outcome, school days that it was open)."""
    if closed:
        await connection.execute(
            f"update {table_name('suggestion', version)} s set closed_at = k.closed_at, outcome = k.outcome, days = k.days,"
            "   scope = null, side = null, cause = null, waiting_since = null, weakest = null, detail = null"
            " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])"
            "   k (tenant, learner, id, closed_at, outcome, days)"
            " where (s.tenant, s.learner, s.id) = (k.tenant, k.learner, k.id)",
            *columns(closed, 6),
        )


async def open_suggestions(
    view: Snapshot,
    tenant: str,
    *,
    learners: Collection[str] | None,
    after: tuple[str, str, str, str] = ("", "", "", ""),
    limit: int | None = None,
) -> Rows:
    """Return members of `OpenSuggestion`, the oldest first, behind a key: (opened at, learner, scope, cause)."""
    return await view.rows(
        "select learner, scope, opened_at, due_by, owner, detail, side, cause, waiting_since, weakest from {suggestion}"
        " where tenant = $1 and closed_at is null and ($2::text[] is null or learner = any($2))"
        "   and (opened_at, learner, scope, cause) > ($3, $4, $5, $6)"
        " order by opened_at, learner, scope, cause limit $7",
        tenant,
        None if learners is None else list(learners),
        *after,
        limit,
    )


async def answers(
    view: Snapshot, tenant: str, *, learners: Collection[str] | None, outcomes: Collection[str], since: str
) -> tuple[int, float | None]:
    """Return how many suggestions were closed with one of the outcomes since an instant, and the median of their school days."""
    [row] = await view.rows(
        "select count(*), percentile_cont(0.5) within group (order by days) from {suggestion} where tenant = $1"
        "   and closed_at >= $2 and outcome = any($3::text[]) and ($4::text[] is null or learner = any($4))",
        tenant,
        since,
        list(outcomes),
        None if learners is None else list(learners),
    )
    return row[0], row[1]
