"""Rebuilding and rolling back: the tables of another version, its positions, and the switch."""

from collections.abc import Mapping
from typing import NamedTuple

import asyncpg

from services.reporting.tables.read_models import MODELS, consumer_name, table_name
from services.reporting.tables.statements import create_statements
from shared.database import Connection, columns
from shared.errors import Conflict, Refused

STALE_S = 60
"""A build that has not written for so long stands still, though its session lives: another may begin."""
_LIVES = "not pg_try_advisory_xact_lock_shared(hashtextextended('rebuild ' || name || ' ' || attempt, 0))"
"""Whether the session of the attempt that the row of a model names is still there, asked in any other session."""
_EDITIONS = "unnest($1::text[], $2::int[]) k (name, edition)"
"""The editions of the folds by read model, as the columns that a statement is given."""


class Attempt(NamedTuple):
    """One run: it brings `version` to where the version `live` is, and only while no other attempt has begun."""

    model: str
    version: int
    live: int
    number: int

    @property
    def consumer(self) -> str:
        """The consumer whose positions say how far the version is."""
        return consumer_name(self.model, self.version)

    @property
    def live_consumer(self) -> str:
        """The consumer of the version that readers use meanwhile."""
        return consumer_name(self.model, self.live)


class Fingerprint(NamedTuple):
    """What a table holds, in short; the order of its rows is no part of it."""

    rows: int
    content: str


class Progress(NamedTuple):
    """Where a shard of the build stands, and where the live version does."""

    shard: int
    generation: int
    pos: int
    target: int


async def begin(connection: Connection, model: str) -> Attempt:
    """
    Make the empty tables and positions of the next version, in the caller's transaction.

    Raises:
        Refused: another attempt is at work.
    """
    attempt = await _attempt(connection, model, 1)
    # Live consumers forget people in every version there is, and would lock these tables in another order than this does.
    await connection.execute(
        "select from consumer_shard where consumer = $1 order by shard for update", attempt.live_consumer
    )
    await _drop(connection, model, attempt.version)
    for statement in create_statements(model, attempt.version):
        await connection.execute(statement)
    await connection.execute(
        "insert into consumer_shard (consumer, shard, log, generation)"
        " select $1, shard, log, generation from consumer_shard where consumer = $2",
        attempt.consumer,
        attempt.live_consumer,
    )
    return attempt


async def begin_rollback(connection: Connection, model: str) -> Attempt:
    """
    Take up the version before the live one again, in the caller's transaction; it goes on from where it was left.

    Raises:
        Refused: another attempt is at work, or there is no version before.
    """
    attempt = await _attempt(connection, model, -1)
    kept = await connection.fetchval("select count(*) from consumer_shard where consumer = $1", attempt.consumer)
    if not kept:
        raise Refused(f"{model} has no version before {attempt.live} to go back to")
    return attempt


async def _attempt(connection: Connection, model: str, step: int) -> Attempt:
    row = await connection.fetchrow(
        "update read_model set state = 'building', building = live + $3, attempt = attempt + 1, started_at = now(),"
        " heartbeat_at = now(), finished_at = null, detail = '' where name = $1 and (state <> 'building'"
        f"   or heartbeat_at < now() - make_interval(secs => $2) or not {_LIVES}) returning live, building, attempt",
        model,
        STALE_S,
        step,
    )
    if row is None:
        raise Refused(f"{model} is being rebuilt already")
    return Attempt(model, row["building"], row["live"], row["attempt"])


async def tie(session: Connection, attempt: Attempt) -> None:
    """Let the attempt live as long as the session: when that ends, however it does, the attempt has failed."""
    await session.execute(
        "select pg_advisory_lock(hashtextextended('rebuild ' || $1::text || ' ' || $2::bigint, 0))",
        attempt.model,
        attempt.number,
    )


async def leave_to_the_switch(connection: Connection) -> None:
    """
    Let the caller's transaction not wait for the disk: the commit of the switch waits for all that was written before it.

    A crash of PostgreSQL before that takes rows and positions together, and the next attempt begins anew.
    """
    await connection.execute("set local synchronous_commit = off")


async def hold(connection: Connection, attempt: Attempt) -> None:
    """
    Say that the attempt is alive; first statement of each of its transactions.

    Raises:
        Conflict: another attempt has begun, or may begin because the session of this one has ended.
    """
    mine = await connection.fetchval(
        "update read_model set heartbeat_at = now() where name = $1 and attempt = $2 and state = 'building'"
        f" and {_LIVES} returning 1",
        attempt.model,
        attempt.number,
    )
    if mine is None:
        raise Conflict(f"the session of this rebuild of {attempt.model} has ended, or another has begun")


async def progress(connection: Connection, attempt: Attempt, *, stop_live: bool = False) -> list[Progress]:
    """Return where every shard stands; with `stop_live` the live consumers wait until the caller's transaction ends."""
    rows = await connection.fetch(
        "select l.shard, l.generation, b.pos, l.pos as target from consumer_shard l"
        " join consumer_shard b on b.consumer = $1 and b.shard = l.shard where l.consumer = $2 order by l.shard"
        + (" for update of l" if stop_live else ""),
        attempt.consumer,
        attempt.live_consumer,
    )
    return [Progress(*row) for row in rows]


