"""Why a status is what it is, now or at an earlier moment: one key folded again from what the journal has of it."""

from collections.abc import Iterable

import msgspec

from services.progression.domain.curriculum import framework_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.entry import Entry
from services.progression.domain.explanation import Explanation, explain_key
from services.progression.domain.inputs import Input, Key, valid_pieces
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.standing import rule_of
from services.progression.domain.states import Decided
from shared.contracts import PolicyRef


class Explained(msgspec.Struct, frozen=True):
    """An explanation with the policy and the framework version it was decided by."""

    explanation: Explanation
    policy: PolicyRef | None
    framework: str | None


def explain_as_of(
    key: Key, inputs: Iterable[Input], activations: Iterable[Activation], as_of: str | None
) -> Explained | None:
    """
    Explain a key's status from the inputs that concern it and its tenant's activations, in any order.

    `as_of` is an instant: what had been recorded and decided by then, ages computed at it; nothing that came later matters.
    Return None where nothing of the key had been recorded.
    """
    known = sorted((each for each in inputs if as_of is None or each.time <= as_of), key=lambda item: item.pos)
    waiting = sorted((a for a in activations if as_of is None or a.trigger.time <= as_of), key=lambda a: a.no)
    if not known:
        return None
    rules = Rules()
    policies: dict[str, Policy] = {a.policy.hash: a.policy for a in waiting if a.policy is not None}
    fold = ShardFold({}, {key[0]: rules}, policies)
    decisions: list[Decided] = []
    for item in known:
        while waiting and waiting[0].trigger.pos < item.pos:
            _activate(fold, rules, key, waiting.pop(0))
        if key not in fold.entries:
            fold.entries[key] = Entry(rules.new_state(key[2]), rules.no, {})
        fold.fold(msgspec.structs.replace(item, keys=(key,)))
        if isinstance(item.event, CompetencyDecided):
            decisions.append(item.event.decided(item.id, item.time))
    for activation in waiting:
        _activate(fold, rules, key, activation)
    entry = fold.entries[key]
    evidence = entry.evidence or {}
    policy = policies.get(entry.state.policy)
    framework = rules.frameworks[-1].get(framework_of(key[2]))
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
