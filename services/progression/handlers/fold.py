"""
Load, fold, append: what progression does with a batch.

A shard has one owner, which caches what it folds. Reading keys that are not cached needs no waiting, because a batch in
flight writes cached keys only; reading the history of a key does, unless its history is cached too.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from services.progression import tables
from services.progression.advancement import LearnerState, Trigger
from services.progression.curriculum import Framework
from services.progression.domain import (
    Activation,
    Entry,
    Input,
    Key,
    Learner,
    Rules,
    ShardFold,
    absorb,
    decode,
    input_of,
)
from services.progression.handlers.logs import REDRIVEN, Logs
from services.progression.handlers.memory import (
    HISTORY_PIECES,
    Outcome,
    Shard,
    pack,
    read_framework,
    unpack_key,
    unpack_learner,
)
from services.progression.mastery import KeyState
from services.progression.policy import Policy, policy_from
from shared.consumer import Settle, ShardBatch, Write
from shared.contracts import CHECKPOINT, MASTERY_UPDATED, Checkpoint, EvidenceRecorded, EvidenceRetracted
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.events import Draft, Envelope, decode_envelope, encode_json, envelope, now
from shared.observability import metrics
from shared.settings import Settings

SWEEP_LEARNERS = 200
"""Learners refolded in one batch after new rules; about 50 ms of work."""


class MasteryFold:
    """Folds evidence and decisions into mastery: the handler of the consumer `progression`."""

    def __init__(self, database: Database, logs: Logs, settings: Settings, after_commit: Callable[[], None]) -> None:
        self._database = database
        self._logs = logs
        self._settings = settings
        self._after_commit = after_commit
        self._shards: dict[int, Shard] = {}
        self._policies: dict[str, Policy] = {}
        self._graphs: dict[bytes, Framework] = {}

    async def claimed(self, shards: Collection[int]) -> None:
        """Load the rules and blocked learners of the shards."""
        async with self._database.connection() as connection:
            heads = await tables.journal_heads(connection, shards)
            activations = await tables.load_activations(connection, shards)
            blocked = await tables.load_blocked(connection, shards)
        for number in shards:
            self._shards[number] = Shard(number, heads[number])
        for row in activations:
            shard = self._shards[row["shard"]]
            trigger = Trigger(row["input_id"], row["pos"], row["time"], "policy" if row["policy"] else "framework")
            activation = Activation(row["no"], trigger, row["framework"], row["policy"])
            rules = self._activate(shard, row["tenant"], activation, row["policy_body"], row["framework_body"])
            if row["swept"]:
                rules.swept = row["no"]
        for number, tenant, learner, pos in blocked:
            self._shards[number].blocked[(tenant, learner)] = pos
        for number in shards:
            rules_of = self._shards[number].rules
            self._shards[number].sweep = {tenant: "" for tenant, rules in rules_of.items() if rules.swept < rules.no}

    def forget(self, shards: Collection[int]) -> None:
        """Drop what is kept of the shards."""
        for number in shards:
            self._shards.pop(number, None)

    def committed(self) -> None:
        """Unpin the keys of the batch and wake the relay."""
        for shard in self._shards.values():
            shard.in_flight = set()
        self._after_commit()

    def pending(self, shards: Collection[int]) -> list[int]:
        """Return the shards with a sweep to go on with."""
        return [number for number in shards if number in self._shards and self._shards[number].sweep]

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold the batches of several shards and return their common write."""
        outcome = Outcome()
        share = max(1, len(self._shards))
        for batch in batches:
            shard = self._shards[batch.shard]
            shard.trim(self._settings.cache_keys // share, HISTORY_PIECES // share)
            if batch.decisions:
                await settle()
                await self._decide(batch, shard, outcome)
            if batch.events:
                await self._fold_events(batch.events, shard, outcome, settle)
            if not batch.events and not batch.decisions:
                await settle()
                await self._sweep(shard, outcome)
            outcome.progression.append(_checkpoint(batch))
            # Heartbeats run on this loop: let them.
            await asyncio.sleep(0)
        return lambda connection: self._write(connection, outcome)

    async def _fold_events(self, events: Sequence[Envelope], shard: Shard, outcome: Outcome, settle: Settle) -> None:
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        inputs = []
        for event in events:
            item = self._journal(event, shard, outcome)
            if item is not None:
                inputs.append(item)
        await self._load(shard, inputs, fold, settle)
        for item in inputs:
            fold.fold(item)
        await self._finish(shard, fold, outcome)

    def _journal(self, event: Envelope, shard: Shard, outcome: Outcome) -> Input | None:
        """Append an event to the journal; return it as an input unless it is not folded or its learner is blocked."""
        shard.journal_pos = pos = shard.journal_pos + 1
        tenant, learner, body = event.tenant, (event.tenant, event.subject), bytes(event.data)
        row = (tenant, event.subject)
        item, keys, reason = None, None, ""
        try:
            decoded = decode(event.type, body)
            if decoded is not None:
                item = input_of(tenant, event.id, pos, event.time, decoded)
                keys = item.keys
        except msgspec.MsgspecError as error:
            reason = f"{type(error).__name__}: {error}"[:500]
        for part, key in enumerate(keys or ((*row, ""),)):
            outcome.journal.append(
                (
                    shard.number,
                    pos,
                    part,
                    *row,
                    key[2],
                    event.type,
                    event.id,
                    event.position,
                    event.time,
                    None if part else body,
                )
            )
        if reason:
            self._block(shard, learner, reason, outcome)
        if item is None or learner in shard.blocked:
            return None
        if tenant not in shard.rules:
            shard.rules[tenant] = Rules()
        return item

    async def _load(self, shard: Shard, inputs: list[Input], fold: ShardFold, settle: Settle) -> None:
        """Load the states, and where needed the histories, that the inputs touch."""
        missing = {key for item in inputs for key in item.keys if key not in shard.entries}
        await self._load_states(shard, missing)
        stale = {item.learner for item in inputs if item.learner[0] in shard.sweep} if shard.sweep else set()
        if stale:
            await settle()
            await self._refold(shard, fold, stale)
        histories = fold.needs_evidence(inputs)
        if histories:
            if not histories.isdisjoint(shard.in_flight):
                await settle()
            await self._load_histories(shard, histories)

    async def _load_states(self, shard: Shard, keys: Collection[Key]) -> None:
        if not keys:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_states(connection, keys)
        for tenant, learner, competency, rules_no, state in rows:
            shard.entries[(tenant, learner, competency)] = Entry(unpack_key(state), rules_no)

    async def _load_histories(self, shard: Shard, keys: Collection[Key]) -> None:
        if not keys:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_evidence(connection, keys)
        for key in keys:
            entry = shard.entries.get(key)
            if entry is None:
                rules = shard.rules[key[0]]
                entry = shard.entries[key] = Entry(KeyState(policy=rules.pin_for(key[2])), rules.no)
            entry.evidence = {}
            shard.histories[key] = None
        for tenant, learner, competency, kind, body in rows:
            _absorb(shard.entries[(tenant, learner, competency)], competency, decode(kind, body))

    async def _refold(self, shard: Shard, fold: ShardFold, learners: Collection[Learner]) -> None:
        """Bring learners up to the rules in force before anything else is folded for them."""
        async with self._database.connection() as connection:
            rows = await tables.load_learner_states(connection, learners)
        keys: dict[Learner, list[Key]] = {}
        for tenant, name, competency, rules_no, state in rows:
            key = (tenant, name, competency)
            if key not in shard.entries:
                shard.entries[key] = Entry(unpack_key(state), rules_no)
            keys.setdefault((tenant, name), []).append(key)
        old = [k for group in keys.values() for k in group if shard.entries[k].rules_no < shard.rules[k[0]].no]
        await self._load_histories(shard, [key for key in old if shard.entries[key].evidence is None])
        for learner, group in keys.items():
            if learner not in shard.blocked:
                fold.refold_learner(learner, group)

    async def _finish(self, shard: Shard, fold: ShardFold, outcome: Outcome) -> None:
        """Fold the changes into the learners' standings and note what is to be written."""
        affected = {(change.tenant, change.learner): None for change in fold.changes}
        await self._load_standings(shard, affected)
        told = fold.tell(shard.learners)
        for learner, reason in fold.blocked.items():
            self._block(shard, learner, reason, outcome)
        for event in told:
            body = envelope(
                id=event.id,
                source="progression",
                type=event.type,
                tenant=event.tenant,
                subject=event.learner,
                time=event.time,
                data=encode_json(event.data),
                cause=event.data["cause"]["id"],
            )
            outcome.advancement.append(Draft(shard.number, event.tenant, event.learner, body))
        self._note_states(shard, fold, outcome)
        for learner in affected:
            if learner not in shard.blocked:
                outcome.standings[learner] = (shard.number, pack(shard.learners[learner]))

    def _note_states(self, shard: Shard, fold: ShardFold, outcome: Outcome) -> None:
        stamp, batch_id = now(), uuid.uuid4().hex
        for number, key in enumerate(fold.touched):
            tenant, learner, _ = key
            if (tenant, learner) in shard.blocked:
                shard.forget((tenant, learner), [key])
                continue
            entry = shard.entries[key]
            outcome.states[key] = (shard.number, entry.rules_no, pack(entry.state))
            body = envelope(
                id=f"{batch_id}.{number}",
                source="progression",
                type=MASTERY_UPDATED,
                tenant=tenant,
                subject=learner,
                time=stamp,
                data=encode_json(fold.updated(key)),
            )
            outcome.progression.append(Draft(shard.number, tenant, learner, body))
        shard.folded |= fold.touched.keys()

    async def _load_standings(self, shard: Shard, learners: Iterable[Learner]) -> None:
        missing = [learner for learner in learners if learner not in shard.learners]
        if not missing:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_standings(connection, missing)
        for tenant, name, state in rows:
            shard.learners[(tenant, name)] = unpack_learner(state)
        for learner in missing:
            shard.learners.setdefault(learner, LearnerState())

    async def _decide(self, batch: ShardBatch, shard: Shard, outcome: Outcome) -> None:
        """Journal the decisions and put them into force."""
        for entry in batch.decisions:
            decision = decode_envelope(entry.body)
            shard.journal_pos += 1
            data = msgspec.json.decode(decision.data)
            outcome.journal.append(
                (
                    shard.number,
                    shard.journal_pos,
                    0,
                    decision.tenant,
                    "",
                    "",
                    decision.type,
                    decision.id,
                    entry.pos,
                    decision.time,
                    bytes(decision.data),
                )
            )
            if decision.type == REDRIVEN:
                await self._redrive(shard, (decision.tenant, data["learner"]), outcome)
            else:
                await self._put_into_force(shard, decision, data, outcome)

    async def _put_into_force(self, shard: Shard, decision: Envelope, data: dict[str, str], outcome: Outcome) -> None:
        tenant, policy, framework = decision.tenant, data.get("policy", ""), data.get("framework", "")
        version = data.get("version", "")
        async with self._database.connection() as connection:
            policy_body, framework_body = await tables.load_documents(connection, tenant, policy, framework, version)
        trigger = Trigger(decision.id, shard.journal_pos, decision.time, "policy" if policy else "framework")
        no = shard.rules.setdefault(tenant, Rules()).no + 1
        self._activate(shard, tenant, Activation(no, trigger, framework, policy), policy_body, framework_body)
        shard.sweep[tenant] = ""
        outcome.activations.append(
            (shard.number, tenant, no, decision.id, trigger.pos, decision.time, framework, policy, version)
        )

    def _activate(
        self, shard: Shard, tenant: str, activation: Activation, policy: bytes | None, framework: bytes | None
    ) -> Rules:
        """Put an activation into force in memory, with the document it names."""
        if policy is not None and activation.policy not in self._policies:
            self._policies[activation.policy] = policy_from(msgspec.json.decode(policy))
        rules = shard.rules.setdefault(tenant, Rules())
        rules.activate(activation._replace(graph=self._graph(framework) if framework is not None else None))
        return rules

    def _graph(self, body: bytes) -> Framework:
        """Decode a framework once for all shards."""
        digest = hashlib.sha256(body).digest()
        if digest not in self._graphs:
            self._graphs[digest] = read_framework(body)
        return self._graphs[digest]

    async def _sweep(self, shard: Shard, outcome: Outcome) -> None:
        """Refold the next learners that are older than their tenant's rules."""
        tenant, after = next(iter(shard.sweep.items()))
        rules = shard.rules[tenant]
        async with self._database.connection() as connection:
            names = await tables.stale_learners(connection, shard.number, tenant, rules.no, after, SWEEP_LEARNERS)
        if not names:
            del shard.sweep[tenant]
            rules.swept = rules.no
            outcome.swept.append((shard.number, tenant, rules.no))
            return
        shard.sweep[tenant] = names[-1]
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        await self._refold(shard, fold, [(tenant, name) for name in names])
        await self._finish(shard, fold, outcome)

    def _block(self, shard: Shard, learner: Learner, reason: str, outcome: Outcome) -> None:
        """Set a learner apart: its inputs from this batch on are journalled only, and folded when it is redriven."""
        if learner not in shard.blocked:
            pos = outcome.first_position_of(learner)
            shard.blocked[learner] = pos
            shard.learners.pop(learner, None)
            outcome.blocked.append((*learner, shard.number, pos, reason))

    async def _redrive(self, shard: Shard, learner: Learner, outcome: Outcome) -> None:
        """Fold a blocked learner's journal from where it stopped, over what was folded before."""
        first = shard.blocked.pop(learner, None)
        if first is None:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_journal_of(connection, shard.number, *learner)
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        inputs: list[Input] = []
        for pos, kind, input_id, recorded_at, body in rows:
            try:
                event = decode(kind, body)
            except msgspec.MsgspecError as error:
                fold.blocked[learner] = f"{type(error).__name__}: {error}"[:500]
                break
            if event is not None:
                inputs.append(input_of(learner[0], input_id, pos, recorded_at, event))
        keys = {key for item in inputs for key in item.keys}
        shard.forget(learner, list(keys))
        await self._load_states(shard, keys)
        for key in keys:
            rules = shard.rules[key[0]]
            entry = shard.entries.setdefault(key, Entry(KeyState(policy=rules.pin_for(key[2])), rules.no))
            entry.evidence, shard.histories[key] = {}, None
        for item in inputs:
            if item.trigger.pos >= first:
                fold.fold(item)
                continue
            for key in item.keys:
                _absorb(shard.entries[key], key[2], item.event)
        await self._finish(shard, fold, outcome)
        if learner not in fold.blocked:
            outcome.unblocked.append(learner)

    async def _write(self, connection: Connection, outcome: Outcome) -> None:
        await tables.append_journal(connection, outcome.journal)
        reach("fold.journalled")
        if outcome.states:
            await tables.save_states(connection, sorted([(*key, *row) for key, row in outcome.states.items()]))
        if outcome.standings:
            await tables.save_standings(connection, ((*key, *row) for key, row in outcome.standings.items()))
        await tables.save_activations(connection, outcome.activations)
        if outcome.swept:
            await tables.mark_swept(connection, outcome.swept)
        if outcome.unblocked:
            await tables.delete_blocked(connection, outcome.unblocked)
        if outcome.blocked:
            await self._save_blocked(connection, outcome)
        reach("fold.saved")
        await self._logs.advancement.append(connection, outcome.advancement)
        reach("fold.told")
        await self._logs.progression.append(connection, outcome.progression)

    async def _save_blocked(self, connection: Connection, outcome: Outcome) -> None:
        await tables.save_blocked(connection, outcome.blocked)
        total, in_last_hour = await tables.count_blocked(connection)
        metrics.blocked.set(total)
        if in_last_hour > self._settings.blocked_learners_max:
            raise RuntimeError(f"{in_last_hour} learners blocked within an hour: the code is wrong, not the data")


def _absorb(entry: Entry, competency: str, event: EvidenceRecorded | EvidenceRetracted | None) -> None:
    assert event is not None
    assert entry.evidence is not None
    absorb(entry.evidence, competency, event)


def _checkpoint(batch: ShardBatch) -> Draft:
    decisions = batch.decisions[-1].pos if batch.decisions else 0
    data = encode_json(Checkpoint(evidence=batch.last, evidence_generation=batch.generation, decisions=decisions))
    body = envelope(
        id=str(uuid.uuid4()),
        source="progression",
        type=CHECKPOINT,
        tenant="attain",
        subject="checkpoint",
        time=now(),
        data=data,
    )
    return Draft(batch.shard, "attain", "checkpoint", body)
