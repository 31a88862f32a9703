"""
The shard log: append-only, dense positions per (log, shard), one head row each.

Every guarantee of Attain rests on this: a position is taken from the head row inside the appending transaction, locked
after all checks, so a rollback leaves no hole and the next position is always last + 1. The log is the outbox: the
relay and the feeds read it, nothing is ever deleted from it.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from shared.crash_points import reach
from shared.database import Connection, columns
from shared.errors import InvalidEvent, Unavailable
from shared.events import Draft, placed, tombstone
from shared.row_security import rows_of
from shared.shards import shards_fault
from shared.tenancy import current_tenant

PAGE_BYTES = 4 << 20
"""A page of a shard ends with the row that reaches this size, whatever its limit of rows."""
_PAGE = (
    "select *, sum(octet_length(body)) over (order by pos) - octet_length(body) as bytes_before"
    " from (select pos, tenant, subject, body from event_log l"
    "   where l.log = {} and l.shard = {} and l.pos > {} order by l.pos limit {}) page"
)
"""The rows of a shard behind a position; they are a page as long as `bytes_before` is below `PAGE_BYTES`."""


class Head(NamedTuple):
    """The last position of a shard of a log, and the generation its positions belong to."""

    generation: int
    pos: int


Place: TypeAlias = tuple[str, int]
"""A shard of a log: (log, shard)."""


LogRow: TypeAlias = tuple[str, int, int, str, str, bytes]
"""A row of the log as it is stored: (log, shard, pos, tenant, subject, body without its place)."""
_COLUMNS = ("log", "shard", "pos", "tenant", "subject", "body")


class Entry(NamedTuple):
    """A row of the log, ready to send: `body` carries its place."""

    shard: int
    pos: int
    key: str
    body: bytes


class EventLog:
    """One log of this service's database, `shards` wide."""

    def __init__(self, name: str, shards: int) -> None:
        self.name = name
        self.shards = shards

    async def prepare(self, connection: Connection) -> None:
        """
        Make the head and cursor rows; safe to repeat.

        Raises:
            Unavailable: the log was installed with another number of shards.
        """
        installed = await connection.fetchval("select count(*) from log_head where log = $1", self.name)
        fault = shards_fault(f"log {self.name} was installed with", installed, self.shards)
        if fault:
            raise Unavailable(fault)
        for table in ("log_head", "relay_cursor"):
            await connection.execute(
                f"insert into {table} (log, shard) select $1, s from generate_series(0, $2 - 1) s"
                " on conflict do nothing",
                self.name,
                self.shards,
            )

    async def append(self, connection: Connection, drafts: Sequence[Draft]) -> list[int]:
        """Append in the caller's transaction and return the position of each draft; see `append_all`."""
        return [row[2] for row in await append_all(connection, [(self, drafts)])]

    async def heads(self, connection: Connection) -> dict[int, Head]:
        """Return the head of every shard."""
        rows = await connection.fetch("select shard, generation, pos from log_head where log = $1", self.name)
        return {row["shard"]: Head(row["generation"], row["pos"]) for row in rows}

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[Entry]:
        """Return entries behind the positions in `after`, in shard and position order; see `read_all`."""
        pages = await read_all(connection, {(self.name, shard): pos for shard, pos in after.items()}, limit)
        return [entry for page in pages.values() for entry in page]

    async def lines(self, connection: Connection, shard: int, after: int, limit: int) -> bytes:
        """
        Return what `read` returns of a shard as lines, put together by PostgreSQL: 5 µs of Python an event are spared.
        """
        lines: bytes | None = await connection.fetchval(
            'select string_agg(convert_to(format(e\'{"generation":%s,"shard":%s,"position":%s,\','
            "   h.generation, h.shard, e.pos), 'UTF8') || substr(e.body, 2) || '\\x0a', '' order by e.pos)"
            f" from log_head h cross join lateral ({_PAGE.format('$1', '$2', '$3', '$4')}) e"
            " where h.log = $1 and h.shard = $2 and h.pos > $3 and e.bytes_before < $5",
            self.name,
            shard,
            after,
            limit,
            PAGE_BYTES,
        )
        return lines or b""

    async def redact(self, connection: Connection, shard: int, tenant: str, subject: str, type: str = "") -> int:
        """
        Put a tombstone with the old hash in place of every event of a subject, or of those of a type; positions stay.

        Return how many.
        """
        rows = await connection.fetch(
            "select pos, body from event_log where log = $1 and shard = $2 and tenant = $3 and subject = $4"
            "   and ($5 = '' or position(convert_to('\"type\":\"' || $5 || '\"', 'UTF8') in body) > 0)",
            self.name,
            shard,
            tenant,
            subject,
            type,
        )
        dead = [(pos, tombstone(self.name, tenant, hashlib.sha256(body).hexdigest())) for pos, body in rows]
        await connection.execute(
            "update event_log e set subject = '', body = k.body from unnest($3::bigint[], $4::bytea[]) k (pos, body)"
            " where e.log = $1 and e.shard = $2 and e.pos = k.pos",
            self.name,
            shard,
            *columns(dead, 2),
        )
        return len(dead)

    def check_shard(self, shard: int) -> None:
        """
        Refuse a shard that this log does not have.

        Raises:
            InvalidEvent: it is not in 0 .. shards - 1.
        """
        if not 0 <= shard < self.shards:
            raise InvalidEvent(f"shard {shard} is not in 0..{self.shards - 1}", pointer="/shard")


