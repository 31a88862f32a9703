"""Statements on merges of learners: who became whom, and what moved."""

from collections.abc import Sequence

import asyncpg

from shared.database import Connection, columns


async def moved(connection: Connection, tenant: str) -> None:
    """Note that identities moved, so that every replica looks them up again."""
    await connection.execute(
        "insert into identity_move as m (tenant, moves) values ($1, 1)"
        " on conflict (tenant) do update set moves = m.moves + 1",
        tenant,
    )


async def in_force(connection: Connection, tenant: str, learners: Sequence[str]) -> list[asyncpg.Record]:
    """Return (merge id, merged, kept) of the merges in force that concern any of the learners, the oldest first."""
    return await connection.fetch(
        "select merge_id::text, merged::text, kept::text from learner_merge"
        " where tenant = $1 and undone_at is null and (merged = any($2::uuid[]) or kept = any($2::uuid[]))"
        " order by merged_at",
        tenant,
        learners,
    )


async def add(connection: Connection, merge_id: str, tenant: str, merged: str, into: str, reason: str, by: str) -> None:
    """Store a merge, and give the identities of one learner to another."""
    await connection.execute(
        "insert into learner_merge (merge_id, tenant, merged, kept, reason, merged_by, merged_at)"
        " values ($1, $2, $3, $4, $5, $6, now())",
        merge_id,
        tenant,
        merged,
        into,
        reason,
        by,
    )
    await connection.execute(
        "update learner_identity set home = $2, learner = $3 where tenant = $1 and learner = $2", tenant, merged, into
    )


async def former_references(
    connection: Connection, tenant: str, source: str, learners: Sequence[str]
) -> list[asyncpg.Record]:
    """Return (learner, a source's own id, since when) of learners whose id it was until a merge, or the undoing of one."""
    return await connection.fetch(
        "with went as (select merged as learner, merged, merged_at as since from learner_merge"
        "   where tenant = $1 and merged = any($3::uuid[]) and undone_at is null"
        "   union all select kept, merged, undone_at from learner_merge"
        "   where tenant = $1 and kept = any($3::uuid[]) and undone_at is not null)"
        " select w.learner::text as learner, i.source_id, max(w.since) as since from went w"
        " left join learner_merge m on m.tenant = $1 and m.merged = w.merged and m.undone_at is null"
        " join learner_identity i on i.tenant = $1 and i.source = $2 and i.learner = coalesce(m.kept, w.merged)"
        "   and i.home is not distinct from case when m.kept is not null then w.merged end"
        " where i.learner <> w.learner group by 1, 2 order by 1, 2",
        tenant,
        source,
        learners,
    )


async def returned_references(
    connection: Connection, tenant: str, source: str, learners: Sequence[str]
) -> list[asyncpg.Record]:
    """Return (learner, a source's own id, since when) of learners whose id it is by a merge, or again since one was undone."""
    return await connection.fetch(
        "select i.learner::text as learner, i.source_id, max(case when i.home is null then m.undone_at else m.merged_at end)"
        "   as since from learner_identity i join learner_merge m on m.tenant = i.tenant and case when i.home is null"
        "   then m.merged = i.learner and m.undone_at is not null"
        "   else m.kept = i.learner and m.merged = i.home and m.undone_at is null end"
        " where i.tenant = $1 and i.source = $2 and i.learner = any($3::uuid[]) group by 1, 2 order by 1, 2",
        tenant,
        source,
        learners,
    )


async def stood_under(connection: Connection, tenant: str, learners: Sequence[str]) -> list[str]:
    """Return whom any of the learners was merged into until that was undone, as far as they are not erased."""
    rows = await connection.fetch(
        "select distinct m.kept::text as kept from learner_merge m"
        " where m.tenant = $1 and m.undone_at is not null and m.merged = any($2::uuid[]) and m.kept <> all($2::uuid[])"
        "   and not exists (select from erased_learner e where e.tenant = $1 and e.learner = m.kept) order by 1",
        tenant,
        learners,
    )
    return [row["kept"] for row in rows]


async def was_undone(connection: Connection, tenant: str, merged: str, kept: str) -> bool:
    """Tell whether one learner was merged into the other before, and that was undone."""
    found = await connection.fetchval(
        "select true from learner_merge where tenant = $1 and merged = $2 and kept = $3 and undone_at is not null limit 1",
        tenant,
        merged,
        kept,
    )
    return found is not None


async def forget(connection: Connection, tenant: str, learners: Sequence[str]) -> None:
    """Leave out why any of the learners was merged, or merged into another, and their places; that it was stays."""
    await connection.execute(
        "update learner_merge set reason = '', left_classes = '{}', joined_classes = '{}'"
        " where tenant = $1 and (merged = any($2::uuid[]) or kept = any($2::uuid[]))",
        tenant,
        learners,
    )


async def note_places(connection: Connection, merge_id: str, left: Sequence[str], joined: Sequence[str]) -> None:
    """Store which places a merge took from the one learner, and gave to the other."""
    await connection.execute(
        "update learner_merge set left_classes = $2, joined_classes = $3 where merge_id = $1", merge_id, left, joined
    )


