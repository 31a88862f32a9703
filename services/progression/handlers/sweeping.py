"""Bringing every key up to new rules: in batches of their own, in which evidence that arrives gets its turn."""

import time
from collections.abc import Collection, Iterable

from services.progression.domain import ShardFold
from services.progression.handlers.loading import load_histories, load_states_of
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome
from services.progression.handlers.rules import RuleBook
from services.progression.inputs import Learner
from services.progression.recalculation import Moment, recalculation
from services.progression.tables import key_states, rulebook
from shared.consumer import Settle
from shared.database import Database

SWEEP_S = 0.03
"""CPU seconds that the refolding of one batch after new rules is to take: evidence that arrives meanwhile waits for it."""
SWEEP_LEARNERS, SWEEP_LEARNERS_MAX = 20, 500
"""Learners of the first such batch, and of the largest."""


class Sweeping:
    """Refolds what is older than the rules in force, shard after shard."""

    def __init__(self, database: Database, rules: RuleBook, shards: int) -> None:
        self._database = database
        self._rules = rules
        self._shards = shards
        self._last = -1
        """The shard that was swept last: they take turns, a batch each."""
        self.learners = SWEEP_LEARNERS
        """How many the next batch takes."""

    def next_of(self, shards: Iterable[Shard]) -> list[int]:
        """Return the next of the shards with a sweep to go on with, or none."""
        sweeping = sorted(shard.number for shard in shards if shard.sweep)
        if not sweeping:
            return []
        self._last = next((number for number in sweeping if number > self._last), sweeping[0])
        return [self._last]

    async def refold(self, shard: Shard, fold: ShardFold, learners: Collection[Learner], settle: Settle) -> None:
        """Bring learners up to the rules in force before anything else is folded for them."""
        keys = await load_states_of(self._database, shard, learners)
        old = [k for group in keys.values() for k in group if shard.entries[k].rules_no < shard.rules[k[0]].no]
        lacking = [key for key in old if shard.entries[key].evidence is None]
        await load_histories(self._database, shard, lacking, settle)
        for learner, group in keys.items():
            if learner not in shard.blocked:
                fold.refold_learner(learner, group)

    async def sweep(self, shard: Shard, fold: ShardFold, settle: Settle, outcome: Outcome) -> None:
        """Refold the next learners that are older than their tenant's rules."""
        tenant, after = next(iter(shard.sweep.items()))
        rules = shard.rules[tenant]
        async with self._database.connection() as connection:
            names = await key_states.stale_learners(connection, shard.number, tenant, rules.no, after, self.learners)
        if not names:
            del shard.sweep[tenant]
            await self.note_recalculations(shard, tenant, "finished", rules.swept, outcome)
            rules.swept = rules.no
            outcome.swept.append((shard.number, tenant, rules.no))
            return
        shard.sweep[tenant] = names[-1]
        started = time.thread_time()
        await self.refold(shard, fold, [(tenant, name) for name in names], settle)
        fitting = len(names) * SWEEP_S / max(time.thread_time() - started, 0.001)
        self.learners = max(1, min(round(fitting), 2 * self.learners, SWEEP_LEARNERS_MAX))

    async def note_recalculations(self, shard: Shard, tenant: str, kind: Moment, after: int, outcome: Outcome) -> None:
        """Tell where the batches of the activations behind `after` begin or end in a shard."""
        for activation in shard.rules[tenant].activations[after:]:
            batch = activation.trigger.batch
            if not batch:
                continue
            async with self._database.connection() as connection:
                proposal = (await rulebook.proposals_of(connection, tenant, batch))[0]
            replaced = self._rules.policies.get(proposal["replaced"])
            told = recalculation(kind, tenant, activation, proposal, replaced, shard.number, self._shards)
            outcome.note_told(shard.number, [told])
