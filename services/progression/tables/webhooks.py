"""Statements over webhooks."""

import datetime
from collections.abc import Collection
from typing import Any, NamedTuple

from services.progression.domain.disclosing import Reader
from services.progression.domain.subscribing import Former, Subscription
from services.progression.tables import disclosures
from shared.database import Connection, columns
from shared.expiry import Days, Gone, Kept, remove_older


class Held(NamedTuple):
    """A learner whose events wait behind one that was not taken, from position `pos` on; `parked` waits for a person."""

    learner: str
    shard: int
    pos: int
    attempts: int
    retry_at: datetime.datetime
    parked: bool
    reason: str


class Attempt(NamedTuple):
    """A line of the delivery log."""

    event: str
    type: str
    shard: int
    pos: int
    attempt: int
    status: int | None
    outcome: str
    ms: int


_SUBSCRIPTION = "id, tenant, name, url, purpose, types, frameworks, source, key, secret"


def subscription_of(row: Any) -> Subscription:
    """Return the subscription of a row of `webhook`, as of now."""
    until = row["former_until"]
    signs = until is not None and until > datetime.datetime.now(datetime.UTC)
    return Subscription(
        row["id"], row["tenant"], row["name"], row["url"], row["purpose"], tuple(row["types"]),
        tuple(row["frameworks"]), row["source"], row["key"], row["secret"],
        Former(row["former_key"], row["former_secret"]) if signs else None,
    )  # fmt: skip


async def lock(connection: Connection, tenant: str) -> None:
    """Let nobody else begin a webhook of the tenant until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(hashtext('webhook'), hashtext($1))", tenant)


async def heads(connection: Connection) -> dict[int, int]:
    """Return the last position of every shard of the log that webhooks follow."""
    rows = await connection.fetch("select shard, pos from log_head where log = 'advancement'")
    return {row["shard"]: row["pos"] for row in rows}


async def add(connection: Connection, given: Subscription, author: str, cursor: dict[int, int]) -> None:
    """Store a subscription that begins behind a vector of positions."""
    await connection.execute(
        f"insert into webhook ({_SUBSCRIPTION}, created_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        given.id, given.tenant, given.name, given.url, given.purpose, list(given.types), list(given.frameworks),
        given.source, given.key, given.secret, author,
    )  # fmt: skip
    await set_cursor(connection, given.id, cursor)
    own = Reader(given.id, given.tenant, "webhook", given.id, given.name, given.purpose, given.types, given.frameworks)
    await disclosures.enter(connection, own, author)


async def set_cursor(connection: Connection, id: str, cursor: dict[int, int]) -> None:
    """Go on behind a vector of positions."""
    await connection.execute(
        "insert into webhook_cursor select $1, * from unnest($2::int[], $3::bigint[])"
        " on conflict (webhook, shard) do update set pos = excluded.pos",
        id, *columns(cursor.items(), 2),
    )  # fmt: skip


async def all_of(connection: Connection, tenant: str) -> list[Any]:
    """
    Return the tenant's webhooks with their state, without secrets.

    `behind` are positions of the log not looked at yet, `held` and `parked_learners` learners who wait. `former_key` is that of
    the secret that signs too, `former_until` its end.
    """
    return await connection.fetch(
        "select w.id, w.tenant, w.name, w.url, w.purpose, w.types, w.frameworks, w.source, w.key, w.state, w.reason,"
        " w.failures, w.retry_at, w.created_by, w.created_at, w.version,"
        " case when w.former_until > now() then w.former_key end as former_key,"
        " case when w.former_until > now() then w.former_until end as former_until,"
        " (select coalesce(sum(h.pos - c.pos), 0)::bigint from webhook_cursor c join log_head h"
        "   on h.log = 'advancement' and h.shard = c.shard where c.webhook = w.id) as behind,"
        " (select count(*) from webhook_held d where d.webhook = w.id and not d.parked) as held,"
        " (select count(*) from webhook_held d where d.webhook = w.id and d.parked) as parked_learners"
        " from webhook w where w.tenant = $1 order by w.created_at, w.id",
        tenant,
    )


async def find(connection: Connection, tenant: str, id: str) -> Any:
    """Return a tenant's webhook, secret and all, None where there is none."""
    return await connection.fetchrow("select * from webhook where tenant = $1 and id = $2", tenant, id)


async def active(connection: Connection) -> dict[str, int]:
    """Return the version of every active webhook, of all tenants."""
    return {row[0]: row[1] for row in await connection.fetch("select id, version from webhook where state = 'active'")}


async def load(connection: Connection, id: str) -> Any:
    """Return a webhook as it is now."""
    return await connection.fetchrow("select * from webhook where id = $1", id)


async def remove(connection: Connection, tenant: str, id: str) -> bool:
    """Delete a webhook with its log; return whether there was one. The register of readers and what was given stay."""
    await disclosures.note_unsent(connection, id)
    await disclosures.end(connection, tenant, id, "webhook")
    done = await connection.execute("delete from webhook where tenant = $1 and id = $2", tenant, id)
    return bool(done == "DELETE 1")


async def remove_before(connection: Connection, tenant: str, instant: datetime.datetime) -> int:
    """Delete the tenant's webhooks of before an instant, as `remove` does; return how many."""
    rows = await connection.fetch("select id from webhook where tenant = $1 and created_at < $2", tenant, instant)
    for row in rows:
        await remove(connection, tenant, row["id"])
    return len(rows)


async def unchanged(connection: Connection, id: str, version: int) -> bool:
    """Tell whether a webhook is as it was loaded, and keep it so until the caller's transaction ends."""
    found = await connection.fetchval("select 1 from webhook where id = $1 and version = $2 for share", id, version)
    return found is not None