async def note_later_places(
    connection: Connection, tenant: str, kept: str, left: Sequence[tuple[str, str]], joined: Sequence[tuple[str, str]],
    own: Sequence[str],
) -> None:  # fmt: skip
    """
    Store what a roster says while merges into a learner are in force: places of (merged, place), and those that the learner has
    by them alone; what is the learner's `own` is by none of them.
    """
    await connection.execute(
        "update learner_merge m set"
        "   left_classes = array(select unnest(m.left_classes)"
        "     union select place from unnest($3::uuid[], $4::text[]) k (merged, place) where k.merged = m.merged),"
        "   joined_classes = array((select unnest(m.joined_classes)"
        "     union select place from unnest($5::uuid[], $6::text[]) k (merged, place) where k.merged = m.merged)"
        "     except select unnest($7::text[]))"
        " where m.tenant = $1 and m.kept = $2 and m.undone_at is null",
        tenant,
        kept,
        *columns(left, 2),
        *columns(joined, 2),
        own,
    )


async def hand_on_places(connection: Connection, tenant: str, kept: str, places: Sequence[str]) -> set[str]:
    """
    Let other merges in force into a learner take over that it has places which those took from their learners.

    Return the places that one took over.
    """
    rows = await connection.fetch(
        "with heir as (select distinct on (k.class) k.class, m.merge_id from unnest($3::text[]) k (class)"
        "   join learner_merge m on m.tenant = $1 and m.kept = $2 and m.undone_at is null and k.class = any(m.left_classes)"
        "   order by k.class, m.merged_at, m.merge_id),"
        " handed as (update learner_merge m set joined_classes = m.joined_classes"
        "   || array(select class from heir where heir.merge_id = m.merge_id)"
        "   where m.merge_id in (select merge_id from heir))"
        " select class from heir",
        tenant,
        kept,
        places,
    )
    return {row["class"] for row in rows}


async def undo(connection: Connection, tenant: str, merge_id: str, by: str) -> asyncpg.Record | None:
    """
    Mark a merge in force as undone and give the identities back; return who was merged into whom.

    Of those who were erased as one there is nothing to part.
    """
    row = await connection.fetchrow(
        "update learner_merge m set undone_by = $3, undone_at = now()"
        " where tenant = $1 and merge_id = $2 and undone_at is null"
        "   and not exists (select from erased_learner e where e.tenant = $1 and e.learner = m.kept)"
        " returning merged, kept, left_classes, joined_classes",
        tenant,
        merge_id,
        by,
    )
    if row is not None:
        await connection.execute(
            "update learner_identity set home = null, learner = $2 where tenant = $1 and learner = $3 and home = $2",
            tenant,
            row["merged"],
            row["kept"],
        )
    return row


async def pieces_to_move(connection: Connection, tenant: str, learner: str, home: str | None) -> list[asyncpg.Record]:
    """Return a learner's accepted pieces with their events, in the order of the log; with `home` those that came from there."""
    return await connection.fetch(
        "select e.evidence_id, e.shard, e.pos, e.valid, e.relation, l.body from evidence e"
        " left join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " where e.tenant = $1 and e.learner = $2 and e.state = 2 and ($3::uuid is null or e.home = $3)"
        " order by e.shard, e.pos",
        tenant,
        learner,
        home,
    )


async def pieces_of(connection: Connection, tenant: str, merged: str, kept: str) -> int:
    """Return how many pieces count for a learner that are of one merged into it."""
    found: int = await connection.fetchval(
        "select count(*) from evidence where tenant = $1 and learner = $3 and home = $2 and state = 2 and valid"
        " and relation is distinct from 'retracts'",
        tenant,
        merged,
        kept,
    )
    return found


async def move(connection: Connection, rows: Sequence[tuple[str, str, str | None, int, int, str | None]]) -> None:
    """Store of (evidence id, learner, id it is told as, shard, pos, home) what they are now; told as None: as before."""
    await connection.execute(
        "update evidence e set learner = k.learner, told = coalesce(k.told, e.told), shard = k.shard, pos = k.pos,"
        "   home = k.home"
        " from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::bigint[], $6::uuid[])"
        "   k (evidence_id, learner, told, shard, pos, home) where e.evidence_id = k.evidence_id",
        *columns(rows, 6),
    )


async def set_homes(
    connection: Connection, people: Sequence[tuple[str, str, str, str]], of_nobody: Sequence[str]
) -> None:
    """
    Note on new pieces, (evidence id, tenant, source, source id), whose they would be without a merge.

    What takes back a piece may name nobody: that goes where the piece does.
    """
    await connection.execute(
        "update evidence e set home = i.home"
        " from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) k (evidence_id, tenant, source, source_id)"
        " join learner_identity i on i.tenant = k.tenant and i.source = k.source and i.source_id = k.source_id"
        " where e.evidence_id = k.evidence_id and i.home is not null",
        *columns(people, 4),
    )
    await connection.execute(
        "update evidence e set home = t.home from evidence t"
        " where e.evidence_id = any($1::uuid[]) and t.evidence_id = e.target and t.learner = e.learner and t.home is not null",
        list(of_nobody),
    )
