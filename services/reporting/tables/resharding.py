"""
Splitting the shards of the reporting database: what is known of the shards of its input logs.

Rows of the read models carry no shard but those on terms, whose closings every shard has. Counting what was folded begins anew
at the positions of the split.
"""

from collections.abc import Callable

from services.reporting.tables.read_models import consumer_name
from shared.database import Connection
from shared.resharding import Split, copy_rows, go_on, move_rows, place_names

HANDLED = ("term", "checkpoint", "unfolded", "folded_count")
"""The tables with shards that are of reporting alone; those of read models without their version."""


async def split(connection: Connection, how: Split, say: Callable[[str], None]) -> None:
    """Split everything in the caller's transaction, telling what is at work; see `shared.resharding`."""
    say("positions")
    await place_names(connection, how, "select tenant, subject from unfolded")
    versions = await connection.fetch(
        "select relname from pg_class where relkind = 'r' and relname ~ '^term_v[0-9]+$' order by relname"
    )
    for table in (*(row[0] for row in versions), "checkpoint"):
        await copy_rows(connection, how, table)
    await move_rows(connection, how, "unfolded", "subject")
    await go_on(connection, how)
    await connection.execute(
        "delete from folded_count;"
        "insert into folded_count (consumer, shard, tenant, events)"
        f" select consumer, shard, '', -pos from consumer_shard where consumer like '{consumer_name('mastery', 0)[:-1]}%'"
    )
