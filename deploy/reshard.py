"""
Giving an installation more shards, while its services are stopped: `python -m deploy.reshard --to N`.

N is a multiple of the shards that are there. Each of the three databases is split in one transaction, then the topics get their
partitions. A run that was cut off is made good by the next to the same number: what is done already is seen and left alone.
"""

import argparse
import asyncio
import contextlib
import importlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeAlias

import asyncpg
from aiokafka.errors import KafkaError

from services.evidence.entrypoints.kafka import GROUP
from shared import topics
from shared.crash_points import reach
from shared.group_members import with_members
from shared.resharding import Split
from shared.restored import NAMED_MAX, Folded, Head, databases_of, is_served
from shared.revisions import newer_schema, schema_fault, schema_of
from shared.settings import Settings, settings_or_exit

SHARDS_MAX = 1024
INBOX = "decisions"
"""The log of decisions that wait for progression."""
LOCK_S = 5
FORGOTTEN_S, FORGOTTEN_POLL_S = 60.0, 0.5
"""A session is 15 s unless told otherwise."""
SESSION = {
    "application_name": "attain-reshard",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": f"{LOCK_S}s",
}
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Say: TypeAlias = Callable[[str], None]


class CannotReshard(Exception):
    """What stands in the way, in a line to read; nothing was changed."""


class Installed(NamedTuple):
    """What a database has: heads of its logs, how far the consumers are that matter, and activations that are not swept."""

    heads: list[Head]
    folded: list[Folded]
    unswept: int = 0

    @property
    def counts(self) -> set[int]:
        """How many shards its logs and consumers have: one number, unless it is broken; none before the first start."""
        shards: dict[tuple[str, str], set[int]] = {}
        for head in self.heads:
            shards.setdefault(("log", head.log), set()).add(head.shard)
        for one in self.folded:
            shards.setdefault(("consumer", one.consumer), set()).add(one.shard)
        return {len(found) for found in shards.values()}