async def set_state(connection: Connection, id: str, state: str) -> None:
    """Make a webhook active or paused; what was counted against it is forgotten."""
    await connection.execute(
        "update webhook set state = $2, reason = '', failures = 0, retry_at = null, version = version + 1 where id = $1",
        id, state,
    )  # fmt: skip


async def set_secret(
    connection: Connection, id: str, key: str, secret: bytes, former_until: datetime.datetime | None
) -> None:
    """Sign with another secret from now on, and with the one before it until an instant; none before that signs."""
    await connection.execute(
        "update webhook set key = $2, secret = $3, version = version + 1, former_until = $4::timestamptz,"
        " former_key = case when $4::timestamptz is not null then key end,"
        " former_secret = case when $4::timestamptz is not null then secret end where id = $1",
        id, key, secret, former_until,
    )  # fmt: skip


async def forget_former(connection: Connection) -> None:
    """Keep no secret of any webhook whose time is over."""
    await connection.execute(
        "update webhook set former_key = null, former_secret = null, former_until = null where former_until < now()"
    )


async def cursor_of(connection: Connection, id: str) -> dict[int, int]:
    """Return where a webhook is in each shard."""
    rows = await connection.fetch("select shard, pos from webhook_cursor where webhook = $1 order by shard", id)
    return {row[0]: row[1] for row in rows}


async def held_of(connection: Connection, id: str) -> dict[str, Held]:
    """Return who waits, by learner."""
    rows = await connection.fetch(
        "select learner, shard, pos, attempts, retry_at, parked, reason from webhook_held where webhook = $1"
        " order by retry_at, learner",
        id,
    )
    return {row["learner"]: Held(*row) for row in rows}


async def hold(connection: Connection, id: str, held: Held) -> None:
    """Let a learner's events wait."""
    await connection.execute(
        "insert into webhook_held (webhook, learner, shard, pos, attempts, retry_at, parked, reason)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (webhook, learner) do update set"
        " pos = excluded.pos, attempts = excluded.attempts, retry_at = excluded.retry_at, parked = excluded.parked,"
        " reason = excluded.reason",
        id, *held,
    )  # fmt: skip


async def let_go(connection: Connection, id: str, learners: Collection[str] | None = None) -> None:
    """Let learners wait no longer, all of them where none are named."""
    await connection.execute(
        "delete from webhook_held where webhook = $1 and ($2::text[] is null or learner = any($2))",
        id, list(learners) if learners is not None else None,
    )  # fmt: skip


async def retry_parked(connection: Connection, id: str) -> None:
    """Try parked learners again from where they stopped."""
    await connection.execute(
        "update webhook_held set parked = false, attempts = 0, retry_at = now() where webhook = $1", id
    )


async def count_failures(
    connection: Connection, id: str, version: int, failures: int, retry_at: datetime.datetime | None
) -> None:
    """Note failures in a row, and until when nothing is sent."""
    await connection.execute(
        "update webhook set failures = $3, retry_at = $4 where id = $1 and version = $2",
        id, version, failures, retry_at,
    )  # fmt: skip


async def park(connection: Connection, id: str, version: int, reason: str) -> None:
    """Stop a webhook until a person resumes it, unless it was changed meanwhile."""
    await connection.execute(
        "update webhook set state = 'parked', reason = $3, version = version + 1 where id = $1 and version = $2",
        id, version, reason,
    )  # fmt: skip


async def count_parked(connection: Connection) -> tuple[int, int]:
    """Return how many webhooks are parked, and how often events of a learner are at one, of all tenants."""
    row = await connection.fetchrow(
        "select (select count(*) from webhook where state = 'parked'), (select count(*) from webhook_held where parked)"
    )
    assert row is not None
    return row[0], row[1]


async def log_attempt(connection: Connection, id: str, attempt: Attempt, rows_max: int) -> None:
    """Write a line of the delivery log, which keeps the last `rows_max` of each webhook."""
    no = await connection.fetchval(
        "insert into webhook_delivery (webhook, event, type, shard, pos, attempt, status, outcome, ms)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning no",
        id, *attempt,
    )  # fmt: skip
    if no % 100 == 0:
        await connection.execute(
            "delete from webhook_delivery where webhook = $1 and no <= (select no from webhook_delivery"
            " where webhook = $1 order by no desc offset $2 limit 1)",
            id, rows_max,
        )  # fmt: skip


async def expire_deliveries(connection: Connection, days: Days, rows: int) -> list[Gone]:
    """Delete lines of the delivery log that are too old."""
    of_tenants = "(select d.no, d.at, w.tenant from webhook_delivery d join webhook w on w.id = d.webhook)"
    return await remove_older(connection, "delete from webhook_delivery", Kept(of_tenants, "no", "at"), days, rows)


async def deliveries(connection: Connection, id: str, before: int | None, limit: int) -> list[Any]:
    """Return lines of the delivery log, the latest first."""
    return await connection.fetch(
        "select no, at, event, type, shard, pos, attempt, status, outcome, ms from webhook_delivery"
        " where webhook = $1 and ($2::bigint is null or no < $2) order by no desc limit $3",
        id, before, limit,
    )  # fmt: skip


async def events_of(
    connection: Connection, tenant: str, shard: int, after: int, until: int, limit: int, learner: str | None = None
) -> list[Any]:
    """Return (pos, subject, body, generation) of a tenant's public events in a range of positions."""
    return await connection.fetch(
        "select e.pos, e.subject, e.body, h.generation from event_log e join log_head h using (log, shard)"
        " where e.log = 'advancement' and e.shard = $2 and e.pos > $3 and e.pos <= $4 and e.tenant = $1"
        " and ($6::text is null or e.subject = $6) order by e.pos limit $5",
        tenant, shard, after, until, limit, learner,
    )  # fmt: skip
