"""
Holding progression against what it is given and against itself: every event of the evidence log is journalled, and the states
of sampled learners are those that a plain fold of their journal gives.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeAlias

from services.progression.domain.describing import describe
from services.progression.domain.inputs import Key, valid_pieces
from services.progression.domain.journal import unpack_entries
from services.progression.domain.mastery import KeyState, replay
from services.progression.domain.policy import Policy
from services.progression.domain.standing import rule_of
from services.progression.handlers.histories import History
from services.progression.handlers.logs import Logs
from services.progression.handlers.memory import unpack_key
from services.progression.handlers.rules import policies_of
from services.progression.tables import journals, key_states, published, set_apart
from shared.contracts.internal_events import MasteryUpdated
from shared.database import Database
from shared.feed import FeedClient
from shared.reconciliation import Comparison, Tally, compare

log = logging.getLogger(__name__)
SAMPLED_LEARNERS = 20
"""Learners refolded in one run."""
SAMPLED_INPUTS = 5_000
"""Inputs after which a run refolds no further learner: about 50 ms of work."""
DIFFERENT_LEARNERS_MAX = 1_000
"""Learners found different at which no more are looked for: by then it is no matter of single rows."""
Found: TypeAlias = dict[str, tuple[int, int]]
"""By tenant: the keys of a learner that were refolded, and those of them that are stored differently."""


class FoldChecks:
    """The stages of progression; `told` counts what reporting is given."""

    def __init__(self, database: Database, logs: Logs, feed: FeedClient) -> None:
        self.told = Tally(logs.progression.name)
        self._inputs = Tally("journal", journals.INPUT_ROWS)
        self._database = database
        self._logs = logs
        self._feed = feed

    async def folded(self) -> list[Comparison]:
        """Hold the events of the evidence log up to where it is folded against those journalled."""
        async with self._database.transaction() as connection:
            await self._inputs.keep(connection, await journals.journal_heads(connection, range(self._shards)))
            told = await self._logs.progression.heads(connection)
            await self.told.keep(connection, {shard: head.pos for shard, head in told.items()})
        async with self._database.instant() as connection:
            positions = await published.folded_positions(connection)
            heads = await journals.journal_heads(connection, range(self._shards))
            journalled = await self._inputs.at(connection, heads)
        given = await self._feed.counts("evidence", {shard: place[1] for shard, place in positions.items()})
        return compare("folded", given, journalled)

    @property
    def _shards(self) -> int:
        return self._logs.progression.shards


class StateSamples:
    """
    The stage that refolds learners, some in each run, in the order of their random ids; when all were, it begins again.

    What is kept does not grow with the learners: counts a tenant, and the learners that differ.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = ""
        self._keys = Counter[str]()
        """Keys by tenant that this pass over the learners has refolded."""
        self._passed = Counter[str]()
        """The same of the last whole pass."""
        self._different: dict[str, Found] = {}

    async def sampled(self) -> list[Comparison]:
        """
        Refold the next learners, and those that differed; return each tenant's refolded keys and those as stored.

        Once very many differ, no more are looked for until some are mended.
        """
        for learner in list(self._different)[:SAMPLED_LEARNERS]:
            await self._check(learner)
        if len(self._different) < DIFFERENT_LEARNERS_MAX:
            await self._go_on()
        keys = Counter({t: max(self._passed[t], self._keys[t]) for t in self._passed.keys() | self._keys.keys()})
        bad = Counter[str]()
        for found in self._different.values():
            bad.update({tenant: different for tenant, (_, different) in found.items()})
        return compare("sampled", keys, {tenant: keys[tenant] - bad[tenant] for tenant in keys.keys() | bad.keys()})

    async def _go_on(self) -> None:
        async with self._database.connection() as connection:
            learners = await journals.learners_behind(connection, self._after, SAMPLED_LEARNERS)
        inputs = 0
        for learner in learners:
            found, read = await self._check(learner)
            self._keys.update({tenant: keys for tenant, (keys, _) in found.items()})
            self._after = learner
            inputs += read
            if inputs >= SAMPLED_INPUTS:
                return
        if len(learners) < SAMPLED_LEARNERS:
            self._passed, self._keys, self._after = self._keys, Counter(), ""

    async def _check(self, learner: str) -> tuple[Found, int]:
        """Refold a learner and note whether it differs; return what was found and how many inputs were read."""
        async with self._database.instant() as connection:
            rows = await journals.journal_of(connection, learner)
            tenants = {row["tenant"] for row in rows}
            stored = await key_states.load_learner_states(connection, [(tenant, learner) for tenant in tenants])
            policies: dict[str, Policy] = {}
            for tenant in tenants:
                policies |= await policies_of(connection, tenant)
            blocked = await set_apart.tenants_where_blocked(connection, learner)
        states = {(row[0], row[1], row[2]): unpack_key(row[4]) for row in stored if row[0] not in blocked}
        histories, read = await asyncio.to_thread(
            histories_in, learner, [row for row in rows if row["tenant"] not in blocked]
        )
        different = await asyncio.to_thread(differing, histories, states, policies)
        for key in different:
            log.error("the state of %s differs from a plain fold of its journal", key[1:], extra={"tenant": key[0]})
        keys = Counter(tenant for tenant, _, _ in histories.keys() | states.keys())
        found = {tenant: (number, sum(key[0] == tenant for key in different)) for tenant, number in keys.items()}
        self._different.pop(learner, None)
        if different:
            self._different[learner] = found
        return found, read


def histories_in(learner: str, rows: Iterable[Any]) -> tuple[dict[Key, History], int]:
    """Return the history of every key of a learner, from the journal rows (tenant, competency, body), and the inputs read."""
    found: dict[Key, History] = {}
    read = 0
    for row in rows:
        competency = row["competency"]
        if not competency:
            continue
        history = found.setdefault((row["tenant"], learner, competency), History())
        for entry in unpack_entries(row["body"]):
            read += 1
            history.take(competency, entry)
    return found, read


def differing(histories: dict[Key, History], states: dict[Key, KeyState], policies: dict[str, Policy]) -> list[Key]:
    """
    Return the keys whose stored state is not the value of their history, in order.

    The fold is the definition: a replay of the whole set under the pin that is stored, sharing only the pure domain with
    what wrote the states. What was told of a key, and its sequence number, are no part of the value.
    """
    return sorted(
        key
        for key in histories.keys() | states.keys()
        if key not in states or _value(key, states[key], policies) != _plain(key, histories, states[key], policies)
    )


def _plain(
    key: Key, histories: dict[Key, History], stored: KeyState, policies: dict[str, Policy]
) -> tuple[object, ...]:
    history = histories.get(key, History())
    pinned = KeyState(
        clock=history.clock, time_zone=stored.time_zone, dok=stored.dok, breaks=stored.breaks, extended=stored.extended
    )  # fmt: skip
    rule = rule_of(policies.get(stored.policy), pinned)
    state = replay(pinned, valid_pieces(history.evidence), rule, stored.policy, history.decisions)
    return _value(key, state, policies)


def _value(key: Key, state: KeyState, policies: dict[str, Policy]) -> tuple[object, ...]:
    shown: MasteryUpdated = describe(key, state, policies)
    return shown.status, shown.score, shown.evidence_count, shown.last_evidence_at, shown.mastered_at
