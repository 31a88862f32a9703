"""
Reading what a fold needs into the caches of its shards: states, histories, standings; one statement each for all shards.

States and standings that are not cached need no waiting: a batch in flight writes cached ones only. Histories do, where
one of their keys is in flight: the journal of the batch in flight is not visible yet.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Input, Key, Learner, absorb, decode
from services.progression.domain.journal import JournalEntry, unpack_entries
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.memory import Shard, standing_in, unpack_key
from services.progression.tables import journals, key_states
from shared.database import Database
from shared.handling import Settle


async def load_states(database: Database, wanted: Mapping[Key, Shard]) -> None:
    """Read the states that exist of keys that are not cached."""
    if not wanted:
        return
    async with database.connection() as connection:
        rows = await key_states.load_states(connection, wanted)
    for tenant, learner, competency, rules_no, state in rows:
        key = (tenant, learner, competency)
        wanted[key].entries[key] = Entry(unpack_key(state), rules_no)


async def load_prerequisites(database: Database, folds: Iterable[ShardFold]) -> None:
    """
    Read the scores that folds want of keys they do not hold, and that are not cached since.

    A key of the batch that is stored was read before the fold began, so what is stored is what it was at that input.
    """
    unread = {key: fold for fold in folds for key in fold.changes.unread}
    if not unread:
        return
    async with database.connection() as connection:
        rows = await key_states.load_states(connection, unread)
    for tenant, learner, competency, _, state in rows:
        key = (tenant, learner, competency)
        unread[key].changes.read(key, unpack_key(state))


async def load_states_of(database: Database, shard: Shard, learners: Collection[Learner]) -> dict[Learner, list[Key]]:
    """Read all states of learners; return their keys."""
    async with database.connection() as connection:
        rows = await key_states.load_learner_states(connection, learners)
    return keep_states(shard, rows)


def keep_states(shard: Shard, rows: Iterable[Any]) -> dict[Learner, list[Key]]:
    """Take rows of states that are not cached into the cache; return the keys of all, by learner."""
    keys: dict[Learner, list[Key]] = {}
    for tenant, name, competency, rules_no, state in rows:
        key = (tenant, name, competency)
        if key not in shard.entries:
            shard.entries[key] = Entry(unpack_key(state), rules_no)
        keys.setdefault((tenant, name), []).append(key)
    return keys


async def load_histories(
    database: Database, shard: Shard, keys: Collection[Key], settle: Settle, folded: Iterable[Input] = ()
) -> None:
    """
    Read the evidence of keys from the journal, and add what of it this batch has `folded` before.

    A key without a state gets one under the policy in force.
    """
    if not keys:
        return
    if not shard.in_flight.isdisjoint(keys):
        await settle()
    async with database.connection() as connection:
        rows = await journals.load_evidence(connection, keys)
    keep_histories(shard, keys, rows)
    wanted = set(keys)
    for item in folded:
        for key in wanted.intersection(item.keys):
            evidence = shard.entries[key].evidence
            assert evidence is not None
            absorb(evidence, key[2], item.event)


def keep_histories(shard: Shard, keys: Collection[Key], rows: Iterable[Any]) -> None:
    """Take the evidence of keys into the cache, from their journal rows in order."""
    for key in keys:
        entry = shard.entries.get(key)
        if entry is None:
            rules = shard.rules[key[0]]
            entry = shard.entries[key] = Entry(rules.new_state(key[2]), rules.no)
        entry.evidence = {}
        shard.histories[key] = None
    for tenant, learner, competency, body in rows:
        evidence = shard.entries[(tenant, learner, competency)].evidence
        for stored in unpack_entries(body):
            event = decode(stored.type, stored.data)
            assert event is not None
            assert evidence is not None
            absorb(evidence, competency, event)


async def load_standings(database: Database, wanted: Mapping[Learner, Shard]) -> None:
    """Read the standings of learners that are not cached; who has none gets an empty one."""
    missing = {learner: shard for learner, shard in wanted.items() if learner not in shard.learners}
    if not missing:
        return
    async with database.connection() as connection:
        rows = await key_states.load_standings(connection, missing)
    keep_standings(rows, missing)


def keep_standings(rows: Iterable[Any], wanted: Mapping[Learner, Shard]) -> None:
    """Take the standings of learners that are not cached into the cache, an empty one where there is no row."""
    found = {(tenant, name): state for tenant, name, state in rows}
    for learner, shard in wanted.items():
        if learner not in shard.learners:
            shard.learners[learner] = standing_in(found.get(learner))


async def load_inputs(
    database: Database, shard: Shard, learner: Learner, journalled: Mapping[Key, Iterable[JournalEntry]]
) -> list[JournalEntry]:
    """Read all inputs of a learner, in order: those stored, and those that this batch has `journalled`."""
    async with database.connection() as connection:
        bodies = await journals.load_journal_of(connection, shard.number, *learner)
    of_batch = [entries for key, entries in journalled.items() if key[:2] == learner]
    found = {entry.pos: entry for entry in chain.from_iterable([*map(unpack_entries, bodies), *of_batch])}
    return [entry for _, entry in sorted(found.items())]
