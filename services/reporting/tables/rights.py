"""
SQL on rights and their use: what the roster says a person is to a learner, class, school or district; who looked.

What is dated holds from its first to its last local day; `day` is that of the tenant, as a text.
"""

from collections.abc import Sequence

from services.reporting.tables.reads import Rows, Snapshot
from shared.database import Connection
from shared.expiry import Days, Gone, Kept, remove_older

_NOW = "{0}.active and ({0}.starts is null or {0}.starts <= $2) and ({0}.ends is null or {0}.ends >= $2)"
_STAFF_NOW, _ASSIGNED_NOW = _NOW.format("s"), _NOW.format("a")
_OF_SCHOOL = (
    "((a.kind = 'school' and a.target = c.school) or (a.kind = 'district' and (a.target = c.school or exists"
    "   (select 1 from {school} o where o.tenant = c.tenant and o.school = c.school and o.district = a.target))))"
)


TOWARDS_LEARNER = (
    "select s.role, 'class' as via from {staff} s join {enrolment} e using (tenant, class)"
    f" where s.tenant = $1 and s.staff = $3 and e.learner = $4 and e.active and {_STAFF_NOW}"
    " union select a.role, a.kind from {assignment} a where a.tenant = $1 and a.person = $3"
    f" and {_ASSIGNED_NOW} and ((a.kind = 'learner' and a.target = $4) or exists (select 1 from {{enrolment}} e"
    f"   join {{class}} c using (tenant, class) where e.tenant = $1 and e.learner = $4 and e.active and {_OF_SCHOOL}))"
)
"""(role, via) by which the person $3 stands to the learner $4 of the tenant $1 on the day $2: through a class, or assigned."""
_TOWARDS_CLASSES = (
    "select s.class, s.role, 'class' as via from {staff} s where s.tenant = $1 and s.staff = $3"
    f" and {_STAFF_NOW} union select c.class, a.role, a.kind from {{assignment}} a join {{class}} c on c.tenant = a.tenant"
    f" where a.tenant = $1 and a.person = $3 and {_ASSIGNED_NOW} and {_OF_SCHOOL}"
)
TOWARDS_CLASS = f"select role, via from ({_TOWARDS_CLASSES}) t where class = $4"
"""(role, via) by which the person $3 stands to the class $4 of the tenant $1 on the day $2."""


async def roles_towards_learner(view: Snapshot, tenant: str, day: str, person: str, learner: str) -> Rows:
    """Return the rows of `TOWARDS_LEARNER`."""
    return await view.rows(TOWARDS_LEARNER, tenant, day, person, learner)


async def roles_towards_class(view: Snapshot, tenant: str, day: str, person: str, class_id: str) -> Rows:
    """Return the rows of `TOWARDS_CLASS`."""
    return await view.rows(TOWARDS_CLASS, tenant, day, person, class_id)


async def roles_towards_school(view: Snapshot, tenant: str, day: str, person: str, school: str) -> Rows:
    """Return (role, via) by which a person stands to a school or district."""
    return await view.rows(
        "select a.role, a.kind as via from {assignment} a where a.tenant = $1 and a.person = $3"
        f" and {_ASSIGNED_NOW} and a.kind in ('school', 'district') and (a.target = $4 or exists (select 1"
        "   from {school} o where o.tenant = $1 and o.school = $4 and o.district = a.target and a.kind = 'district'))",
        tenant,
        day,
        person,
        school,
    )


async def roles_held(view: Snapshot, tenant: str, day: str, person: str) -> Rows:
    """Return (role, via) by which a person stands to anyone or anything."""
    return await view.rows(
        "select a.role, a.kind as via from {assignment} a where a.tenant = $1 and a.person = $3"
        f" and {_ASSIGNED_NOW} union select s.role, 'class' from {{staff}} s where s.tenant = $1 and s.staff = $3"
        f" and {_STAFF_NOW}",
        tenant,
        day,
        person,
    )


async def roles_around(view: Snapshot, tenant: str, day: str, learners: Sequence[str]) -> Rows:
    """Return (learner, role, via) of everybody who stands to the learners: through a class, or assigned."""
    return await view.rows(_around(), tenant, day, learners, None)


async def people_around(view: Snapshot, tenant: str, day: str, learners: Sequence[str], class_id: str | None) -> Rows:
    """
    Return (learner, person, role, via) of everybody who stands to the learners; through classes only through one where
    it is given.
    """
    return await view.rows(_around(staff=" s.staff as person,", assigned=" a.person,"), tenant, day, learners, class_id)


