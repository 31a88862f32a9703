"""
SQL on what learners and families ask to have looked at again, and state where it was refused: kept here alone, at most one
open for a competency.
"""

from collections.abc import Collection

from services.reporting.domain.record import Statement
from services.reporting.domain.review_requests import KEYS_MAX, RequestRow
from services.reporting.tables.reads import Rows, Snapshot
from shared.database import Connection

_REQUEST = (
    "id, learner, competency, asked_at, asked_by, asked_as, text, done_at, done_as, done, refused, statement, stated_at,"
    " stated_as, stated_by, stated_under"
)


def statements_sql(learner: str) -> str:
    """Return the query of what is stated of a learner of the tenant $1, as members of `Statement`; `learner` is a place."""
    return (
        "select id as request, competency, statement as text, stated_at, stated_as from review_request"
        f" where tenant = $1 and learner = {learner} and statement is not null order by stated_at, id"
    )


async def ask(
    connection: Connection, tenant: str, learner: str, competency: str, *,
    id: str, at: str, person: str, role: str, text: str,
) -> tuple[RequestRow, bool]:  # fmt: skip
    """
    Return the open request for a competency, and whether it is this one; where one is open nothing changes.

    Where there is a request by this id, it is returned, open or not.
    """
    # Whoever asks the same at the same time waits: an insert would fail on the id, not find the row.
    await connection.execute("select pg_advisory_xact_lock(hashtext('review request'), hashtext($1))", id)
    before = await connection.fetchrow(
        f"select {_REQUEST} from review_request where tenant = $1 and id = $2", tenant, id
    )
    if before is not None:
        return RequestRow(*before), True
    made = await connection.fetchrow(
        "insert into review_request (tenant, learner, id, competency, asked_at, asked_by, asked_as, text)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)"
        # An update that changes nothing, because without one the row that is there would not be returned.
        " on conflict (tenant, learner, competency) where done_at is null do update set id = review_request.id"
        f" returning {_REQUEST}",
        tenant, learner, id, competency, at, person, role, text,
    )  # fmt: skip
    assert made is not None
    return RequestRow(*made), made["id"] == id


async def finish(
    connection: Connection, tenant: str, learners: Collection[str], id: str, *, at: str, person: str, role: str, done: str,
    refused: bool,
) -> RequestRow | None:  # fmt: skip
    """
    Note what was done about a request of one of the learners unless that is noted already, and return the request as it is then;
    None where there is none.
    """
    await connection.execute(
        "update review_request set done_at = $4, done_by = $5, done_as = $6, done = $7, refused = $8"
        " where tenant = $1 and learner = any($2::text[]) and id = $3 and done_at is null",
        tenant, learners, id, at, person, role, done, refused,
    )  # fmt: skip
    found = await connection.fetchrow(
        f"select {_REQUEST} from review_request where tenant = $1 and learner = any($2::text[]) and id = $3",
        tenant, learners, id,
    )  # fmt: skip
    return None if found is None else RequestRow(*found)


async def to_be_stated(
    connection: Connection, tenant: str, learners: Collection[str], id: str, under: str
) -> tuple[RequestRow | None, bool]:
    """
    Return a request of one of the learners, None where there is none, and whether something was stated `under` this about
    another, of whomever.

    Until the transaction ends nobody else states anything about it, or under the same.
    """
    await connection.execute("select pg_advisory_xact_lock(hashtext('statement'), hashtext($1))", under or id)
    rows = await connection.fetch(
        f"select {_REQUEST} from review_request where tenant = $1"
        "   and (learner = any($2::text[]) and id = $3 or $4 = any(stated_under)) order by id for update",
        tenant, learners, id, under,
    )  # fmt: skip
    found = [RequestRow(*row) for row in rows]
    asked = next((row for row in found if row.learner in learners and row.id == id), None)
    return asked, any(row is not asked for row in found)


async def state(
    connection: Connection, tenant: str, row: RequestRow, *, at: str, person: str, role: str, text: str, under: str
) -> RequestRow:
    """Keep what is stated in place of what was, `under` an id unless it is empty, and return the request as it is then."""
    stated = await connection.fetchrow(
        "update review_request set stated_at = case when statement is distinct from $4 then $5 else stated_at end,"
        "   statement = $4, stated_by = $6, stated_as = $7, stated_under = $8"
        f" where tenant = $1 and learner = $2 and id = $3 returning {_REQUEST}",
        tenant, row.learner, row.id, text, at, person, role, [*row.stated_under, *([under] if under else [])][-KEYS_MAX:],
    )  # fmt: skip
    assert stated is not None
    return RequestRow(*stated)


async def withdraw(
    connection: Connection, tenant: str, row: RequestRow, *, at: str, person: str, role: str
) -> RequestRow:  # fmt: skip
    """Delete what is stated, note when and by whom it was taken back, and return the request as it is then."""
    left = await connection.fetchrow(
        "update review_request set statement = null, stated_at = $4, stated_by = $5, stated_as = $6"
        f" where tenant = $1 and learner = $2 and id = $3 returning {_REQUEST}",
        tenant, row.learner, row.id, at, person, role,
    )  # fmt: skip
    assert left is not None
    return RequestRow(*left)


async def statements_of(view: Snapshot, tenant: str, learner: str) -> list[Statement]:
    """Return what is stated beside a learner's record, the oldest first, without titles."""
    return [Statement(**row) for row in await view.rows(statements_sql("$2"), tenant, learner)]


async def requests_of(
    view: Snapshot, tenant: str, learners: Collection[str], before: tuple[str, str], limit: int
) -> list[RequestRow]:
    """Return requests of learners below (asked at, id), the latest first."""
    rows = await view.rows(
        f"select {_REQUEST} from review_request where tenant = $1 and learner = any($2::text[])"
        "   and (asked_at, id) < ($3, $4) order by asked_at desc, id desc limit $5",
        tenant, learners, *before, limit,
    )  # fmt: skip
    return [RequestRow(*row) for row in rows]


async def open_requests(
    view: Snapshot,
    tenant: str,
    *,
    learners: Collection[str] | None,
    after: tuple[str, str, str, str] = ("", "", "", ""),
    limit: int | None = None,
) -> Rows:
    """
    Return members of `OpenRequest`, the oldest first, behind a key as `happened.open_entries` takes it.

    What was asked for of whoever is merged into a learner is that learner's.
    """
    return await view.rows(
        "select * from (select coalesce(m.kept, r.learner) as learner, competency as scope, asked_at as opened_at, asked_as, text"
        "   from review_request r left join {merged} m on m.tenant = r.tenant and m.learner = r.learner"
        "   where r.tenant = $1 and done_at is null) o"
        " where ($2::text[] is null or learner = any($2)) and (opened_at, learner, scope, 'asked') > ($3, $4, $5, $6)"
        " order by opened_at, learner, scope limit $7",
        tenant, None if learners is None else list(learners), *after, limit,
    )  # fmt: skip