class Plan(NamedTuple):
    """What is to be done: the databases that are to be split, and how."""

    split: Split
    services: tuple[str, ...]

    def told(self, found: Mapping[str, Installed], narrow: Collection[str]) -> list[str]:
        """Return what would be done, in lines."""
        lines = []
        for service, installed in found.items():
            if service not in self.services:
                lines.append(f"{service}: has {self.split.new} shards already")
                continue
            positions = sum(head.pos for head in installed.heads)
            copies = positions * (self.split.new // self.split.old - 1)
            logs = len({head.log for head in installed.heads})
            lines.append(
                f"{service}: {self.split.old} -> {self.split.new} shards"
                + (f", {logs} logs with {positions:,} positions, {copies:,} more rows" if logs else "")
            )
        lines.append(f"topics: {', '.join(narrow) or 'none'} to get {self.split.new} partitions")
        lines.append(f"all logs go on in generation {self.split.generation}")
        return lines


def plan(found: Mapping[str, Installed], to: int) -> Plan:
    """
    Return what a split to a number of shards takes.

    Raises:
        CannotReshard: the number does not fit, an earlier run to another one was cut off, or somebody is not caught up.
    """
    counts = {service: installed.counts for service, installed in found.items()}
    for service, numbers in counts.items():
        if len(numbers) != 1:
            raise CannotReshard(
                f"{service} was not started yet: ATTAIN_SHARDS of the first start says how many there are"
                if not numbers
                else f"{service} has logs or consumers of different numbers of shards: {sorted(numbers)}"
            )
    every = set[int]().union(*counts.values())
    old, most = min(every), max(every)
    if most not in (old, to):
        raise CannotReshard(f"an earlier run to {most} shards was cut off: finish it with --to {most}")
    if to < old or to % old or to > SHARDS_MAX:
        raise CannotReshard(
            f"{to} is no multiple of the {old} shards that are there, of at most {SHARDS_MAX}: {2 * old}, {3 * old} ... are"
        )
    left = tuple(service for service, numbers in counts.items() if numbers != {to})
    faults = behind({service: found[service] for service in left}, begun=old != most)
    if left and faults:
        raise CannotReshard(
            f"not caught up ({len(faults)}): start the services, `attain drain`, stop them\n  "
            + "\n  ".join(faults[:NAMED_MAX])
        )
    generation = max(head.generation for one in found.values() for head in one.heads)
    return Plan(Split(old, to, generation + (len(left) == len(found))), left)


def behind(found: Mapping[str, Installed], *, begun: bool = False) -> list[str]:
    """
    Return in words what is not folded to the end.

    Once a split has begun only decisions count: what was split may have gone on since, and its readers go on in its shards.
    """
    heads = {(head.log, head.shard): head.pos for one in found.values() for head in one.heads}
    faults = [
        f"{one.consumer} has folded {one.log} shard {one.shard} up to {one.pos:,} of {pos:,}"
        for installed in found.values()
        for one in installed.folded
        if (one.log == INBOX or not begun) and one.pos != (pos := heads.get((one.log, one.shard), one.pos))
    ]
    unswept = sum(installed.unswept for installed in found.values())
    return faults + ([f"{unswept} activations have not reached all states yet"] if unswept else [])


async def reshard(config: Settings, to: int, say: Say, *, preview: bool = False) -> list[str]:
    """
    Split the shards of an installation, or only tell what that would do; return lines that say what was done.

    Raises:
        CannotReshard: see `plan`; or a service runs, or a database is of another version.
        SystemExit: a database is not set, or a topic has too many partitions.
    """
    async with contextlib.AsyncExitStack() as stack:
        open_ = await _connected(config, stack)
        for service, connection in open_.items():
            await _check(service, connection)
        plan({service: await _look(connection) for service, connection in open_.items()}, to)
        narrow = await topics.narrow(config, to)
        if not preview:
            await _forgotten(config, open_.values(), say)
        transactions = {service: connection.transaction() for service, connection in open_.items()}
        for service, connection in open_.items():
            await transactions[service].start()
            await _hold(service, connection)
        found = {service: await _look(connection) for service, connection in open_.items()}
        planned = plan(found, to)
        if preview:
            return planned.told(found, narrow)
        for service in planned.services:
            began = time.monotonic()
            await _split(service, open_[service], planned.split, say)
            await transactions[service].commit()
            reach(f"reshard.{service}_done")
            say(f"{service}: done in {time.monotonic() - began:.1f} s")
    widened = await topics.widen(config, to)
    reach("reshard.topics_done")
    say(f"topics: {len(widened)} got more partitions")
    if not planned.services and not widened:
        return [f"there are {to} shards already: nothing to do"]
    return [f"there are {to} shards, and all logs go on in generation {planned.split.generation};"
            f" set ATTAIN_SHARDS={to} and start the services"]  # fmt: skip


async def _connected(config: Settings, stack: contextlib.AsyncExitStack) -> dict[str, Connection]:
    """Return a connection to each service's database; the stack closes them."""
    open_: dict[str, Connection] = {}
    for service, url in databases_of(config).items():
        open_[service] = await asyncpg.connect(url, server_settings=SESSION)
        stack.push_async_callback(open_[service].close)
    return open_


async def _split(service: str, connection: Connection, split: Split, say: Say) -> None:
    """Split a service's database in the open transaction."""
    module = importlib.import_module(f"services.{service}.tables.resharding")
    await module.split(connection, split, lambda what: say(f"{service}: {split.old} shards become {split.new}: {what}"))
    reach(f"reshard.{service}_split")


async def _check(service: str, connection: Connection) -> None:
    """Refuse a database of another version, or one that its service uses."""
    there = await schema_of(connection)
    newer = newer_schema(service, there)
    # Tables that this version does not know would not be split.
    fault = f"its database has {newer}: use the newer version" if newer else ""
    fault = fault or schema_fault(service, there, allow_newer=True)
    if fault:
        raise CannotReshard(f"{service}: {fault}")
    if await is_served(connection):
        raise CannotReshard(f"{service} still runs: stop the services first")


async def _forgotten(config: Settings, connections: Collection[Connection], say: Say) -> None:
    """
    Wait until Kafka has forgotten the stopped services.

    A static member that comes back before its session has ended gets the partitions that it had, and the new ones nobody.

    Raises:
        CannotReshard: a group keeps members, or Kafka does not answer.
    """
    groups = {GROUP}
    for connection in connections:
        groups |= {row[0] for row in await connection.fetch("select distinct consumer from consumer_shard")}
    deadline, told = time.monotonic() + FORGOTTEN_S, False
    while True:
        try:
            left = await with_members(config, groups)
            why = f"Kafka still has members in {', '.join(left)}: stop the services first"
            if not left:
                return
        except (KafkaError, OSError) as error:
            why = f"Kafka at {config.kafka} does not say who is a member: {type(error).__name__}"
        if time.monotonic() > deadline:
            raise CannotReshard(why)
        if not told:
            say("waiting until Kafka has forgotten the stopped services")
            told = True
        await asyncio.sleep(FORGOTTEN_POLL_S)


async def _hold(service: str, connection: Connection) -> None:
    """Let nobody start on this database before the transaction ends; raises `CannotReshard` where somebody is at it."""
    tables = "consumer_shard" + (", log_head" if await connection.fetchval("select to_regclass('log_head')") else "")
    try:
        await connection.execute(f"lock table {tables} in access exclusive mode")
    except asyncpg.LockNotAvailableError:
        raise CannotReshard(f"{service} is in use: another run is at work, or a service starts") from None
    await _check(service, connection)


async def _look(connection: Connection) -> Installed:
    """Read what a database has; consumers of read models that are not live may be behind."""
    heads: list[Head] = []
    unswept = 0
    live = "true"
    if await connection.fetchval("select to_regclass('log_head')"):
        heads = [Head(*row) for row in await connection.fetch("select log, shard, generation, pos from log_head")]
    if await connection.fetchval("select to_regclass('read_model')"):
        live = "consumer in (select 'reporting-' || name || '-v' || live from read_model)"
    rows = await connection.fetch(f"select consumer, log, shard, pos from consumer_shard where {live}")
    folded = [Folded(*row) for row in rows]
    if await connection.fetchval("select to_regclass('activation')"):
        unswept = await connection.fetchval("select count(*) from activation where not swept")
        inbox = await connection.fetch("select consumer, $1::text, shard, inbox_pos from consumer_shard", INBOX)
        folded += [Folded(*row) for row in inbox]
    return Installed(heads, folded, unswept)


def main() -> None:
    """Give the installation that the environment names more shards."""
    parser = argparse.ArgumentParser(
        description="Give an installation more shards; its services are stopped meanwhile."
    )
    parser.add_argument("--to", type=int, required=True, help="how many: a multiple of those that are there")
    parser.add_argument("--preview", action="store_true", help="tell what would be done, and change nothing")
    arguments = parser.parse_args()
    try:
        lines = asyncio.run(
            reshard(
                settings_or_exit("reshard"),
                arguments.to,
                lambda text: print(text, flush=True),
                preview=arguments.preview,
            )
        )
    except CannotReshard as error:
        raise SystemExit(str(error)) from None
    print("\n".join(lines))


if __name__ == "__main__":
    main()