async def move(connection: Connection, attempt: Attempt, shard: int, old: int, new: int) -> None:
    """
    Move a shard of the build.

    Raises:
        Conflict: it does not stand where the caller thinks.
    """
    moved = await connection.fetchval(
        "update consumer_shard set pos = $4 where consumer = $1 and shard = $2 and pos = $3 returning 1",
        attempt.consumer,
        shard,
        old,
        new,
    )
    if moved is None:
        raise Conflict(f"shard {shard} of {attempt.consumer} was moved by someone else")


async def fingerprints(connection: Connection, attempt: Attempt) -> dict[str, tuple[Fingerprint, Fingerprint]]:
    """Return by table the number of rows and a sum over their contents, of the live version and of the other one."""
    return {
        table: (
            await _fingerprint(connection, table_name(table, attempt.live)),
            await _fingerprint(connection, table_name(table, attempt.version)),
        )
        for table in MODELS[attempt.model]
    }


async def _fingerprint(connection: Connection, table: str) -> Fingerprint:
    row = await connection.fetchrow(
        f"select count(*), coalesce(sum(hash_record_extended(t, 0)::numeric), 0)::text from {table} t"
    )
    assert row is not None
    return Fingerprint(*row)


async def outdated(connection: Connection, editions: Mapping[str, int]) -> list[str]:
    """Return the read models whose live version was made by an earlier edition of its fold than those given."""
    rows = await connection.fetch(
        f"select r.name from read_model r join {_EDITIONS} using (name) where r.edition < k.edition order by 1",
        *columns(editions.items(), 2),
    )
    return [row["name"] for row in rows]


async def foldable(connection: Connection, editions: Mapping[str, int]) -> dict[str, int]:
    """Return the live versions of the read models but those that a later edition of the fold has made than those given."""
    rows = await connection.fetch(
        f"select r.name, r.live from read_model r join {_EDITIONS} using (name) where r.edition <= k.edition",
        *columns(editions.items(), 2),
    )
    return {row["name"]: row["live"] for row in rows}


async def take_back(connection: Connection, editions: Mapping[str, int]) -> list[str]:
    """Note of what a later edition has made that those given go on with it, and return which: it is no longer that one's."""
    rows = await connection.fetch(
        f"update read_model r set edition = k.edition from {_EDITIONS}"
        " where r.name = k.name and r.edition > k.edition returning r.name",
        *columns(editions.items(), 2),
    )
    return [row["name"] for row in rows]


async def lacking(connection: Connection, model: str) -> int:
    """Return how many events the next version of a read model has to fold at least, the switch counted as one."""
    row = await status(connection, model)
    assert row is not None
    return 1 + int(row["target"] - (row["folded"] if row["building"] > row["live"] else 0))


async def switch(connection: Connection, attempt: Attempt, detail: str, edition: int) -> None:
    """
    Make the version the live one; the one that was stays for a rollback, and what is older than both goes.

    A build was made by this `edition` of the fold; who goes back to an earlier version wants that.
    Consumers go on from the same Kafka offsets; those that have not noticed yet write to the old version for a moment.
    The planner is told about the new tables first: without statistics the first large question takes seconds.
    """
    for table in MODELS[attempt.model]:
        await connection.execute(f"analyze {table_name(table, attempt.version)}")
    await connection.execute(
        "update consumer_shard b set next_offset = l.next_offset from consumer_shard l"
        " where b.consumer = $1 and l.consumer = $2 and b.shard = l.shard",
        attempt.consumer,
        attempt.live_consumer,
    )
    await connection.execute(
        "update read_model set live = $2, state = 'live', finished_at = now(), detail = $3,"
        " edition = case when live < $2 then $4 else edition end where name = $1",
        attempt.model,
        attempt.version,
        detail,
        edition,
    )
    await _drop(connection, attempt.model, min(attempt.version, attempt.live) - 1)


async def fail(connection: Connection, attempt: Attempt, detail: str) -> None:
    """Note why an attempt ended without a switch; its tables stay until the next one, for a look."""
    await connection.execute(
        "update read_model set state = 'failed', finished_at = now(), detail = $3 where name = $1 and attempt = $2"
        " and state = 'building'",
        attempt.model,
        attempt.number,
        detail,
    )


async def status(connection: Connection, model: str) -> asyncpg.Record | None:
    """
    Return the state of a read model and, while a version is built, the events folded and those to be folded.

    A build whose process has ended without a word has failed, and another may begin at once.
    """
    return await connection.fetchrow(
        "select name, live, building, attempt, started_at, finished_at,"
        " case when ended then 'failed' else state end as state,"
        " case when ended then 'its process has ended, or was cut off from PostgreSQL; begin again' else detail end as detail,"
        " (select coalesce(sum(pos), 0)::bigint from consumer_shard"
        "   where consumer = 'reporting-' || name || '-v' || live) as target,"
        " (select coalesce(sum(pos), 0)::bigint from consumer_shard"
        "   where consumer = 'reporting-' || name || '-v' || building) as folded"
        f" from (select *, state = 'building' and not {_LIVES} as ended from read_model where name = $1) model",
        model,
    )


async def _drop(connection: Connection, model: str, version: int) -> None:
    if version < 1:
        return
    for table in MODELS[model]:
        await connection.execute(f"drop table if exists {table_name(table, version)}")
    for table in ("consumer_shard", "checkpoint", "folded_count", "unfolded"):
        await connection.execute(f"delete from {table} where consumer = $1", consumer_name(model, version))
