"""Statements on handed-in work. What changes rows locks them in the order of their keys, so that writers cannot deadlock."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import asyncpg
import msgspec

from services.evidence.domain.handed_in import DATED_BEFORE, HandIn, Work
from shared.contracts.handed_in import WorkUngraded
from shared.database import Connection, columns
from shared.events import encode_json

_WORK = "h.tenant, h.source, h.source_id, h.activity, h.stamp, h.waits, h.told, h.tellings, i.learner"
_OF_LEARNER = " join learner_identity i on i.tenant = h.tenant and i.source = h.source and i.source_id = h.source_id"
_IN_ORDER = " order by h.tenant, h.source, h.source_id, h.activity for update of h"
_SAME = "h.tenant = k.tenant and h.source = k.source and h.source_id = k.source_id and h.activity = k.activity"
UNALIGNED = "h.waits and convert_from(h.told, 'UTF8')::jsonb -> 'competencies' = '[]'"
"""Whether a row is of work that waits for a grade and of which no alignment says what it counts for."""
RECEIVED_BEFORE = 2 * DATED_BEFORE
"""How long before its hand-in a grade may have come: it is dated by a day before at the most, and hardly ahead."""

_decode = msgspec.json.Decoder(WorkUngraded).decode


async def say(connection: Connection, said: Iterable[tuple[str, str, HandIn]]) -> list[Work]:
    """
    Store what (tenant, source) say, one for each work and in their order, and return the works that it changed.

    What an earlier message said later stays, and so does nothing of somebody who has no identity, or has it no more.
    """
    rows = await connection.fetch(
        "with h as (insert into handed_in as h (tenant, source, source_id, activity, stamp, waits)"
        "   select k.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])"
        "     k (tenant, source, source_id, activity, stamp, waits) where exists (select from learner_identity i"
        "       where i.tenant = k.tenant and i.source = k.source and i.source_id = k.source_id)"
        "   on conflict (tenant, source, source_id, activity) do update"
        "     set stamp = excluded.stamp, waits = excluded.waits where excluded.stamp > h.stamp"
        "       or excluded.stamp = h.stamp and h.waits and not excluded.waits returning h.*)"
        f" select {_WORK} from h {_OF_LEARNER} order by h.tenant, h.source, h.source_id, h.activity",
        *columns([(tenant, source, *msgspec.structs.astuple(one)) for tenant, source, one in said], 6),
    )
    return _works(rows)


async def tells(connection: Connection, tenant: str, source: str) -> bool:
    """Tell whether a source has told of handed-in work before."""
    found: bool = await connection.fetchval(
        "select exists (select from handed_in where tenant = $1 and source = $2)", tenant, source
    )
    return found


async def graded_before(
    connection: Connection, tenant: str, source: str, works: Iterable[HandIn], but: Sequence[str]
) -> list[tuple[str, str, str]]:
    """
    Return (source id, activity, when) of pieces that are stored or parked of works of which nothing is said yet.

    Pieces that named their competencies themselves are found by their learner, as far as they can grade the work; `but` are
    left out.
    """
    rows = await connection.fetch(
        "with k as (select k.*, i.learner from unnest($3::text[], $4::text[], $5::text[]) k (source_id, activity, stamp)"
        "   join learner_identity i on i.tenant = $1 and i.source = $2 and i.source_id = k.source_id where not exists (select"
        "   from handed_in h where h.tenant = $1 and h.source = $2 and h.source_id = k.source_id and h.activity = k.activity))"
        f" select k.source_id, k.activity, {_json('l.body')} -> 'data' ->> 'occurred_at' as at from k"
        " join evidence e on e.tenant = $1 and e.align_by = k.activity and e.source = $2 and e.learner = k.learner"
        "   and e.state = 2 and e.evidence_id <> all($6::uuid[])"
        " join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        " union all select k.source_id, k.activity, d.data ->> 'occurred_at' from k"
        " join evidence e on e.tenant = $1 and e.align_by is null and e.source = $2 and e.learner = k.learner and e.state = 2"
        "   and e.received_at >= k.stamp::timestamptz - $7::interval and e.evidence_id <> all($6::uuid[])"
        " join event_log l on l.log = 'evidence' and l.shard = e.shard and l.pos = e.pos"
        f" cross join lateral (select {_json('l.body')} -> 'data') d (data)"
        "   where d.data ->> 'activity' = k.activity"
        f" union all select k.source_id, k.activity, {_json('q.original')} ->> 'occurred_at' from k"
        " join quarantine q on q.tenant = $1 and q.status = 'parked' and q.awaits_entry = k.activity and q.source = $2"
        "   and q.learner_source_id = k.source_id and q.form = 'native' and q.evidence_id <> all($6::uuid[])",
        tenant,
        source,
        *columns(((one.learner, one.activity, one.stamp) for one in works), 3),
        but,
        RECEIVED_BEFORE,
    )
    return [(row["source_id"], row["activity"], row["at"]) for row in rows if row["at"] is not None]


def _json(column: str) -> str:
    """Return a column of bytes as JSON without the NULs of texts, which what a source adds to a piece may have and jsonb not."""
    return rf"regexp_replace(convert_from({column}, 'UTF8'), '(?<!\\)((\\\\)*)\\u0000', '\1', 'g')::jsonb"


async def waiting_of(connection: Connection, tenant: str, learners: Sequence[str]) -> list[Work]:
    """Return the work of learners that waits, whoever it was told to be of."""
    rows = await connection.fetch(
        f"select {_WORK} from handed_in h {_OF_LEARNER}"
        f" where h.tenant = $1 and h.waits and i.learner = any($2::uuid[]) {_IN_ORDER}",
        tenant,
        learners,
    )
    return _works(rows)


async def waiting_on(connection: Connection, tenant: str, source: str, activity: str) -> list[Work]:
    """Return the work on an activity that waits, at a source or, where that is empty, at any."""
    rows = await connection.fetch(
        f"select {_WORK} from handed_in h {_OF_LEARNER}"
        f" where h.tenant = $1 and h.waits and h.activity = $3 and $2 in ('', h.source) {_IN_ORDER}",
        tenant,
        source,
        activity,
    )
    return _works(rows)


async def set_told(connection: Connection, works: Sequence[Work]) -> None:
    """Store what was told of works."""
    told = [(*work[:4], None if work.told is None else encode_json(work.told), work.tellings) for work in works]
    await connection.execute(
        "update handed_in h set told = k.told, tellings = k.tellings"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::int[])"
        f"   k (tenant, source, source_id, activity, told, tellings) where {_SAME}",
        *columns(sorted(told, key=itemgetter(0, 1, 2, 3)), 6),
    )


async def erase(connection: Connection, tenant: str, people: Sequence[tuple[str, str]]) -> None:
    """Delete the work of (source, source id)."""
    await connection.execute(
        "delete from handed_in h using unnest($2::text[], $3::text[]) k (source, source_id)"
        " where h.tenant = $1 and h.source = k.source and h.source_id = k.source_id",
        tenant,
        *columns(people, 2),
    )


def _works(rows: Iterable[asyncpg.Record]) -> list[Work]:
    return [_work(*row) for row in rows]


def _work(tenant: str, source: str, source_id: str, activity: str, stamp: str, waits: bool, told: bytes | None,
          tellings: int, learner: Any) -> Work:  # fmt: skip
    before = None if told is None else _decode(told)
    return Work(tenant, source, source_id, activity, stamp, waits, before, tellings, str(learner))
