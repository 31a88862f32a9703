"""
Bringing every key up to new rules: in batches of their own, in which evidence that arrives gets its turn.

What the next batch needs is read while this one is folded. Nothing is written of a learner in between but by a batch that
journals something of the learner: whoever was stirred so is read again. A sweep that lasts gets a process beside the
service, which reads and refolds; then a batch only writes what that has found.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Learner
from services.progression.domain.recalculation import Moment, recalculation
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.concluding import block
from services.progression.handlers.memory import Shard, Stale, unpack_key, unpack_learner
from services.progression.handlers.outcome import Outcome, Refolded
from services.progression.handlers.refolder import Refolder
from services.progression.handlers.refolding import (
    PAGE_LEARNERS_MAX,
    Page,
    Wanted,
    read_page,
    refold_learners,
    refold_page,
)
from services.progression.handlers.rules import RuleBook
from services.progression.tables import key_states, published, rulebook
from shared.database import Connection, Database
from shared.errors import Unavailable
from shared.handling import Settle

SWEEP_S, SWEEP_ALONE_S = 0.015, 0.12
"""CPU seconds that the refolding of one batch is to take: evidence that arrives meanwhile waits for it; and where none does."""
BESIDE_S = 0.005
"""And that writing what the process beside has refolded is to take."""
ALONE_AFTER_S = 1.0
"""So long nothing has been journalled where none arrives."""
SWEEP_LEARNERS = 20
"""Learners of the first such batch."""
NAMES = 5_000
"""Learners that are looked up at once."""
BESIDE_AFTER_S, BESIDE_KEPT_S = 0.25, 30.0
"""A sweep gets a process of its own once it has lasted so long; that ends when there was nothing to sweep for so long."""
AHEAD, AHEAD_BESIDE = 1, 2
"""Shards whose next page is read ahead; with a process beside it, that has one to refold while another is written."""


class Ahead:
    """The next page of a shard, which is being read, or refolded, while another one is folded."""

    def __init__(
        self, shard: Shard, tenant: str, stirred: set[Learner], found: asyncio.Task[Any], beside: bool
    ) -> None:
        self.shard = shard
        self.place = (tenant, shard.sweep[tenant], shard.rules[tenant].no)
        """The tenant, behind which learner, and under which activation."""
        self.stirred = stirred
        """Learners of whom something may have been journalled since."""
        self.found = found
        """The names of the learners, with their page or what it becomes; None where that could not be found."""
        self.beside = beside


class Sweeping:
    """Refolds what is older than the rules in force, shard after shard."""

    def __init__(self, database: Database, rules: RuleBook, shards: int, refolder: Refolder | None) -> None:
        self._database = database
        self._rules = rules
        self._shards = shards
        self._refolder = refolder
        self.wake: Callable[[], None] = lambda: None
        """Is called when a page is there that `next_of` has waited for; set by whoever composes the service."""
        self._turns: list[Shard] = []
        """The shards with a sweep to go on with, which take turns, a batch each; the next one first."""
        self._last = -1
        self._begun_at = self._ended_at = time.monotonic()
        """When the turns began, and when they ended last."""
        self._ahead: dict[int, Ahead] = {}
        """By shard."""
        self._journalled = Outcome().journal
        """What the last batch has journalled; it may be in flight."""
        self._stirred_at = 0.0
        self.learners = self.learners_beside = SWEEP_LEARNERS
        """How many the next batch takes, and how many the process beside is given at once."""

    def next_of(self, shards: Iterable[Shard]) -> list[int]:
        """Return the next of the shards with a sweep to go on with, or none: also where the process beside is not done yet."""
        now = time.monotonic()
        sweeping = sorted((shard for shard in shards if shard.sweep), key=lambda shard: shard.number)
        later = [shard for shard in sweeping if shard.number > self._last]
        if sweeping and not self._turns:
            # The last one may have ended alone, in large batches.
            self.learners = self.learners_beside = SWEEP_LEARNERS
            self._begun_at = now
        if self._turns and not sweeping:
            self._ended_at = now
        self._drop_ahead_but_of(sweeping)
        self._turns = later + sweeping[: len(sweeping) - len(later)]
        self._look_for_help(now)
        for shard in sorted(self._turns, key=self._is_refolded, reverse=True):
            if self._can_go_on(shard):
                turn = self._turns.index(shard)
                self._turns = self._turns[turn:] + self._turns[:turn]
                self._last = shard.number
                return [self._last]
        return []

    def _is_refolded(self, shard: Shard) -> bool:
        """Tell whether the process beside has refolded a shard's page; it has the less to do the longer that waits."""
        ahead = self._ahead.get(shard.number)
        return ahead is not None and ahead.beside and ahead.found.done()

    def _can_go_on(self, shard: Shard) -> bool:
        """Tell whether a shard's page is there, or is to be refolded here: beside the process only while nothing arrives."""
        ahead = self._ahead.get(shard.number)
        if ahead is None:
            return self._alone or not any(other.beside for other in self._ahead.values())
        return ahead.found.done() or not ahead.beside

    @property
    def _alone(self) -> bool:
        """Whether no evidence arrives."""
        return time.monotonic() - self._stirred_at > ALONE_AFTER_S

    def heed(self, outcome: Outcome) -> None:
        """Note whom a batch has journalled something of, once it is folded."""
        self._journalled = outcome.journal
        if outcome.journal:
            self._stirred_at = time.monotonic()
            for ahead in self._ahead.values():
                ahead.stirred |= self._stirred(ahead.shard)

    async def sweep(self, shard: Shard, fold: ShardFold, settle: Settle, outcome: Outcome) -> None:
        """Refold the next learners that are older than their tenant's rules."""
        tenant = next(iter(shard.sweep))
        rules = shard.rules[tenant]
        names, found, stirred = await self._next(shard, tenant, settle)
        if not names:
            await settle()
            async with self._database.connection() as connection:
                if await published.decisions_wait(connection, shard.number):
                    # What follows from the sweep is folded before it ends.
                    return
            del shard.sweep[tenant]
            shard.stale = None
            await self.note_recalculations(shard, tenant, "finished", rules.swept, outcome)
            rules.swept = rules.no
            outcome.swept.append((shard.number, tenant, rules.no))
            return
        shard.sweep[tenant] = names[-1]
        self._look_ahead()
        started = time.thread_time()
        if stirred:
            await settle()
            await refold_learners(self._database, shard, fold, stirred, settle)
        if isinstance(found, Page):
            await refold_page(shard, fold, found, stirred)
            self.learners = _fitting(len(names), started, SWEEP_ALONE_S if self._alone else SWEEP_S)
        else:
            self._take(shard, found.without(stirred | shard.blocked.keys()), outcome)
            self.learners_beside = _fitting(len(names), started, BESIDE_S)

    @staticmethod
    def _take(shard: Shard, refolded: Refolded, outcome: Outcome) -> None:
        """Take into memory and into the batch what the process beside has made of a page."""
        for key, (_, rules_no, state, deadline) in refolded.states:
            shard.entries[key] = Entry(unpack_key(state), rules_no)
            shard.histories.pop(key, None)
            shard.folded.add(key)
            shard.remember_deadline(deadline)
        for learner, (_, standing, deadline) in refolded.standings:
            shard.learners[learner] = unpack_learner(standing)
            shard.remember_deadline(deadline)
        for learner, reason in refolded.blocked:
            block(shard, learner, reason, outcome)
        outcome.note_refolded(refolded)

    async def _next(self, shard: Shard, tenant: str, settle: Settle) -> tuple[list[str], Page | Refolded, set[Learner]]:
        """Return the next page of a shard's sweep, as it was found ahead where it was, with those whom to read again."""
        ahead = self._ahead.pop(shard.number, None)
        place = (tenant, shard.sweep[tenant], shard.rules[tenant].no)
        if ahead is not None and ahead.place == place and (tenant, "") not in ahead.stirred:
            names, found = await ahead.found
            if found is not None:
                return (
                    names,
                    found,
                    {learner for learner in ahead.stirred if learner[0] == tenant and learner[1] in names},
                )
        elif ahead is not None:
            ahead.found.cancel()
        await settle()
        names, page = await self._read(shard, tenant)
        return names, page, set()

    def _look_ahead(self) -> None:
        """Begin to find what the next batches need: the next shards', or of the only one what follows."""
        beside = self._refolder is not None and self._refolder.runs
        for shard in (*self._turns[1:], *self._turns[:1]):
            if len(self._ahead) >= (AHEAD_BESIDE if beside else AHEAD):
                return
            if shard.sweep and shard.number not in self._ahead:
                tenant = next(iter(shard.sweep))
                found = asyncio.create_task(self._refolded(shard, tenant) if beside else self._read(shard, tenant))
                found.add_done_callback(self._found)
                self._ahead[shard.number] = Ahead(shard, tenant, self._stirred(shard), found, beside)

    def _found(self, page: asyncio.Task[Any]) -> None:
        if not page.cancelled():
            # Looked at, so that a failure which nobody waits for any more is not reported.
            page.exception()
            self.wake()

    async def _read(self, shard: Shard, tenant: str) -> tuple[list[str], Page]:
        async with self._database.connection() as connection:
            wanted = await self._wanted(connection, shard, tenant, self.learners)
            return wanted.names, await read_page(connection, wanted)

    async def _refolded(self, shard: Shard, tenant: str) -> tuple[list[str], Refolded | None]:
        """Have the process beside read and refold the next page; None where it cannot."""
        async with self._database.connection() as connection:
            wanted = await self._wanted(connection, shard, tenant, self.learners_beside)
        assert self._refolder is not None
        try:
            return wanted.names, await self._refolder.refold(wanted)
        except Unavailable:
            return wanted.names, None

    async def _wanted(self, connection: Connection, shard: Shard, tenant: str, learners: int) -> Wanted:
        """Return the next page; names are asked for many pages at a time, because that reads all shards' keys."""
        no, after, known = shard.rules[tenant].no, shard.sweep[tenant], shard.stale
        if known is None or (known.tenant, known.no) != (tenant, no) or not (known.is_last or known.behind(after, 1)):
            names = await key_states.stale_learners(connection, shard.number, tenant, no, after, NAMES)
            known = shard.stale = Stale(tenant, no, names, len(names) < NAMES)
        return Wanted(shard.number, tenant, no, known.behind(after, learners))

    def _stirred(self, shard: Shard) -> set[Learner]:
        """Return of whom the last batch has journalled something; (tenant, "") is a decision on the tenant."""
        return {(key[0], key[1]) for key in self._journalled.get(shard.number, ())}

    def _drop_ahead_but_of(self, shards: Collection[Shard]) -> None:
        """Drop what was found ahead of other shards: of one that is claimed again somebody else may have written since."""
        for number, ahead in list(self._ahead.items()):
            if ahead.shard not in shards:
                ahead.found.cancel()
                del self._ahead[number]

    def _look_for_help(self, now: float) -> None:
        """Have a process beside while a sweep lasts."""
        if self._refolder is None:
            return
        if self._turns and now - self._begun_at >= BESIDE_AFTER_S:
            self._refolder.start()
        elif not self._turns and now - self._ended_at >= BESIDE_KEPT_S:
            self._refolder.end()

    async def note_recalculations(self, shard: Shard, tenant: str, kind: Moment, after: int, outcome: Outcome) -> None:
        """Tell where the batches of the activations behind `after` begin or end in a shard."""
        for activation in shard.rules[tenant].activations[after:]:
            batch = activation.trigger.batch
            if not batch:
                continue
            async with self._database.connection() as connection:
                proposals = await rulebook.proposals_of(connection, tenant, batch)
            replaced = shard.rules[tenant].replaced_by(activation)
            told = recalculation(
                kind, tenant, activation, replaced, proposals[0] if proposals else None, shard.number, self._shards
            )
            outcome.note_told(shard.number, [told])


def _fitting(learners: int, started: float, wanted_s: float) -> int:
    """Return how many learners would have taken so much CPU since it was `started`, given how many did; at most twice as many."""
    share = wanted_s / max(time.thread_time() - started, 0.001)
    return max(1, min(round(learners * share), 2 * learners, PAGE_LEARNERS_MAX))
