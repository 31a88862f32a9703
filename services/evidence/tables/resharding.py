"""Splitting the shards of the evidence database: the logs by their subjects, and where each piece is told."""

from collections.abc import Callable

from shared.database import Connection
from shared.resharding import PLACE, Split, go_on, place_names, split_logs

HANDLED = ("evidence",)
"""The tables with shards that are of evidence alone."""


async def split(connection: Connection, how: Split, say: Callable[[str], None]) -> None:
    """Split everything in the caller's transaction, telling what is at work; see `shared.resharding`."""
    await place_names(connection, how, "select tenant, subject from event_log")
    say("pieces")
    # Before the log: a piece follows the event that tells it, whoever its learner has become since.
    await connection.execute(
        f"update evidence e set shard = {PLACE.format(old=how.old)} from event_log t, place n"
        " where t.log = 'evidence' and t.shard = e.shard and t.pos = e.pos and n.tenant = t.tenant and n.name = t.subject"
        f"   and {PLACE.format(old=how.old)} <> t.shard"
    )
    say("logs")
    await split_logs(connection, how)
    await go_on(connection, how)
