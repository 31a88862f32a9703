"""Statements on evidence: what is known of ids, and what a batch changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from services.evidence.domain.evidence import State
from services.evidence.domain.validity import Piece, Place
from shared.database import Connection, columns
from shared.row_security import rows_of

_COLUMNS = (
    "evidence_id", "tenant", "source", "id", "state", "digest", "learner", "shard", "pos", "valid", "relation",
    "target", "received_at", "private", "align_by",
)  # fmt: skip
_EMPTY = (
    "state = 3, source = '', id = null, digest = null, learner = null, home = null, private = null, align_by = null"
)
"""What an erased piece is."""
FOREST_LOCK = 0x6174_666F


class _Data(msgspec.Struct):
    competencies: tuple[str, ...] = ()


class _Body(msgspec.Struct):
    data: _Data


_decode_body = msgspec.json.Decoder(_Body).decode


async def sent_up_to(connection: Connection, shard: int) -> int:
    """Return up to which position of the log a shard's events are acknowledged by Kafka."""
    pos: int = await connection.fetchval("select pos from relay_cursor where log = 'evidence' and shard = $1", shard)
    return pos


async def erased_among(connection: Connection, learners: Sequence[str]) -> set[str]:
    """Return those of the learners that are erased."""
    rows = await connection.fetch("select learner from erased_learner where learner = any($1::uuid[])", learners)
    return {str(row["learner"]) for row in rows}


async def lock_forests(connection: Connection, sources: Iterable[tuple[str, str]]) -> None:
    """Let no one else change what voids what in these (tenant, source); targets never cross sources."""
    await connection.execute(
        "select pg_advisory_xact_lock($1, k)"
        " from (select distinct hashtext(s) k from unnest($2::text[]) s order by 1) d",
        FOREST_LOCK,
        [f"{tenant}|{source}" for tenant, source in sources],
    )


async def known(connection: Connection, evidence_ids: Sequence[str]) -> list[Piece]:
    """Return what is stored of the ids."""
    rows = await connection.fetch(
        "select evidence_id, tenant, source, state, digest, learner, shard, pos, valid, relation, target,"
        " told, null::bytea body from evidence where evidence_id = any($1::uuid[])",
        evidence_ids,
    )
    return [_piece(row) for row in rows]


async def known_forest(connection: Connection, evidence_ids: Sequence[str]) -> list[Piece]:
    """
    Return what is stored of the ids, of the chains of their targets, of all that voids these, and of what voids that.

    Of a recursion PostgreSQL expects a hundred times what there is; rows are therefore looked up each, or as an array, where
    a join would read all evidence.
    """
    rows = await connection.fetch(
        "with recursive chain (evidence_id, target) as ("
        "   select evidence_id, target from evidence where evidence_id = any($1::uuid[])"
        "   union select e.evidence_id, e.target from chain c cross join lateral"
        "     (select evidence_id, target from evidence where evidence_id = c.target limit 1) e),"
        " voider as (select e.evidence_id from evidence e where e.target = any(array(select evidence_id from chain))),"
        " wanted as (select evidence_id from chain union select evidence_id from voider"
        "   union select e.evidence_id from evidence e where e.target = any(array(select evidence_id from voider)))"
        " select e.evidence_id, e.tenant, e.source, e.state, e.digest, e.learner, e.shard, e.pos, e.valid, e.relation,"
        "   e.target, e.told, l.body from evidence e"
        " left join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " where e.evidence_id = any(array(select evidence_id from wanted))",
        evidence_ids,
    )
    return [_piece(row) for row in rows]


def _piece(row: asyncpg.Record) -> Piece:
    evidence_id, tenant, source, state, digest, learner, shard, pos, valid, relation, target, told, body = row
    return Piece(
        str(evidence_id), tenant, source, State(state), digest, learner and str(learner), shard,
        None if pos is None else Place(shard, pos), None, valid, relation, target and str(target),
        () if body is None else _decode_body(body).data.competencies, told and str(told),
    )  # fmt: skip


