"""
Load, fold, append: what progression does with a batch, and with a person's decision.

A shard has one owner, which caches what it folds. Reading keys that are not cached needs no waiting, because a batch in
flight writes cached keys only; reading the history of a key does, unless its history is cached too.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from services.progression import tables
from services.progression.advancement import LearnerState, Trigger
from services.progression.curriculum import Framework, parts, read_csv
from services.progression.domain import (
    Activation,
    Entry,
    Input,
    Key,
    Learner,
    Rules,
    ShardFold,
    absorb,
    cause_of,
    competencies_of,
    decode,
)
from services.progression.mastery import KeyState
from services.progression.policy import Policy, policy_from, read_policy
from services.progression.tables import JournalRow
from shared.consumer import InboxEntry, Settle, ShardBatch, Write
from shared.contracts import CHECKPOINT, FRAMEWORK_PUBLISHED, MASTERY_UPDATED, Checkpoint
from shared.database import Connection, Database
from shared.event_log import EventLog
from shared.events import Draft, Envelope, decode_envelope, encode_json, envelope, now
from shared.observability import metrics
from shared.settings import Settings
from shared.shards import shard_of, stable_id

POLICY_ACTIVATED = "attain.decision.policy_activated.v1"
FRAMEWORK_ACTIVATED = "attain.decision.framework_activated.v1"
CONSUMER = "progression"
REDRIVEN = "attain.decision.redriven.v1"
SWEEP_LEARNERS = 200
HISTORY_PIECES = 100_000
"""Pieces of cached histories a process, about 0.4 KiB each."""

_pack = msgspec.msgpack.Encoder().encode
unpack_key = msgspec.msgpack.Decoder(KeyState).decode
unpack_learner = msgspec.msgpack.Decoder(LearnerState).decode
read_framework = msgspec.json.Decoder(Framework).decode


class Logs:
    """The logs of progression; `decisions` is the inbox: one dense log a shard that no topic carries."""

    def __init__(self, shards: int) -> None:
        self.progression = EventLog("progression", shards)
        self.advancement = EventLog("advancement", shards)
        self.support = EventLog("support", shards)
        self.curriculum = EventLog("curriculum", shards)
        self.decisions = EventLog("decisions", shards)

    def relayed(self) -> list[EventLog]:
        """Return the logs that have a topic."""
        return [self.progression, self.advancement, self.support, self.curriculum]


class DecisionInbox:
    """The inbox as the consumer reads it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the decisions behind the given positions."""
        return [InboxEntry(e.shard, e.pos, e.body) for e in await self._log.read(connection, after, limit)]


class _Shard:
    """What the owner of a shard keeps in memory."""

    def __init__(self, journal_pos: int) -> None:
        self.journal_pos = journal_pos
        self.entries: dict[Key, Entry] = {}
        self.learners: dict[Learner, LearnerState] = {}
        self.rules: dict[str, Rules] = {}
        self.blocked: dict[Learner, int] = {}
        self.sweep: dict[str, str] = {}
        """Tenants with keys older than their rules, with the learner that the sweep has reached."""
        self.in_flight: set[Key] = set()
        self.folded: set[Key] = set()
        """Keys of the last folded batch, which are in flight from the next batch on."""
        self.histories: dict[Key, None] = {}
        """Keys whose evidence is in memory."""


class _Outcome:
    """What one batch writes."""

    def __init__(self) -> None:
        self.journal: list[JournalRow] = []
        self.states: dict[Key, tuple[int, int, bytes]] = {}
        self.standings: dict[Learner, tuple[int, bytes]] = {}
        self.progression: list[Draft] = []
        self.advancement: list[Draft] = []
        self.activations: list[tuple[Any, ...]] = []
        self.swept: list[tuple[int, str, int]] = []
        self.blocked: list[tuple[str, str, int, int, str]] = []
        self.unblocked: list[Learner] = []


class MasteryFold:
    """Folds evidence and decisions into mastery: the handler of the consumer `progression`."""

    def __init__(self, database: Database, logs: Logs, settings: Settings, committed: Any) -> None:
        self._database = database
        self._logs = logs
        self._settings = settings
        self._shards: dict[int, _Shard] = {}
        self._policies: dict[str, Policy] = {}
        self._graphs: dict[bytes, Framework] = {}
        self._after_commit = committed

    async def claimed(self, shards: Collection[int]) -> None:
        """Load the rules and blocked learners of the shards."""
        async with self._database.connection() as connection:
            heads = await tables.journal_heads(connection, shards)
            activations = await tables.load_activations(connection, shards)
            blocked = await tables.load_blocked(connection, shards)
        for number in shards:
            self._shards[number] = _Shard(heads[number])
        for row in activations:
            shard = self._shards[row["shard"]]
            trigger = Trigger(row["input_id"], row["pos"], row["time"], "policy" if row["policy"] else "framework")
            done = Activation(row["no"], trigger, row["framework"], row["policy"])
            rules = self._activate(shard, row["tenant"], done, row["policy_body"], row["framework_body"])
            if row["swept"]:
                rules.swept = row["no"]
        for row in blocked:
            self._shards[row[0]].blocked[(row[1], row[2])] = row[3]
        for shard in (self._shards[number] for number in shards):
            shard.sweep = {tenant: "" for tenant, rules in shard.rules.items() if rules.swept < rules.no}

    def forget(self, shards: Collection[int]) -> None:
        """Drop what is kept of the shards."""
        for shard in shards:
            self._shards.pop(shard, None)

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
        outcome = _Outcome()
        for batch in batches:
            shard = self._shards[batch.shard]
            shard.in_flight |= shard.folded
            shard.folded = set()
            self._trim(shard)
            if not batch.events and not batch.decisions:
                await settle()
                await self._sweep(batch.shard, shard, outcome)
            if batch.decisions:
                await settle()
                await self._decide(batch, shard, outcome)
            if batch.events:
                await self._fold_events(batch, shard, outcome, settle)
            outcome.progression.append(_checkpoint(batch))
            await asyncio.sleep(0)
        return lambda connection: self._write(connection, outcome)

    async def _fold_events(self, batch: ShardBatch, shard: _Shard, outcome: _Outcome, settle: Settle) -> None:
        inputs: list[Input] = []
        refused: dict[Learner, str] = {}
        for event in batch.events:
            shard.journal_pos += 1
            item = self._journalled(event, batch.shard, shard, outcome, refused)
            if item is not None:
                inputs.append(item)
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        fold.blocked |= refused
        await self._load(shard, inputs, fold, settle)
        for item in inputs:
            fold.fold(item)
        await self._finish(batch.shard, shard, fold, outcome)

    def _journalled(
        self, event: Envelope, number: int, shard: _Shard, outcome: _Outcome, refused: dict[Learner, str]
    ) -> Input | None:
        """Append an event to the journal; return it as an input unless it is not folded or its learner is blocked."""
        body, learner = bytes(event.data), event.subject
        row = (number, shard.journal_pos)
        try:
            decoded = decode(event.type, body)
        except msgspec.MsgspecError as error:
            decoded = None
            refused[(event.tenant, learner)] = f"{type(error).__name__}: {error}"[:500]
        competencies = competencies_of(decoded) if decoded is not None else ()
        for part, competency in enumerate(competencies or ("",)):
            outcome.journal.append(
                JournalRow(*row, part, event.tenant, learner, competency, event.type, event.id, event.position,
                           event.time, None if part else body)  # fmt: skip
            )
        key = (event.tenant, learner)
        if key in refused:
            self._block(shard, number, key, refused[key], outcome)
        if decoded is None or key in shard.blocked:
            return None
        shard.rules.setdefault(event.tenant, Rules())
        return Input(event.tenant, learner, Trigger(event.id, shard.journal_pos, event.time, cause_of(decoded)), decoded)

    async def _load(self, shard: _Shard, inputs: list[Input], fold: ShardFold, settle: Settle) -> None:
        """Load the states, and where needed the histories, that the inputs touch."""
        wanted = {
            (item.tenant, item.learner, competency) for item in inputs for competency in competencies_of(item.event)
        }
        await self._load_states(shard, [key for key in wanted if key not in shard.entries])
        stale = {(key[0], key[1]) for key in wanted if key[0] in shard.sweep}
        if stale:
            await settle()
            await self._refold(shard, fold, stale)
        histories = fold.needs_evidence(inputs)
        if histories:
            if not histories.isdisjoint(shard.in_flight):
                await settle()
            await self._load_histories(shard, histories)

    async def _load_states(self, shard: _Shard, keys: Collection[Key]) -> None:
        if not keys:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_states(connection, keys)
        for tenant, learner, competency, rules_no, state in rows:
            shard.entries[(tenant, learner, competency)] = Entry(unpack_key(state), rules_no)

    async def _load_histories(self, shard: _Shard, keys: Collection[Key]) -> None:
        async with self._database.connection() as connection:
            rows = await tables.load_evidence(connection, keys)
        for key in keys:
            entry = shard.entries.get(key)
            if entry is None:
                pin = shard.rules[key[0]].pin_for(key[2])
                entry = shard.entries[key] = Entry(KeyState(policy=pin), shard.rules[key[0]].no)
            entry.evidence = {}
            shard.histories[key] = None
        for tenant, learner, competency, kind, body in rows:
            event = decode(kind, body)
            history = shard.entries[(tenant, learner, competency)].evidence
            assert event is not None and history is not None
            absorb(history, competency, event)

    async def _refold(self, shard: _Shard, fold: ShardFold, learners: Collection[Learner]) -> None:
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
            fold.refold_learner(learner, group)

    async def _finish(self, number: int, shard: _Shard, fold: ShardFold, outcome: _Outcome) -> None:
        """Fold the changes into the learners' standings and note what is to be written."""
        affected = {(change.tenant, change.learner): None for change in fold.changes}
        await self._load_standings(shard, affected)
        told = fold.tell(shard.learners)
        for learner, reason in fold.blocked.items():
            self._block(shard, number, learner, reason, outcome)
        for event in told:
            body = envelope(id=event.id, source="progression", type=event.type, tenant=event.tenant,
                            subject=event.learner, time=event.time, data=encode_json(event.data),
                            cause=event.data["cause"]["id"])  # fmt: skip
            outcome.advancement.append(Draft(number, event.tenant, event.learner, body))
        stamp = now()
        for key in fold.touched:
            tenant, name, competency = key
            if (tenant, name) in shard.blocked:
                shard.entries.pop(key, None)
                continue
            entry = shard.entries[key]
            state = _pack(entry.state)
            outcome.states[key] = (number, entry.rules_no, state)
            data = encode_json(fold.updated(key))
            body = envelope(id=stable_id(tenant, name, competency, str(shard.journal_pos)), source="progression",
                            type=MASTERY_UPDATED, tenant=tenant, subject=name, time=stamp, data=data)  # fmt: skip
            outcome.progression.append(Draft(number, tenant, name, body))
        for learner in affected:
            if learner in shard.learners and learner not in shard.blocked:
                outcome.standings[learner] = (number, _pack(shard.learners[learner]))
        shard.folded |= fold.touched.keys()

    async def _load_standings(self, shard: _Shard, learners: Iterable[Learner]) -> None:
        missing = [learner for learner in learners if learner not in shard.learners]
        if not missing:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_standings(connection, missing)
        for tenant, name, state in rows:
            shard.learners[(tenant, name)] = unpack_learner(state)
        for learner in missing:
            shard.learners.setdefault(learner, LearnerState())

    async def _decide(self, batch: ShardBatch, shard: _Shard, outcome: _Outcome) -> None:
        """Journal the decisions and put them into force."""
        for entry in batch.decisions:
            decision = decode_envelope(entry.body)
            shard.journal_pos += 1
            data = msgspec.json.decode(decision.data)
            outcome.journal.append(
                JournalRow(batch.shard, shard.journal_pos, 0, decision.tenant, "", "", decision.type, decision.id,
                           entry.pos, decision.time, bytes(decision.data))  # fmt: skip
            )
            if decision.type == REDRIVEN:
                await self._redrive(batch.shard, shard, (decision.tenant, data["learner"]), outcome)
            else:
                await self._put_into_force(batch.shard, shard, decision, data, outcome)

    async def _put_into_force(
        self, number: int, shard: _Shard, decision: Envelope, data: dict[str, str], outcome: _Outcome
    ) -> None:
        tenant, policy, framework = decision.tenant, data.get("policy", ""), data.get("framework", "")
        version = data.get("version", "")
        async with self._database.connection() as connection:
            policy_body, framework_body = await tables.load_documents(connection, tenant, policy, framework, version)
        trigger = Trigger(decision.id, shard.journal_pos, decision.time, "policy" if policy else "framework")
        no = shard.rules.setdefault(tenant, Rules()).no + 1
        self._activate(shard, tenant, Activation(no, trigger, framework, policy), policy_body, framework_body)
        shard.sweep[tenant] = ""
        outcome.activations.append(
            (number, tenant, no, decision.id, trigger.pos, decision.time, framework, policy, version)
        )

    def _activate(
        self, shard: _Shard, tenant: str, activation: Activation, policy: bytes | None, framework: bytes | None
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

    async def _redrive(self, number: int, shard: _Shard, learner: Learner, outcome: _Outcome) -> None:
        """Fold a blocked learner's journal from where it stopped."""
        first = shard.blocked.pop(learner, None)
        if first is None:
            return
        async with self._database.connection() as connection:
            rows = await tables.load_journal_of(connection, number, *learner, first)
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        inputs = []
        for pos, kind, input_id, recorded_at, body in rows:
            try:
                event = decode(kind, body)
            except msgspec.MsgspecError as error:
                fold.blocked[learner] = f"{type(error).__name__}: {error}"[:500]
                break
            if event is not None:
                inputs.append(Input(*learner, Trigger(input_id, pos, recorded_at, cause_of(event)), event))
        keys = {(*learner, competency) for item in inputs for competency in competencies_of(item.event)}
        await self._load_states(shard, [key for key in keys if key not in shard.entries])
        # The whole journal is there already: histories are replayed as they stood before the block.
        for key in keys:
            entry = shard.entries.setdefault(key, Entry(KeyState(policy=shard.rules[key[0]].pin_for(key[2])), 0))
            entry.evidence = {}
        async with self._database.connection() as connection:
            before = [r for r in await tables.load_journal_of(connection, number, *learner, 0) if r[0] < first]
        for _, kind, _, _, body in before:
            event = decode(kind, body)
            for key in keys:
                if event is not None and key[2] in competencies_of(event):
                    absorb(shard.entries[key].evidence or {}, key[2], event)
        for item in inputs:
            fold.fold(item)
        if learner not in fold.blocked:
            outcome.unblocked.append(learner)
        await self._finish(number, shard, fold, outcome)

    def _block(self, shard: _Shard, number: int, learner: Learner, reason: str, outcome: _Outcome) -> None:
        """Set a learner apart: its inputs from this batch on are journalled only, and folded when it is redriven."""
        if learner not in shard.blocked:
            pos = min((row.pos for row in outcome.journal if (row.tenant, row.learner) == learner), default=0)
            shard.blocked[learner] = pos
            shard.learners.pop(learner, None)
            outcome.blocked.append((*learner, number, pos, reason))

    async def _sweep(self, number: int, shard: _Shard, outcome: _Outcome) -> None:
        """Refold the next learners that are older than their tenant's rules."""
        tenant, after = next(iter(shard.sweep.items()))
        rules = shard.rules[tenant]
        async with self._database.connection() as connection:
            learners = await tables.stale_learners(connection, number, tenant, rules.no, after, SWEEP_LEARNERS)
        if not learners:
            del shard.sweep[tenant]
            rules.swept = rules.no
            outcome.swept.append((number, tenant, rules.no))
            return
        shard.sweep[tenant] = learners[-1]
        fold = ShardFold(shard.entries, shard.rules, self._policies)
        await self._refold(shard, fold, [(tenant, learner) for learner in learners])
        await self._finish(number, shard, fold, outcome)

    def _trim(self, shard: _Shard) -> None:
        """Keep the caches within their limits; what a batch in flight has touched stays."""
        limit = max(1000, self._settings.cache_keys // max(1, len(self._shards)))
        surplus = len(shard.entries) - limit
        if surplus > 0:
            drop = [key for key in shard.entries if key not in shard.in_flight][: surplus + limit // 10]
            for key in drop:
                del shard.entries[key]
        if len(shard.learners) > limit:
            shard.learners.clear()
        for key in [key for key in shard.histories if key not in shard.entries]:
            del shard.histories[key]
        pieces = sum(len(shard.entries[key].evidence or ()) for key in shard.histories)
        if pieces > HISTORY_PIECES // max(1, len(self._shards)):
            for key in shard.histories:
                shard.entries[key].evidence = None
            shard.histories.clear()

    async def _write(self, connection: Connection, outcome: _Outcome) -> None:
        await tables.append_journal(connection, outcome.journal)
        if outcome.states:
            await tables.save_states(connection, ((*key, *row) for key, row in outcome.states.items()))
        if outcome.standings:
            await tables.save_standings(connection, ((*key, *row) for key, row in outcome.standings.items()))
        await tables.save_activations(connection, outcome.activations)
        if outcome.swept:
            await tables.mark_swept(connection, outcome.swept)
        if outcome.unblocked:
            await tables.delete_blocked(connection, outcome.unblocked)
        if outcome.blocked:
            await tables.save_blocked(connection, outcome.blocked)
            total, in_last_hour = await tables.count_blocked(connection)
            metrics.blocked.set(total)
            if in_last_hour > self._settings.blocked_learners_max:
                raise RuntimeError(f"{in_last_hour} learners blocked within an hour: the code is wrong, not the data")
        await self._logs.advancement.append(connection, outcome.advancement)
        await self._logs.progression.append(connection, outcome.progression)


def _checkpoint(batch: ShardBatch) -> Draft:
    decisions = batch.decisions[-1].pos if batch.decisions else 0
    data = encode_json(Checkpoint(evidence=batch.last, evidence_generation=batch.generation, decisions=decisions))
    body = envelope(id=str(uuid.uuid4()), source="progression", type=CHECKPOINT, tenant="attain",
                    subject="checkpoint", time=now(), data=data)  # fmt: skip
    return Draft(batch.shard, "attain", "checkpoint", body)


class Decisions:
    """What people decide: stored, then told to every shard through the inbox in the same transaction."""

    def __init__(self, database: Database, logs: Logs, settings: Settings) -> None:
        self._database = database
        self._logs = logs
        self._settings = settings

    async def set_policy(self, tenant: str, text: bytes, framework: str) -> tuple[Policy, dict[int, int]]:
        """
        Put a policy into force for a framework (empty: all); return it with its inbox position in every shard.

        Raises:
            InvalidEvent: the policy is not of the language.
        """
        policy = read_policy(text)
        body = encode_json(policy.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        async with self._database.transaction() as connection:
            await tables.save_policy(connection, tenant, policy.hash, body)
            positions = await self._decide_everywhere(
                connection, tenant, POLICY_ACTIVATED, {"policy": policy.hash, "framework": framework}
            )
        return policy, positions

    async def publish_framework(
        self, tenant: str, id: str, title: str, nodes: str, edges: str
    ) -> tuple[Framework, list[str], dict[int, int]]:
        """
        Publish a framework version; return it with the problems passed over and its inbox positions.

        The version that is in force already is not published again.

        Raises:
            InvalidEvent: the CSV is not of its form.
        """
        framework, problems = read_csv(id, title, nodes, edges)
        async with self._database.transaction() as connection:
            in_force = [read_framework(body) for body in await tables.frameworks_of(connection, tenant)]
            if any((known.id, known.version) == (framework.id, framework.version) for known in in_force):
                return framework, problems, {}
            await tables.save_framework(connection, tenant, id, framework.version, msgspec.json.encode(framework))
            positions = await self._decide_everywhere(
                connection, tenant, FRAMEWORK_ACTIVATED, {"framework": id, "version": framework.version}
            )
            await self._logs.curriculum.append(connection, self._published(tenant, framework))
        return framework, problems, positions

    def _published(self, tenant: str, framework: Framework) -> list[Draft]:
        shard = shard_of(tenant, framework.id, self._settings.shards)
        return [
            Draft(shard, tenant, framework.id, envelope(
                id=stable_id(tenant, framework.id, framework.version, str(part.part), now()), source="progression",
                type=FRAMEWORK_PUBLISHED, tenant=tenant, subject=framework.id, time=now(), data=encode_json(part),
            ))
            for part in parts(framework)
        ]  # fmt: skip

    async def redrive(self, tenant: str, learner: str) -> dict[int, int]:
        """Ask for a blocked learner to be folded again; return the inbox position in the learner's shard."""
        shard = shard_of(tenant, learner, self._settings.shards)
        async with self._database.transaction() as connection:
            draft = _decision(shard, tenant, REDRIVEN, {"learner": learner}, str(uuid.uuid4()))
            (position,) = await self._logs.decisions.append(connection, [draft])
        return {shard: position}

    async def _decide_everywhere(
        self, connection: Connection, tenant: str, type: str, data: dict[str, str]
    ) -> dict[int, int]:
        id = str(uuid.uuid4())
        drafts = [_decision(shard, tenant, type, data, id) for shard in range(self._settings.shards)]
        return dict(enumerate(await self._logs.decisions.append(connection, drafts)))

    async def folded(self, positions: dict[int, int]) -> bool:
        """Tell whether every shard has folded its decision."""
        async with self._database.connection() as connection:
            stored = await tables.folded_positions(connection, CONSUMER)
        return all(stored[shard][2] >= position for shard, position in positions.items())


def _decision(shard: int, tenant: str, type: str, data: dict[str, str], id: str) -> Draft:
    body = envelope(id=id, source="progression", type=type, tenant=tenant, subject="decision", time=now(),
                    data=encode_json(data))  # fmt: skip
    return Draft(shard, tenant, "decision", body)
