"""
Refolding learners under the rules in force, page by page: by the shard's owner itself, or by a process beside it.

Such a process only reads. What it makes of a page the owner writes, but for learners of whom something came meanwhile.
"""

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from services.progression.domain.inputs import Key, Learner
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.concluding import conclude
from services.progression.handlers.loading import (
    keep_histories,
    keep_standings,
    keep_states,
    load_histories,
    load_states_of,
)
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome, Refolded
from services.progression.handlers.rules import RuleBook
from services.progression.tables import journals, key_states
from shared.database import Connection, Database
from shared.handling import Settle

PAGE_LEARNERS_MAX = 500
"""Learners of the largest page."""
LEARNERS_A_SLICE = 8
"""Learners refolded before heartbeats, the relay and requests get their turn: about 5 ms."""


class Wanted(msgspec.Struct, array_like=True, frozen=True):
    """Learners of a tenant in a shard that are to be brought up to activation `no`, in order."""

    shard: int
    tenant: str
    no: int
    names: list[str]


class Page(NamedTuple):
    """Learners that are older than the rules, with what is stored of them, as rows."""

    learners: list[Learner]
    states: list[Any]
    standings: list[Any]
    evidence: list[Any]


async def read_page(connection: Connection, wanted: Wanted) -> Page:
    """Read what refolding learners needs: their states and standings, and the evidence of the keys that are older."""
    learners = [(wanted.tenant, name) for name in wanted.names]
    if not learners:
        return Page([], [], [], [])
    states = await key_states.load_learner_states(connection, learners)
    standings = await key_states.load_standings(connection, learners)
    keys = [(row[0], row[1], row[2]) for row in states if row[3] < wanted.no]
    return Page(learners, states, standings, await journals.load_evidence(connection, keys))


async def refold_page(shard: Shard, fold: ShardFold, page: Page, stirred: Collection[Learner]) -> None:
    """Refold the learners of a page but those stirred; of their evidence nothing stays in memory that was not there."""
    known = [learner for learner in page.learners if learner not in stirred]
    keep_standings(page.standings, dict.fromkeys(known, shard))
    keys = keep_states(shard, [row for row in page.states if (row[0], row[1]) not in stirred])
    lacking = {key for group in keys.values() for key in group if shard.lacks(key)}
    keep_histories(shard, lacking, [row for row in page.evidence if (row[0], row[1], row[2]) in lacking])
    for number, (learner, group) in enumerate(keys.items()):
        if number % LEARNERS_A_SLICE == 0:
            await asyncio.sleep(0)
        if learner not in shard.blocked:
            refold_learner(fold, learner, group)
    for key in lacking:
        shard.entries[key].drop_evidence()
        shard.histories.pop(key, None)


async def refold_learners(
    database: Database, shard: Shard, fold: ShardFold, learners: Collection[Learner], settle: Settle
) -> None:
    """Bring learners up to the rules in force before anything else is folded for them."""
    keys = await load_states_of(database, shard, learners)
    lacking = [key for group in keys.values() for key in group if shard.lacks(key)]
    await load_histories(database, shard, lacking, settle)
    for learner, group in keys.items():
        if learner not in shard.blocked:
            refold_learner(fold, learner, group)


async def refold_stale(database: Database, shard: Shard, fold: ShardFold, tenant: str) -> None:
    """
    Bring all of a tenant's learners up to the rules in force now, in one batch; the sweep then finds nothing to do.

    All that is in flight is to be settled. Keys that begin in this batch are brought up last: no row says they are stale.
    """
    no, after = shard.rules[tenant].no if tenant in shard.rules else 0, ""
    while tenant in shard.sweep:
        async with database.connection() as connection:
            names = await key_states.stale_learners(connection, shard.number, tenant, no, after, PAGE_LEARNERS_MAX)
            if not names:
                break
            page = await read_page(connection, Wanted(shard.number, tenant, no, names))
        await refold_page(shard, fold, page, ())
        after = names[-1]
    begun: dict[Learner, list[Key]] = {}
    for key in list(fold.touched):
        if key[0] == tenant and shard.entries[key].rules_no < no:
            begun.setdefault(key[:2], []).append(key)
    for learner, keys in begun.items():
        if learner not in shard.blocked:
            refold_learner(fold, learner, keys)


class Refolding:
    """Refolds pages from what is stored, with nothing in memory but the rules; whose shards they are does not matter."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._book = RuleBook(database)
        self._rules: dict[int, dict[str, Rules]] = {}

    async def refold(self, wanted: Wanted) -> Refolded | None:
        """Return what a page becomes; None where the activation that is wanted is not stored yet, or is not the last."""
        rules = await self._rules_of(wanted)
        if rules is None:
            return None
        shard, outcome = Shard(wanted.shard, 0), Outcome()
        shard.rules[wanted.tenant] = rules
        async with self._database.connection() as connection:
            page = await read_page(connection, wanted)
        fold = ShardFold(shard.entries, shard.rules, self._book.policies)
        await refold_page(shard, fold, page, ())
        await conclude(self._database, [(shard, fold)], outcome)
        return outcome.refolded()

    async def _rules_of(self, wanted: Wanted) -> Rules | None:
        rules = self._rules.get(wanted.shard, {}).get(wanted.tenant)
        if rules is None or rules.no < wanted.no:
            shard = Shard(wanted.shard, 0)
            await self._book.load({wanted.shard: shard})
            self._rules[wanted.shard] = shard.rules
            rules = shard.rules.get(wanted.tenant)
        return rules if rules is not None and rules.no == wanted.no else None
