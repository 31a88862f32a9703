"""Statements on everything that is held of one learner."""

from collections.abc import Sequence

import asyncpg

from shared.database import Connection, columns

People = Sequence[tuple[str, str]]
"""(source, source id) of a learner."""


async def evidence(connection: Connection, tenant: str, learner: str) -> list[asyncpg.Record]:
    """
    Return a learner's pieces with their events, in the order of the log.

    What retracts one of them and came before it is told nowhere and is nobody's: it goes where the piece does.
    """
    return await connection.fetch(
        "with own as (select evidence_id from evidence where tenant = $1 and learner = $2),"
        " held as (select evidence_id from own union select e.evidence_id from evidence e"
        "   where e.target = any(array(select evidence_id from own)) and e.relation = 'retracts' and e.learner is null)"
        " select e.evidence_id, e.source, e.id, e.valid, e.relation, e.target, e.received_at, e.private, l.body"
        " from evidence e left join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " where e.evidence_id = any(array(select evidence_id from held)) order by e.shard, e.pos, e.received_at",
        tenant,
        learner,
    )


async def kept(connection: Connection, tenant: str, people: People) -> list[asyncpg.Record]:
    """Return what is quarantined or parked of a learner, with the original bytes."""
    return await connection.fetch(
        "select q.quarantine_id, q.status, q.source, q.item_id as id, q.reason, q.pointer, q.detail, q.received_at,"
        "   q.form, q.original from quarantine q join unnest($2::text[], $3::text[]) k (source, source_id)"
        "   on q.source = k.source and q.learner_source_id = k.source_id where q.tenant = $1 order by q.seq",
        tenant,
        *columns(people, 2),
    )


async def statements(connection: Connection, tenant: str, people: People) -> list[asyncpg.Record]:
    """Return the xAPI statements of a learner that are kept."""
    return await connection.fetch(
        "select s.source, s.received_at, s.body from xapi_statement s"
        " join unnest($2::text[], $3::text[]) k (source, source_id)"
        "   on s.source = k.source and s.learner_source_id = k.source_id where s.tenant = $1 order by s.received_at",
        tenant,
        *columns(people, 2),
    )


async def events(connection: Connection, tenant: str, people: People) -> list[asyncpg.Record]:
    """Return the events that are no evidence, are kept and name a learner, in whatever part."""
    return await connection.fetch(
        "select distinct e.event_key, e.source, e.form, e.reason, e.received_at, e.body from kept_event e"
        " join unnest($2::text[], $3::text[]) k (source, source_id)"
        "   on e.source = k.source and e.people @> array[k.source_id] where e.tenant = $1"
        " order by e.received_at, e.event_key",
        tenant,
        *columns(people, 2),
    )


async def handed_in(connection: Connection, tenant: str, people: People) -> list[asyncpg.Record]:
    """Return on which activities a learner's sources said that work was handed in or graded, when last, and if it waits."""
    return await connection.fetch(
        "select h.source, h.activity, h.stamp as at, h.waits from handed_in h"
        " join unnest($2::text[], $3::text[]) k (source, source_id) using (source, source_id)"
        " where h.tenant = $1 order by h.source, h.activity",
        tenant,
        *columns(people, 2),
    )


async def merges(connection: Connection, tenant: str, learner: str) -> list[asyncpg.Record]:
    """Return the merges of a learner with others, those that were undone too, and of whoever is merged into the learner."""
    return await connection.fetch(
        "with own as (select $2::uuid as learner union"
        "   select merged from learner_merge where tenant = $1 and kept = $2::uuid and undone_at is null)"
        " select merge_id, merged, kept, reason, merged_by, merged_at, undone_by, undone_at from learner_merge"
        " where tenant = $1 and (merged in (select learner from own) or kept in (select learner from own)) order by merged_at",
        tenant,
        learner,
    )


async def roster(
    connection: Connection, tenant: str, learners: Sequence[str]
) -> tuple[list[bytes], list[asyncpg.Record]]:
    """Return what the roster tells of a learner by any of several opaque ids, and the groups that the learner is in."""
    facts = await connection.fetch(
        "select data from roster_fact where tenant = $1 and subject = any($2::text[]) order by kind, key",
        tenant,
        learners,
    )
    groups = await connection.fetch(
        'select distinct group_id as "group", value from roster_group where tenant = $1 and learner = any($2::uuid[])'
        " order by 1, 2",
        tenant,
        learners,
    )
    return [row["data"] for row in facts], groups
