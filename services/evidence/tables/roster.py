"""Statements on the roster: one row a fact, as its event tells it."""

from collections.abc import Sequence

import asyncpg

from services.evidence.domain.roster_facts import Fact, place_key, place_of
from shared.contracts.roster_events import ROSTER_ASSIGNMENT, ROSTER_CLASS, ROSTER_ENROLMENT
from shared.database import Connection, columns

ROSTER_LOCK = 0x6174_726F


async def lock(connection: Connection, tenant: str) -> None:
    """Let nobody else change the tenant's roster until this transaction ends."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", ROSTER_LOCK, tenant)


async def upsert(connection: Connection, tenant: str, facts: Sequence[Fact]) -> list[Fact]:
    """
    Store facts; return those that are new or say something else than before.

    A fact keeps the subject of whoever told it first: that is the shard in which all words on it stand in order.
    """
    await lock(connection, tenant)
    rows = await connection.fetch(
        "insert into roster_fact as r (tenant, kind, key, subject, data)"
        " select $1, k.* from unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) k (kind, key, subject, data)"
        " on conflict (tenant, kind, key) do update set data = excluded.data where r.data <> excluded.data"
        " returning kind, key, subject",
        tenant,
        *columns(facts, 4),
    )
    subjects = {(row["kind"], row["key"]): row["subject"] for row in rows}
    return [fact._replace(subject=subjects[fact.kind, fact.key]) for fact in facts if (fact.kind, fact.key) in subjects]


async def set_groups(connection: Connection, tenant: str, groups: Sequence[tuple[str, str, str]]) -> None:
    """Store (group, learner, value), of each learner by the own id: `groups` gives them to whoever that is merged into."""
    await connection.execute(
        "insert into roster_group (tenant, group_id, learner, value)"
        " select $1, k.* from unnest($2::text[], $3::uuid[], $4::text[]) k"
        " on conflict (tenant, group_id, learner) do update set value = excluded.value",
        tenant,
        *columns({(group, learner): (group, learner, value) for group, learner, value in groups}.values(), 3),
    )


async def places_of(connection: Connection, tenant: str, learners: Sequence[str]) -> dict[str, dict[str, Fact]]:
    """Return by place, in order, the facts that hold of each learner: the classes that it is in, and who is what to it."""
    rows = await connection.fetch(
        "select kind, key, subject, data from roster_fact where tenant = $1 and kind = any($2)"
        "   and subject = any($3) and convert_from(data, 'UTF8')::jsonb @> '{\"active\": true}' order by kind, key",
        tenant,
        [ROSTER_ENROLMENT, ROSTER_ASSIGNMENT],
        learners,
    )
    found: dict[str, dict[str, Fact]] = {learner: {} for learner in learners}
    for fact in (Fact(*row) for row in rows):
        found[fact.subject][place_of(fact)] = fact
    return found


async def assignments_of(connection: Connection, tenant: str, learner: str) -> list[Fact]:
    """Return the facts on who is, or was, what to a learner; nobody changes the tenant's roster until this transaction ends."""
    await lock(connection, tenant)
    rows = await connection.fetch(
        "select kind, key, subject, data from roster_fact where tenant = $1 and kind = $2 and subject = $3 order by key",
        tenant,
        ROSTER_ASSIGNMENT,
        learner,
    )
    return [Fact(*row) for row in rows]


async def forget_ended(connection: Connection, tenant: str, learner: str, places: Sequence[str]) -> None:
    """Delete those of the places that a learner no longer has."""
    await connection.execute(
        "delete from roster_fact where tenant = $1 and subject = $2 and kind = any($3) and key = any($4)"
        "   and convert_from(data, 'UTF8')::jsonb @> '{\"active\": false}'",
        tenant,
        learner,
        [ROSTER_ENROLMENT, ROSTER_ASSIGNMENT],
        [place_key(place, learner) for place in places],
    )


async def placements(connection: Connection, tenant: str, learners: Sequence[str]) -> list[asyncpg.Record]:
    """Return (learner, classes, school) of those of the learners who are enrolled now; the first school where several."""
    return await connection.fetch(
        "select e.learner, array_agg(e.class_id order by e.class_id) classes,"
        "   min(convert_from(c.data, 'UTF8')::jsonb ->> 'school') school"
        " from (select subject learner, convert_from(data, 'UTF8')::jsonb ->> 'class_id' class_id from roster_fact"
        "   where tenant = $1 and kind = $2 and subject = any($4)"
        "     and convert_from(data, 'UTF8')::jsonb @> '{\"active\": true}') e"
        " left join roster_fact c on c.tenant = $1 and c.kind = $3 and c.key = e.class_id group by e.learner",
        tenant,
        ROSTER_ENROLMENT,
        ROSTER_CLASS,
        learners,
    )


async def groups(connection: Connection, tenant: str, after: str, limit: int) -> list[asyncpg.Record]:
    """
    Return the memberships of the learners behind one, in the order of learners; `limit` bounds the learners.

    Whoever is merged has none, and the learner it is merged into those as well that it has not itself.
    """
    return await connection.fetch(
        "with now as (select coalesce(m.kept, g.learner) as learner, g.group_id, g.value, m.merged_at from roster_group g"
        "   left join learner_merge m on m.tenant = g.tenant and m.merged = g.learner and m.undone_at is null"
        "   where g.tenant = $1)"
        " select distinct on (now.learner, group_id) now.learner::text as learner, group_id, value from now"
        " where learner in (select distinct learner from now where learner::text > $2 order by learner limit $3)"
        " order by now.learner, group_id, merged_at nulls first",
        tenant,
        after,
        limit,
    )


async def classes(connection: Connection, tenant: str, after: str, limit: int) -> list[asyncpg.Record]:
    """Return classes in the order of their ids."""
    return await connection.fetch(
        "select key, subject source, data from roster_fact where tenant = $1 and kind = $2 and key > $3"
        " order by key limit $4",
        tenant,
        ROSTER_CLASS,
        after,
        limit,
    )


async def schools_of_learners(connection: Connection, tenant: str) -> dict[str, str]:
    """Return the school of every learner with an active enrolment in a class that has one; the first where several."""
    rows = await connection.fetch(
        "select e.subject, min(convert_from(c.data, 'UTF8')::jsonb ->> 'school') from roster_fact e"
        " join roster_fact c on c.tenant = e.tenant and c.kind = $3"
        "   and c.key = convert_from(e.data, 'UTF8')::jsonb ->> 'class_id'"
        " where e.tenant = $1 and e.kind = $2 and convert_from(e.data, 'UTF8')::jsonb @> '{\"active\": true}'"
        "   and convert_from(c.data, 'UTF8')::jsonb ->> 'school' is not null group by e.subject",
        tenant,
        ROSTER_ENROLMENT,
        ROSTER_CLASS,
    )
    return {row[0]: row[1] for row in rows}
