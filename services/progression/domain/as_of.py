"""Why a status is what it is, now or at an earlier moment: one key folded again from what the journal has of it."""

from collections.abc import Iterable

import msgspec

from services.progression.domain.curriculum import framework_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.entry import Entry
from services.progression.domain.explanation import Explanation, explain_key
from services.progression.domain.inputs import Input, Key, valid_pieces
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.standing import rule_of
from services.progression.domain.states import Decided, latest
from shared.contracts.internal_events import PolicyRef
from shared.errors import Refused


class Explained(msgspec.Struct, frozen=True):
    """An explanation with the policy and the framework version it was decided by."""

    explanation: Explanation
    policy: PolicyRef | None
    framework: str | None
    plan: Decided | None
    """The plan in force then, for few eyes."""


def explain_as_of(
    key: Key, inputs: Iterable[Input], activations: Iterable[Activation], as_of: str | None
) -> Explained | None:
    """
    Explain a key's status from the inputs that concern it and its tenant's activations, in any order.

    `as_of` is an instant: what had been recorded and decided by then, ages computed at it; nothing that came later matters.
    Return None where nothing of the key had been recorded.

    Raises:
        Refused: an input raises: the learner is set apart, and what the others give would be no answer.
    """
    given: list[Input | Activation] = [*inputs, *activations]
    known = [each for each in given if as_of is None or each.trigger.time <= as_of]
    if not any(isinstance(each, Input) for each in known):
        return None
    rules = Rules()
    policies = {a.policy.hash: a.policy for a in known if isinstance(a, Activation) and a.policy is not None}
    fold = ShardFold({}, {key[0]: rules}, policies)
    decisions: list[Decided] = []
    for each in sorted(known, key=lambda each: each.trigger.pos):
        if isinstance(each, Activation):
            rules.activate(each)
            if key in fold.entries:
                refold_learner(fold, key[:2], [key])
            continue
        if key not in fold.entries:
            fold.entries[key] = Entry(rules.new_state(key[2]), rules.no, {})
        fold.fold(msgspec.structs.replace(each, keys=(key,)))
        if isinstance(each.event, CompetencyDecided):
            decisions.append(each.event.decided(each.id, each.time))
    if fold.blocked:
        raise Refused(f"learner {key[1]} cannot be folded: {fold.blocked[key[:2]]}")
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
        time_zone=rules.zone,
    )
    return Explained(
        explanation, policy.reference if policy is not None else None, framework.version if framework else None,
        latest(entry.state.decided, "plan"),
    )  # fmt: skip
