"""
Load, fold, append: what progression does with a batch.

A shard has one owner, which caches what it folds; the shards of a batch are loaded together and folded one by one.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

import msgspec

from services.progression.domain.inputs import Input, Key, Learner, decode, input_of
from services.progression.domain.journal import JournalEntry
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import ShardFold, reason_of
from services.progression.domain.terms import CLOSE_TERM
from services.progression.handlers.closing import close_term
from services.progression.handlers.concluding import block, conclude
from services.progression.handlers.loading import load_histories, load_states
from services.progression.handlers.logs import REDRIVEN, Logs
from services.progression.handlers.memory import HISTORY_PIECES, Shard
from services.progression.handlers.outcome import Outcome
from services.progression.handlers.redriving import redrive
from services.progression.handlers.refolder import Refolder
from services.progression.handlers.refolding import refold_learners, refold_stale
from services.progression.handlers.rules import RuleBook
from services.progression.handlers.sweeping import Sweeping
from services.progression.handlers.ticking import ticks_of
from services.progression.tables import erasing, journals, key_states, set_apart
from shared.clock import Clock
from shared.database import Connection, Database
from shared.event_log import LogRow
from shared.events import NOBODY, Envelope, decode_envelope, now
from shared.handling import Settle, ShardBatch, Write
from shared.settings import Settings

DUE_KEYS = 1000
"""Keys and levels that one tick reaches."""
INPUTS_A_SLICE = 500
"""Inputs folded before heartbeats and requests get their turn: about 5 ms."""


class MasteryFold:
    """Folds evidence and decisions into mastery: the handler of the consumer `progression`."""

    def __init__(
        self,
        database: Database,
        logs: Logs,
        settings: Settings,
        clock: Clock,
        committed: Callable[[Sequence[LogRow]], None],
        refolder: Refolder | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._logs = logs
        self._settings = settings
        self._tell_committed = committed
        self._written = Outcome()
        self._shards: dict[int, Shard] = {}
        self._rules = RuleBook(database)
        self.sweeping = Sweeping(database, self._rules, settings.shards, refolder)

    async def claimed(self, shards: Collection[int]) -> None:
        """Load the rules and blocked learners of the shards."""
        async with self._database.connection() as connection:
            heads = await journals.journal_heads(connection, shards)
            blocked = await set_apart.load_blocked(connection, shards)
            deadlines = await key_states.next_deadlines(connection, shards, "")
        mine = {number: Shard(number, heads[number]) for number in shards}
        await self._rules.load(mine)
        for number, tenant, learner, pos in blocked:
            mine[number].blocked[(tenant, learner)] = pos
        for number, deadline in deadlines.items():
            mine[number].deadline = deadline
        self._shards |= mine

    def forget(self, shards: Collection[int]) -> None:
        """Drop what is kept of the shards."""
        for number in shards:
            self._shards.pop(number, None)

    def committed(self) -> None:
        """Unpin the keys of the batch, note whom it has erased, and hand its events to the relay."""
        for shard in self._shards.values():
            shard.in_flight = set()
        for number, tenant, learner in self._written.erased:
            if number in self._shards:
                self._shards[number].erased.add((tenant, learner))
        self._tell_committed(self._written.appended)
        self._written = Outcome()

    def pending(self, shards: Collection[int]) -> list[int]:
        """Return the shards with a deadline that has passed, and the next of those with a sweep to go on with."""
        at = now() if self._clock.believed else ""
        mine = [self._shards[number] for number in shards if number in self._shards]
        waiting = [s.number for s in mine if not s.sweep and s.deadline is not None and s.deadline <= at]
        return waiting + self.sweeping.next_of(mine)

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold the batches of several shards and return their common write."""
        outcome = Outcome()
        share = max(1, len(self._shards))
        folds: list[tuple[Shard, ShardFold]] = []
        runs: list[tuple[Shard, ShardFold, list[Input]]] = []
        missing: dict[Key, Shard] = {}
        for batch in batches:
            shard = self._shards[batch.shard]
            shard.trim(self._settings.cache_keys // share, HISTORY_PIECES // share)
            fold = self._new_fold(shard)
            if batch.decisions:
                await settle()
                fold = await self._decide(batch, shard, fold, settle, outcome)
            folds.append((shard, fold))
            if batch.events:
                before = shard.journal_pos
                runs.append((shard, fold, self._journal(batch.events, shard, outcome, missing)))
                outcome.events[batch.shard] = set(range(before + 1, shard.journal_pos + 1))
            elif not batch.decisions and shard.sweep:
                await self.sweeping.sweep(shard, fold, settle, outcome)
            elif not batch.decisions:
                await settle()
                await self._tick(shard, fold, settle, outcome)
            await asyncio.sleep(0)
        await load_states(self._database, missing)
        await self._fold_runs(runs, settle)
        await conclude(self._database, folds, outcome)
        self.sweeping.heed(outcome)
        for batch in batches:
            outcome.note_checkpoint(batch)
        return lambda connection: self._write(connection, outcome)

    def _new_fold(self, shard: Shard) -> ShardFold:
        return ShardFold(shard.entries, shard.rules, self._rules.policies)

    async def _write(self, connection: Connection, outcome: Outcome) -> None:
        await outcome.write(connection, self._logs, self._settings.blocked_learners_max)
        # One batch is written at a time, and the next only once this one is committed.
        self._written = outcome

    def _journal(
        self, events: Sequence[Envelope], shard: Shard, outcome: Outcome, missing: dict[Key, Shard]
    ) -> list[Input]:
        """
        Append events to the journal; return as inputs those that are folded and whose learners are not blocked.

        Adds to `missing` the keys whose states are to be read.
        """
        groups = outcome.journal.setdefault(shard.number, {})
        entries = shard.entries
        inputs = []
        for event in events:
            shard.journal_pos = pos = shard.journal_pos + 1
            tenant, learner = event.tenant, (event.tenant, event.subject)
            entry = JournalEntry(pos, event.type, event.id, event.position, event.time, event.data)
            item, keys, reason = None, None, ""
            try:
                decoded = decode(event.type, event.data)
                if decoded is not None:
                    item = input_of(tenant, event.id, pos, event.time, decoded)
                    keys = item.keys
            except msgspec.MsgspecError as error:
                reason = reason_of(error)
            for key in keys or ((*learner, "") if event.subject != NOBODY else (tenant, "", ""),):
                group = groups.get(key)
                if group is None:
                    groups[key] = [entry]
                    if keys is not None and key not in entries:
                        missing[key] = shard
                else:
                    group.append(entry)
            if reason:
                block(shard, learner, reason, outcome)
            if item is None or (shard.blocked and learner in shard.blocked):
                continue
            if tenant not in shard.rules:
                shard.rules[tenant] = Rules()
            inputs.append(item)
        return inputs

    async def _fold_runs(self, runs: Sequence[tuple[Shard, ShardFold, list[Input]]], settle: Settle) -> None:
        """Fold shard by shard, learners that are older than the rules in force first."""
        for shard, fold, inputs in runs:
            stale = {item.learner for item in inputs if item.learner[0] in shard.sweep} if shard.sweep else set()
            if stale:
                await settle()
                await refold_learners(self._database, shard, fold, stale, settle)
            await self._fold_inputs(shard, fold, inputs, settle)

    async def _fold_inputs(self, shard: Shard, fold: ShardFold, inputs: list[Input], settle: Settle) -> None:
        """Fold the inputs in order; where a history is missing, load what the rest needs of them and go on."""
        done = 0
        while done < len(inputs):
            end = min(done + INPUTS_A_SLICE, len(inputs))
            done = fold.fold_run(inputs, done, end)
            if done < end:
                lacking = fold.needs_evidence(inputs[done:])
                await load_histories(self._database, shard, lacking, settle, inputs[:done])
            await asyncio.sleep(0)

    async def _decide(
        self, batch: ShardBatch, shard: Shard, fold: ShardFold, settle: Settle, outcome: Outcome
    ) -> ShardFold:
        """Journal the decisions in order; fold those on learners, enforce the others. Return the fold to go on with."""
        inputs: list[Input] = []
        decisions = [decode_envelope(waiting.body) for waiting in batch.decisions]
        erased = await self._erased_of(shard, decisions)
        outcome.decided_late += [(shard.number, *learner) for learner in erased]
        for waiting, decision in zip(batch.decisions, decisions, strict=True):
            event = decode(decision.type, decision.data)
            if event is not None:
                envelope = msgspec.structs.replace(decision, subject=event.learner, position=waiting.pos)
                journalled = self._journal([envelope], shard, outcome, {})
                inputs += [item for item in journalled if item.learner not in erased]
                continue
            await self._fold_loaded(shard, fold, inputs, settle)
            inputs = []
            shard.journal_pos += 1
            entry = JournalEntry(
                shard.journal_pos, decision.type, decision.id, waiting.pos, decision.time, decision.data
            )
            outcome.journal.setdefault(shard.number, {}).setdefault((decision.tenant, "", ""), []).append(entry)
            if decision.type == REDRIVEN:
                await conclude(self._database, [(shard, fold)], outcome)
                await redrive(self._database, shard, self._rules.policies, decision, outcome)
                fold = self._new_fold(shard)
            elif decision.type == CLOSE_TERM:
                # A term ends with all that the inputs and rules before it make of the states.
                await refold_stale(self._database, shard, fold, decision.tenant)
                await conclude(self._database, [(shard, fold)], outcome)
                await close_term(self._database, shard, self._rules.policies, decision, self._settings.shards, outcome)
                fold = self._new_fold(shard)
            else:
                outcome.activations.append(await self._rules.decide(shard, decision))
                await self.sweeping.note_recalculations(
                    shard, decision.tenant, "started", shard.rules[decision.tenant].no - 1, outcome
                )
        await self._fold_loaded(shard, fold, inputs, settle)
        return fold

    async def _erased_of(self, shard: Shard, decisions: Sequence[Envelope]) -> set[Learner]:
        """Return whom decisions are on that are erased; all that is in flight is to be settled."""
        learners = {(each.tenant, each.subject) for each in decisions if each.subject}
        async with self._database.connection() as connection:
            return await erasing.erased_of(connection, shard.number, learners)

    async def _fold_loaded(self, shard: Shard, fold: ShardFold, inputs: list[Input], settle: Settle) -> None:
        """Load the states of inputs and fold them."""
        if inputs:
            missing = {key: shard for item in inputs for key in item.keys if key not in shard.entries}
            await load_states(self._database, missing)
            await self._fold_runs([(shard, fold, inputs)], settle)

    async def _tick(self, shard: Shard, fold: ShardFold, settle: Settle, outcome: Outcome) -> None:
        """Let the clock tick for what is due: the only way in which time enters."""
        async with self._database.connection() as connection:
            at = await self._clock.look(connection)
            if at is None:
                return
            due = await key_states.load_due(connection, shard.number, at, DUE_KEYS)
            later = await key_states.next_deadlines(connection, [shard.number], at)
        shard.deadline = at if len(due) == DUE_KEYS else later.get(shard.number)
        if due:
            ticks = ticks_of(shard.number, at, due)
            await self._fold_loaded(shard, fold, self._journal(ticks, shard, outcome, {}), settle)
