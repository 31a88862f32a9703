"""
Bringing every key up to new rules: in batches of their own, in which evidence that arrives gets its turn.

What the next batch needs is read while this one is folded. Nothing is written of a learner in between but by a batch that
journals something of the learner: whoever was stirred so is read again.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from services.progression.domain.inputs import Key, Learner
from services.progression.domain.recalculation import Moment, recalculation
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.loading import (
    keep_histories,
    keep_standings,
    keep_states,
    load_histories,
    load_states_of,
)
from services.progression.handlers.memory import Shard, Stale
from services.progression.handlers.outcome import Outcome
from services.progression.handlers.rules import RuleBook
from services.progression.tables import journals, key_states, rulebook
from shared.consumer import Settle
from shared.database import Connection, Database

SWEEP_S, SWEEP_ALONE_S = 0.015, 0.12
"""CPU seconds that the refolding of one batch is to take: evidence that arrives meanwhile waits for it; and where none does."""
ALONE_AFTER_S = 1.0
"""So long nothing has been journalled where none arrives."""
SWEEP_LEARNERS, SWEEP_LEARNERS_MAX = 20, 500
"""Learners of the first such batch, and of the largest."""
NAMES = 5_000
"""Learners that are looked up at once."""
LEARNERS_A_SLICE = 8
"""Learners refolded before heartbeats, the relay and requests get their turn: about 5 ms."""


class Page(NamedTuple):
    """The next learners of a shard that are older than the rules, with what is stored of them, as rows."""

    learners: list[Learner]
    states: list[Any]
    standings: list[Any]
    evidence: list[Any]


class Ahead:
    """A page that is being read while another one is folded: of the learners behind `after`, under activation `no`."""

    def __init__(self, shard: Shard, tenant: str, stirred: set[Learner], page: asyncio.Task[Page]) -> None:
        self.shard = shard
        self.place = (tenant, shard.sweep[tenant], shard.rules[tenant].no)
        self.stirred = stirred
        """Learners of whom something may have been journalled since."""
        self.page = page


class Sweeping:
    """Refolds what is older than the rules in force, shard after shard."""

    def __init__(self, database: Database, rules: RuleBook, shards: int) -> None:
        self._database = database
        self._rules = rules
        self._shards = shards
        self._turns: list[Shard] = []
        """The shards with a sweep to go on with, which take turns, a batch each; the next one first."""
        self._last = -1
        self._ahead: Ahead | None = None
        self._journalled = Outcome().journal
        """What the last batch has journalled; it may be in flight."""
        self._stirred_at = 0.0
        self.learners = SWEEP_LEARNERS
        """How many the next batch takes."""

    def next_of(self, shards: Iterable[Shard]) -> list[int]:
        """Return the next of the shards with a sweep to go on with, or none."""
        sweeping = sorted((shard for shard in shards if shard.sweep), key=lambda shard: shard.number)
        later = [shard for shard in sweeping if shard.number > self._last]
        if sweeping and not self._turns:
            # The last one may have ended alone, in large batches.
            self.learners = SWEEP_LEARNERS
        self._turns = later + sweeping[: len(sweeping) - len(later)]
        if not self._turns:
            self._drop_ahead()
            return []
        self._last = self._turns[0].number
        return [self._last]

    def heed(self, outcome: Outcome) -> None:
        """Note whom a batch has journalled something of, once it is folded."""
        self._journalled = outcome.journal
        if outcome.journal:
            self._stirred_at = time.monotonic()
            if self._ahead is not None:
                self._ahead.stirred |= self._stirred(self._ahead.shard)

    async def refold(self, shard: Shard, fold: ShardFold, learners: Collection[Learner], settle: Settle) -> None:
        """Bring learners up to the rules in force before anything else is folded for them."""
        keys = await load_states_of(self._database, shard, learners)
        lacking = [key for group in keys.values() for key in group if shard.lacks(key)]
        await load_histories(self._database, shard, lacking, settle)
        for learner, group in keys.items():
            if learner not in shard.blocked:
                fold.refold_learner(learner, group)

    async def refold_stale(self, shard: Shard, tenant: str, fold: ShardFold) -> None:
        """
        Bring all of a tenant's learners up to the rules in force now, in one batch; the sweep then finds nothing to do.

        All that is in flight is to be settled. Keys that begin in this batch are brought up last: no row says they are stale.
        """
        no, after = shard.rules[tenant].no if tenant in shard.rules else 0, ""
        while tenant in shard.sweep:
            async with self._database.connection() as connection:
                names = await key_states.stale_learners(connection, shard.number, tenant, no, after, SWEEP_LEARNERS_MAX)
                if not names:
                    break
                page = await self._page(connection, [(tenant, name) for name in names], no)
            await self._refold_page(shard, fold, page, ())
            after = names[-1]
        begun: dict[Learner, list[Key]] = {}
        for key in list(fold.touched):
            if key[0] == tenant and shard.entries[key].rules_no < no:
                begun.setdefault(key[:2], []).append(key)
        for learner, keys in begun.items():
            if learner not in shard.blocked:
                fold.refold_learner(learner, keys)

    async def sweep(self, shard: Shard, fold: ShardFold, settle: Settle, outcome: Outcome) -> None:
        """Refold the next learners that are older than their tenant's rules."""
        tenant = next(iter(shard.sweep))
        rules = shard.rules[tenant]
        page, stirred = await self._page_of(shard, tenant, settle)
        if not page.learners:
            del shard.sweep[tenant]
            shard.stale = None
            await self.note_recalculations(shard, tenant, "finished", rules.swept, outcome)
            rules.swept = rules.no
            outcome.swept.append((shard.number, tenant, rules.no))
            return
        shard.sweep[tenant] = page.learners[-1][1]
        self._read_ahead()
        started = time.thread_time()
        if stirred:
            await settle()
            await self.refold(shard, fold, stirred, settle)
        await self._refold_page(shard, fold, page, stirred)
        alone = time.monotonic() - self._stirred_at > ALONE_AFTER_S
        share = (SWEEP_ALONE_S if alone else SWEEP_S) / max(time.thread_time() - started, 0.001)
        self.learners = max(1, min(round(len(page.learners) * share), 2 * self.learners, SWEEP_LEARNERS_MAX))

    async def _refold_page(self, shard: Shard, fold: ShardFold, page: Page, stirred: Collection[Learner]) -> None:
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
                fold.refold_learner(learner, group)
        for key in lacking:
            shard.entries[key].drop_evidence()
            shard.histories.pop(key, None)

    async def _page_of(self, shard: Shard, tenant: str, settle: Settle) -> tuple[Page, set[Learner]]:
        """Return the next page of a shard's sweep, as it was read ahead where it was, with those whom to read again."""
        ahead, self._ahead = self._ahead, None
        place = (tenant, shard.sweep[tenant], shard.rules[tenant].no)
        if ahead is not None and ahead.shard is shard and ahead.place == place and (tenant, "") not in ahead.stirred:
            page = await ahead.page
            return page, ahead.stirred.intersection(page.learners)
        if ahead is not None:
            ahead.page.cancel()
        await settle()
        return await self._read(shard, tenant), set()

    def _read_ahead(self) -> None:
        """Begin to read what the next batch needs: the next shard's, or of the only one what follows."""
        turns = [shard for shard in (*self._turns[1:], *self._turns[:1]) if shard.sweep]
        if turns:
            shard = turns[0]
            tenant = next(iter(shard.sweep))
            page = asyncio.create_task(self._read(shard, tenant))
            page.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._ahead = Ahead(shard, tenant, self._stirred(shard), page)

    async def _read(self, shard: Shard, tenant: str) -> Page:
        no = shard.rules[tenant].no
        async with self._database.connection() as connection:
            learners = [(tenant, name) for name in await self._stale(connection, shard, tenant)]
            return await self._page(connection, learners, no)

    @staticmethod
    async def _page(connection: Connection, learners: list[Learner], no: int) -> Page:
        if not learners:
            return Page([], [], [], [])
        states = await key_states.load_learner_states(connection, learners)
        standings = await key_states.load_standings(connection, learners)
        keys = [(row[0], row[1], row[2]) for row in states if row[3] < no]
        return Page(learners, states, standings, await journals.load_evidence(connection, keys))

    async def _stale(self, connection: Connection, shard: Shard, tenant: str) -> list[str]:
        """Return the names of the next page; they are asked for many pages at a time, because that reads all shards' keys."""
        no, after, known = shard.rules[tenant].no, shard.sweep[tenant], shard.stale
        if known is not None and (known.tenant, known.no) == (tenant, no):
            names = known.behind(after, self.learners)
            if names or known.is_last:
                return names
        names = await key_states.stale_learners(connection, shard.number, tenant, no, after, NAMES)
        shard.stale = Stale(tenant, no, names, len(names) < NAMES)
        return names[: self.learners]

    def _stirred(self, shard: Shard) -> set[Learner]:
        """Return of whom the last batch has journalled something; (tenant, "") is a decision on the tenant."""
        return {(key[0], key[1]) for key in self._journalled.get(shard.number, ())}

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.page.cancel()
            self._ahead = None

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