async def append_all(connection: Connection, logs: Sequence[tuple[EventLog, Sequence[Draft]]]) -> list[LogRow]:
    """
    Append to several logs in the caller's transaction and return the rows of the drafts, in their order.

    Nothing but the commit may follow for the shards concerned: their heads stay locked until then, in the order of log
    and shard, so concurrent appenders wait for each other and cannot deadlock.
    """
    counts = Counter((log.name, draft.shard) for log, drafts in logs for draft in drafts)
    if not counts:
        return []
    moved = await connection.fetch(
        "with k as (select * from unnest($1::text[], $2::int[], $3::int[]) k (log, shard, count)),"
        " mine as (select h.log, h.shard, k.count from log_head h join k using (log, shard)"
        "   order by h.log, h.shard for update of h)"
        " update log_head h set pos = h.pos + mine.count from mine where h.log = mine.log and h.shard = mine.shard"
        " returning h.log, h.shard, h.pos - mine.count as pos",
        *columns(((log, shard, count) for (log, shard), count in counts.items()), 3),
    )
    reach("log.heads_moved")
    heads: dict[Place, int] = {(log, shard): pos for log, shard, pos in moved}
    rows: list[LogRow] = []
    for log, drafts in logs:
        name = log.name
        for shard, tenant, subject, body in drafts:
            heads[name, shard] = pos = heads[name, shard] + 1
            rows.append((name, shard, pos, tenant, subject, body))
    if current_tenant() is None:
        await connection.copy_records_to_table(rows_of("event_log"), records=rows, columns=_COLUMNS)
    else:
        await connection.execute(
            "insert into event_log select * from"
            " unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::bytea[])",
            *columns(rows, 6),
        )
    return rows


async def read_all(connection: Connection, after: Mapping[Place, int], limit: int) -> dict[Place, list[Entry]]:
    """
    Return up to `limit` entries a shard behind the positions in `after`, in position order; places without are left out.

    There may be fewer, though never none where there is one: a shard's page also ends at `PAGE_BYTES`.
    """
    rows = await connection.fetch(
        "select c.log, c.shard, e.pos, e.tenant || '|' || e.subject, e.body, h.generation"
        " from unnest($1::text[], $2::int[], $3::bigint[]) c (log, shard, after)"
        " join log_head h on h.log = c.log and h.shard = c.shard and h.pos > c.after"
        f" cross join lateral ({_PAGE.format('c.log', 'c.shard', 'c.after', '$4')}) e"
        " where e.bytes_before < $5 order by c.log, c.shard, e.pos",
        *columns(((log, shard, pos) for (log, shard), pos in after.items()), 3),
        limit,
        PAGE_BYTES,
    )
    pages: dict[Place, list[Entry]] = {}
    for log, shard, pos, key, body, generation in rows:
        pages.setdefault((log, shard), []).append(Entry(shard, pos, key, placed(body, generation, shard, pos)))
    return pages