async def insert(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """
    Add rows, in the order of their ids so that writers of the same ids cannot deadlock.

    COPY costs half of an insert; where another replica was first with an id it raises `asyncpg.UniqueViolationError`.
    """
    if rows:
        await connection.copy_records_to_table(rows_of("evidence"), records=rows, columns=_COLUMNS)


async def update(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Give rows that were awaited or parked what they are now; the same columns as `insert`."""
    if rows:
        await connection.execute(
            "update evidence e set id = k.id, state = k.state, digest = k.digest, learner = k.learner,"
            " shard = k.shard, pos = k.pos, valid = k.valid, relation = k.relation, target = k.target,"
            " received_at = coalesce(e.received_at, k.received_at), private = k.private, align_by = k.align_by"
            " from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bytea[], $7::uuid[],"
            "   $8::int[], $9::bigint[], $10::bool[], $11::text[], $12::uuid[], $13::timestamptz[], $14::bytea[],"
            "   $15::text[])"
            "   k (evidence_id, tenant, source, id, state, digest, learner, shard, pos, valid, relation, target,"
            "      received_at, private, align_by)"
            " where e.evidence_id = k.evidence_id",
            *columns(rows, len(_COLUMNS)),
        )


async def set_validity(connection: Connection, flipped: Mapping[str, bool]) -> None:
    """Store the validity of pieces that a batch flipped."""
    if flipped:
        await connection.execute(
            "update evidence e set valid = k.valid from unnest($1::uuid[], $2::bool[]) k (evidence_id, valid)"
            " where e.evidence_id = k.evidence_id",
            *columns(flipped.items(), 2),
        )


async def to_realign(
    connection: Connection, tenant: str, source: str, align_by: str, after: str, limit: int
) -> list[asyncpg.Record]:
    """Return accepted pieces that follow an id of the alignment map (`source` empty: at any source), with their events."""
    return await connection.fetch(
        "select e.evidence_id, e.source, e.learner, e.shard, e.private, l.body from evidence e"
        " join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " where e.tenant = $1 and ($2 = '' or e.source = $2) and e.align_by = $3 and e.evidence_id > $4::uuid"
        "   and e.state = 2 and coalesce(e.relation, '') <> 'retracts' order by e.evidence_id limit $5",
        tenant,
        source,
        align_by,
        after,
        limit,
    )


async def set_told(connection: Connection, told: Sequence[tuple[str, str, int]]) -> None:
    """Store under which id, and where, events tell of (evidence id, told id, pos) from now on."""
    await connection.execute(
        "update evidence e set told = k.told, pos = k.pos"
        " from unnest($1::uuid[], $2::uuid[], $3::bigint[]) k (evidence_id, told, pos)"
        " where e.evidence_id = k.evidence_id",
        *columns(told, 3),
    )


async def find(connection: Connection, tenant: str, evidence_id: str) -> asyncpg.Record | None:
    """Return a piece, by its id or by that under which events tell of it, with its event, what voids it, and how it is parked."""
    return await connection.fetchrow(
        "select e.*, l.body, h.generation, q.reason, q.pointer, q.detail, q.awaits,"
        " array(select v.evidence_id from evidence v where v.target = e.evidence_id and v.state = 2"
        "   and (v.relation = 'retracts' or v.valid) order by 1) voided_by"
        " from evidence e left join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " left join log_head h on h.log = 'evidence' and h.shard = e.shard"
        " left join quarantine q on q.quarantine_id = e.evidence_id and q.status = 'parked'"
        " where e.tenant = $1 and e.state <> 0 and e.evidence_id = coalesce("
        "   (select t.evidence_id from evidence t where t.tenant = $1 and t.told = $2), $2)",
        tenant,
        evidence_id,
    )


async def erase(connection: Connection, tenant: str, learner: str, parked: Sequence[str]) -> int:
    """
    Empty the rows of a learner's evidence, of what retracts it, and of parked ids; return how many.

    The ids stay taken, so nothing comes back when a source sends it again.
    """
    erased = await connection.fetchval(
        "with own as (select evidence_id from evidence where tenant = $1 and learner = $2"
        "   union select unnest($3::uuid[])),"
        " wanted as (select evidence_id from own union select e.evidence_id from evidence e"
        "   where e.target = any(array(select evidence_id from own)) and e.relation = 'retracts'),"
        f" gone as (update evidence e set {_EMPTY} where e.tenant = $1 and e.state <> 0"
        "   and e.evidence_id = any(array(select evidence_id from wanted)) returning 1)"
        " select count(*) from gone",
        tenant,
        learner,
        parked,
    )
    return int(erased)


async def erase_nobodys(connection: Connection, tenant: str, before: datetime) -> None:
    """Empty rows of no learner from before an instant: pieces that are parked, and what retracts something that never came."""
    await connection.execute(
        f"update evidence set {_EMPTY} where tenant = $1 and learner is null and state in (1, 2)"
        "   and (received_at is null or received_at < $2)",
        tenant,
        before,
    )
