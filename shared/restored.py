"""
After a restore of the databases, before the services start: `python -m shared.restored`.

A restored log gives positions anew that it had given before, with other content. So every log goes on in a higher
generation: what Kafka still holds of the lost time is ignored, every topic is filled again, old cursors get 410. All
consumers accept it, which is right only where no database is ahead of the one it reads from: all are to be restored to
one moment, which one PostgreSQL server gives by itself.

A backup knows the generation of its own time only. Where an installation that was restored has run and is restored once more,
the generation in which it ran is to be told (`--above`), else its positions would be given a second time.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from shared.crash_points import reach
from shared.settings import SERVICES, Settings, settings_or_exit, variable

NAMED_MAX = 5


class Head(NamedTuple):
    """The last position of a shard of a log."""

    log: str
    shard: int
    generation: int
    pos: int


class Folded(NamedTuple):
    """Up to where a consumer has folded a shard of a log."""

    consumer: str
    log: str
    shard: int
    pos: int


def ahead(heads: Sequence[Head], folded: Sequence[Folded]) -> list[str]:
    """Return in words which consumers have folded what their producer's log no longer has."""
    ends = {(head.log, head.shard): head.pos for head in heads}
    return [
        f"{one.consumer} has folded {one.log} shard {one.shard} up to {one.pos:,}, the log ends at {ends[one.log, one.shard]:,}"
        for one in folded
        if one.pos > ends.get((one.log, one.shard), one.pos)
    ]


def next_generation(heads: Sequence[Head], above: int) -> int:
    """Return the generation in which all logs go on: one in which none of them has given a position."""
    return max((above, *(head.generation for head in heads))) + 1


async def raise_generation(databases: Mapping[str, str], above: int = 0) -> int:
    """
    Raise the generation of all logs in these databases, by service, over `above` too, and let all consumers accept it; return it.

    May be repeated: a run that was cut off is made good by the next.

    Raises:
        SystemExit: a service is connected, or a consumer is ahead of its log; nothing is changed then.
    """
    async with contextlib.AsyncExitStack() as stack:
        connections = {}
        for service, url in databases.items():
            connection = await asyncpg.connect(url, server_settings={"application_name": "attain-restored"})
            stack.push_async_callback(connection.close)
            connections[service] = connection
        heads: list[Head] = []
        folded: list[Folded] = []
        for service, connection in connections.items():
            if await is_served(connection):
                raise SystemExit(f"{service} still runs: stop the services first")
            if await connection.fetchval("select to_regclass('log_head')"):
                heads += [
                    Head(*row) for row in await connection.fetch("select log, shard, generation, pos from log_head")
                ]
            folded += [
                Folded(*row) for row in await connection.fetch("select consumer, log, shard, pos from consumer_shard")
            ]
        faults = ahead(heads, folded)
        if faults:
            raise SystemExit(
                f"the databases are of different moments ({len(faults)} shards): restore all to one moment, or rebuild what is"
                " ahead\n  " + "\n  ".join(faults[:NAMED_MAX])
            )
        generation = next_generation(heads, above)
        for connection in connections.values():
            await _raise(connection, generation)
            reach("restore.raised")
        return generation


async def is_served(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Tell whether a service is connected to the database."""
    found: bool = await connection.fetchval(
        "select count(*) > 0 from pg_stat_activity where datname = current_database() and application_name = 'attain'"
    )
    return found


async def _raise(connection: "asyncpg.Connection[asyncpg.Record]", generation: int) -> None:
    async with connection.transaction():
        if await connection.fetchval("select to_regclass('log_head')"):
            await connection.execute("update log_head set generation = $1", generation)
            await connection.execute("update relay_cursor set pos = 0")
        await connection.execute("update consumer_shard set generation = $1, epoch = epoch + 1", generation)


def databases_of(config: Settings) -> dict[str, str]:
    """Return all three databases; raises `SystemExit` naming what is not set, because one alone cannot be judged."""
    found = {service: getattr(config, f"{service}_database") for service in SERVICES}
    missing = [variable(f"{service}_database") for service, url in found.items() if not url]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} not set: a restore concerns all three databases")
    return found


def main() -> None:
    """Raise the generation of the installation that the environment names."""
    parser = argparse.ArgumentParser(description="Let an installation go on after its databases were restored.")
    parser.add_argument("--above", type=int, default=0, metavar="GENERATION",
                        help="that in which it ran after an earlier restore, where this backup is older than that")  # fmt: skip
    above = parser.parse_args().above
    generation = asyncio.run(raise_generation(databases_of(settings_or_exit("restored")), above))
    print(f"all logs go on in generation {generation}; start the services")


if __name__ == "__main__":
    main()