def _around(staff: str = "", assigned: str = "") -> str:
    """Return the query of (learner, role, via) of who stands to the learners $3, with a column more of staff and assigned."""
    return (
        f"select e.learner,{staff} s.role, 'class' as via from {{enrolment}} e join {{staff}} s using (tenant, class)"
        f" where e.tenant = $1 and e.learner = any($3::text[]) and e.active and {_STAFF_NOW}"
        "   and ($4::text is null or e.class = $4)"
        f" union select a.target,{assigned} a.role, a.kind from {{assignment}} a"
        f" where a.tenant = $1 and a.kind = 'learner' and a.target = any($3) and {_ASSIGNED_NOW}"
        f" union select e.learner,{assigned} a.role, a.kind from {{enrolment}} e join {{class}} c using (tenant, class)"
        f" join {{assignment}} a on a.tenant = c.tenant and {_OF_SCHOOL}"
        f" where e.tenant = $1 and e.learner = any($3) and e.active and {_ASSIGNED_NOW}"
    )


async def people_beside(view: Snapshot, tenant: str, day: str, learner: str, limit: int) -> Rows:
    """Return (person, role, via, title) of who stands to a learner by name: through a class of a title, or assigned."""
    return await view.rows(
        "select s.staff as person, s.role, 'class' as via, c.title from {enrolment} e join {staff} s using (tenant, class)"
        f" left join {{class}} c using (tenant, class) where e.tenant = $1 and e.learner = $3 and e.active and {_STAFF_NOW}"
        " union select a.person, a.role, a.kind, null from {assignment} a"
        f" where a.tenant = $1 and a.kind = 'learner' and a.target = $3 and {_ASSIGNED_NOW} order by 3, 1, 2, 4 limit $4",
        tenant,
        day,
        learner,
        limit,
    )


async def roles_towards_classes(view: Snapshot, tenant: str, day: str, person: str) -> Rows:
    """Return (class, role, via) by which a person stands to classes."""
    return await view.rows(_TOWARDS_CLASSES, tenant, day, person)


async def classes_of(view: Snapshot, tenant: str, among: Sequence[str] | None) -> Rows:
    """Return the classes of the tenant, all or those `among`, with their number of learners."""
    return await view.rows(
        "select c.class, c.title, c.school, c.subject, s.title as school_title, (select count(*) from {enrolment} e"
        "   where e.tenant = c.tenant and e.class = c.class and e.active) as learners"
        " from {class} c left join {school} s on s.tenant = c.tenant and s.school = c.school"
        " where c.tenant = $1 and ($2::text[] is null or c.class = any($2)) order by s.title, c.title, c.class",
        tenant,
        among,
    )


async def schools_of(view: Snapshot, tenant: str, day: str, person: str) -> Rows:
    """Return (kind, target, title) of the schools and districts that a person is assigned to."""
    return await view.rows(
        "select distinct a.kind, a.target, coalesce(s.title, a.target) as title from {assignment} a"
        " left join {school} s on s.tenant = a.tenant and s.school = a.target where a.tenant = $1 and a.person = $3"
        f" and a.kind in ('school', 'district') and {_ASSIGNED_NOW} order by 1, 3",
        tenant,
        day,
        person,
    )


async def titles_of(view: Snapshot, tenant: str, schools: list[str]) -> dict[str, str]:
    """Return the titles of the schools that the roster has."""
    rows = await view.rows("select school, title from {school} where tenant = $1 and school = any($2)", tenant, schools)
    return {row["school"]: row["title"] for row in rows}


async def assigned_learners(view: Snapshot, tenant: str, day: str, person: str) -> Rows:
    """Return (target, role) of the learners whom a person is assigned to by name: a guardian's children, for example."""
    return await view.rows(
        "select distinct a.target, a.role from {assignment} a where a.tenant = $1 and a.person = $3 and a.kind = 'learner'"
        f" and {_ASSIGNED_NOW} order by 1, 2",
        tenant,
        day,
        person,
    )


async def learners_of(view: Snapshot, tenant: str, day: str, person: str) -> list[str]:
    """Return the learners of `assigned_learners`."""
    return list(dict.fromkeys(row["target"] for row in await assigned_learners(view, tenant, day, person)))


async def note_access(
    connection: Connection, tenant: str, person: str, role: str, view: str, target: str, learners: Sequence[str]
) -> None:
    """
    Log that a person looked at something about these learners.

    It does not wait for the disk: a crash of PostgreSQL may lose the last half second, a crash of this process nothing.
    """
    await connection.execute(
        "with soon as (select set_config('synchronous_commit', 'off', true))"
        " insert into access_log (tenant, person, role, view, target, learners)"
        " select $1, $2, $3, $4, $5, $6::text[] from soon",
        tenant,
        person,
        role,
        view,
        target,
        list(learners),
    )


async def expire_accesses(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete what is too old of who looked at what."""
    return await remove_older(connection, "delete from access_log", Kept("access_log", "id", "at"), days, rows)


async def accesses(connection: Connection, tenant: str, learner: str | None, before: int, limit: int) -> Rows:
    """Return who looked, the latest first, below an id; at one learner, or with None at anything of the tenant."""
    return await connection.fetch(
        "select id, at, person, role, view, target from access_log where tenant = $1 and id < $2"
        " and ($3::text is null or learners @> array[$3::text]) order by id desc limit $4",
        tenant,
        before,
        learner,
        limit,
    )
