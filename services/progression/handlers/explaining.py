"""Why a status is what it is, now or at an earlier moment: one key folded again from the journal alone."""

from itertools import chain
from typing import Any

import msgspec

from services.progression import tables
from services.progression.decisions import CompetencyDecided
from services.progression.domain import Entry, ShardFold
from services.progression.explanation import Explanation, explain_key
from services.progression.handlers.memory import read_framework
from services.progression.inputs import Input, Key, decode, input_of, valid_pieces
from services.progression.journal import unpack_entries
from services.progression.policy import Policy, policy_from
from services.progression.rules import Activation, Rules, cause_of
from services.progression.standing import rule_of
from services.progression.states import Decided
from services.progression.telling import Trigger
from shared.contracts import PolicyRef
from shared.database import Database
from shared.shards import shard_of


class Explained(msgspec.Struct, frozen=True):
    """An explanation with the policy and the framework version it was decided by."""

    explanation: Explanation
    policy: PolicyRef | None
    framework: str | None


async def explain(database: Database, shards: int, key: Key, as_of: str | None) -> Explained | None:
    """
    Explain a key's status; `as_of` is an instant: what had been recorded and decided by then, ages computed at it.

    Return None where nothing of the key had been recorded.
    """
    async with database.connection() as connection:
        rows = await tables.load_evidence(connection, [key])
        activated = await tables.load_activations(connection, [shard_of(key[0], key[1], shards)])
    stored = chain.from_iterable(unpack_entries(row["body"]) for row in rows)
    inputs = []
    for entry in stored:
        event = decode(entry.type, entry.data) if as_of is None or entry.time <= as_of else None
        if event is not None:
            item = input_of(key[0], entry.id, entry.pos, entry.time, event)
            inputs.append(msgspec.structs.replace(item, keys=(key,)))
    in_time = [row for row in activated if row["tenant"] == key[0] and (as_of is None or row["time"] <= as_of)]
    return _explained(key, sorted(inputs, key=lambda item: item.pos), in_time, as_of) if inputs else None


def _explained(key: Key, inputs: list[Input], activated: list[Any], as_of: str | None) -> Explained:
    """Fold the inputs and the activations of a key in the order of the journal, and explain the outcome."""
    rules, policies = Rules(), _policies(activated)
    fold = ShardFold({}, {key[0]: rules}, policies)
    waiting = [_activation(row, policies) for row in activated]
    decisions: list[Decided] = []
    for item in inputs:
        while waiting and waiting[0].trigger.pos < item.pos:
            _activate(fold, rules, key, waiting.pop(0))
        if key not in fold.entries:
            fold.entries[key] = Entry(rules.new_state(key[2]), rules.no, {})
        fold.fold(item)
        if isinstance(item.event, CompetencyDecided):
            decisions.append(item.event.decided(item.id, item.time))
    for activation in waiting:
        _activate(fold, rules, key, activation)
    entry = fold.entries[key]
    evidence = entry.evidence or {}
    policy = policies.get(entry.state.policy)
    framework = rules.frameworks[-1].get(key[2].partition(":")[0])
    explanation = explain_key(
        valid_pieces(evidence),
        rule_of(policy, entry.state),
        decisions,
        at=as_of or entry.state.clock or None,
        void=[piece for piece, valid in evidence.values() if piece is not None and not valid],
    )
    return Explained(
        explanation, policy.reference if policy is not None else None, framework.version if framework else None
    )


def _activate(fold: ShardFold, rules: Rules, key: Key, activation: Activation) -> None:
    rules.activate(activation)
    if key in fold.entries:
        fold.refold_learner((key[0], key[1]), [key])


def _activation(row: Any, policies: dict[str, Policy]) -> Activation:
    trigger = Trigger(row["input_id"], row["pos"], row["time"], cause_of(row))
    graph = read_framework(row["framework_body"]) if row["framework_body"] is not None else None
    return Activation(row["no"], trigger, row["framework"], policies.get(row["policy"]), graph, row["time_zone"])


def _policies(activated: list[Any]) -> dict[str, Policy]:
    bodies = {row["policy"]: row["policy_body"] for row in activated if row["policy_body"] is not None}
    return {digest: policy_from(msgspec.json.decode(body)) for digest, body in bodies.items()}
