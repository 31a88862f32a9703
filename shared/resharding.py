"""
Splitting the shards of one service's database, in the caller's transaction: the part that all services share.

Shard c of the new number begins as a copy of shard c % S of the old one, position by position: a learner of shard p is in one
of the shards p, p + S, p + 2 S ... of a multiple of S, because all take the same hash. What another shard has is replaced there
by a row of nobody that only holds the position. So every position keeps its meaning, sequence numbers taken from positions
never fall, and consumers go on where they are; only the generation rises, since an old cursor names too few shards.
"""

from typing import NamedTuple

from shared.database import Connection
from shared.events import resharded
from shared.shards import shard_of

HANDLED = ("event_log", "log_head", "relay_cursor", "consumer_shard", "counted_block")
"""The tables with shards that this module splits; each service adds its own."""
PLACE = "case when n.shard % {old} = t.shard then n.shard else t.shard end"
"""The new shard of a row `t` with its name in `place n`; what is not where its name belongs stays in its old shard."""


NAMES_A_PAGE = 20_000


class Split(NamedTuple):
    """From how many shards to which multiple of it, and the generation in which the logs go on."""

    old: int
    new: int
    generation: int


async def place_names(connection: Connection, split: Split, names: str) -> None:
    """
    Make the temporary tables that the other functions join until the end of the transaction.

    `place` has the new shard of each (tenant, name) that the query `names` gives, `child` the old shard of each new one.
    """
    await connection.execute(
        "create temporary table place (tenant text collate \"C\", name text collate \"C\", shard int not null,"
        "  primary key (tenant, name)) on commit drop;"
        "create temporary table child (old int not null, shard int primary key) on commit drop"
    )  # fmt: skip
    found = await connection.cursor(
        f"select distinct tenant, name from ({names}) found (tenant, name) where name <> ''"
    )
    while page := await found.fetch(NAMES_A_PAGE):
        places = [(tenant, name, shard_of(tenant, name, split.new)) for tenant, name in page]
        await connection.copy_records_to_table("place", records=places)
    await connection.copy_records_to_table("child", records=[(s % split.old, s) for s in range(split.new)])
    await connection.execute("analyze place; analyze child")


async def split_logs(connection: Connection, split: Split, everywhere: str = "false") -> None:
    """
    Split the rows of all logs by their subjects.

    Args:
        everywhere: condition on a row `t` that every shard needs, such as a decision for a tenant.
    """
    logs = [row[0] for row in await connection.fetch("select distinct log from log_head")]
    await connection.execute(
        "create temporary table held (log text collate \"C\" primary key, body text not null) on commit drop"
    )  # fmt: skip
    await connection.copy_records_to_table("held", records=[(log, resharded(log, "%s.%s").decode()) for log in logs])
    await connection.execute(
        "insert into event_log (log, shard, pos, tenant, subject, body)"
        " select log, child, pos, case when here then tenant else '' end, case when here then subject else '' end,"
        "   case when here then body else convert_to(format(instead, child, pos), 'UTF8') end"
        " from (select t.*, c.shard as child, h.body as instead,"
        f"     ({everywhere}) or {PLACE.format(old=split.old)} = c.shard as here"
        "   from event_log t join held h on h.log = t.log"
        f"   join child c on c.old = t.shard and c.shard >= {split.old}"
        "   left join place n on n.tenant = t.tenant and n.name = t.subject"
        f"   where t.shard < {split.old}) t"
    )
    await connection.execute(
        "update event_log t set tenant = '', subject = '', body = convert_to(format(h.body, t.shard, t.pos), 'UTF8')"
        " from place n, held h"
        f" where t.shard < {split.old} and h.log = t.log and n.tenant = t.tenant and n.name = t.subject"
        f"   and {PLACE.format(old=split.old)} <> t.shard and not ({everywhere})"
    )


async def go_on(connection: Connection, split: Split) -> None:
    """
    Let heads, relays and consumers of all shards go on from where the old shards were, in the new generation.

    Relays begin anew: the topics are filled again. Counts of blocks are dropped, for they are taken from the rows.
    """
    tables = ("consumer_shard", "log_head", "relay_cursor")
    there = [table for table in tables if await connection.fetchval("select to_regclass($1)", table)]
    for table in there:
        await copy_rows(connection, split, table)
    await connection.execute(f"update consumer_shard set next_offset = 0, owner = '' where shard >= {split.old}")
    await connection.execute("update consumer_shard set generation = $1, epoch = epoch + 1", split.generation)
    if "log_head" in there:
        await connection.execute("update log_head set generation = $1", split.generation)
        await connection.execute("update relay_cursor set pos = 0; delete from counted_block")


async def copy_rows(connection: Connection, split: Split, table: str) -> None:
    """Give each new shard the rows that its old one has in a table."""
    found = await connection.fetch(
        "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped", table
    )
    others = ", ".join(row[0] for row in found if row[0] != "shard")
    await connection.execute(
        f"insert into {table} (shard, {others}) select c.shard, {others} from {table} t"
        f" join child c on c.old = t.shard and c.shard >= {split.old} where t.shard < {split.old}"
    )


async def move_rows(connection: Connection, split: Split, table: str, name: str = "learner") -> None:
    """Put the rows of a table, each of the one that a column names, into their new shards."""
    await connection.execute(
        f"update {table} t set shard = {PLACE.format(old=split.old)} from place n"
        f" where n.tenant = t.tenant and n.name = t.{name} and {PLACE.format(old=split.old)} <> t.shard"
    )
