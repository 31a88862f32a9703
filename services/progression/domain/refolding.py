"""Bringing what is kept of a learner up to the rules in force, within the fold of a shard."""

from collections.abc import Iterable

import msgspec

from services.progression.domain.advancement import Review
from services.progression.domain.inputs import Key, Learner, valid_pieces
from services.progression.domain.mastery import replay
from services.progression.domain.rules import Activation, Rules, pin_in
from services.progression.domain.shard_fold import ShardFold
from services.progression.domain.standing import standing_of


def refold_learner(fold: ShardFold, learner: Learner, keys: Iterable[Key]) -> None:
    """
    Bring all keys of a learner up to the rules in force, activation by activation.

    What is on the record stays under the policy it was shown by, unless the activation is retroactive, but for the
    breaks in which it does not age; everything else is computed anew under the new one. `keys` are all keys of the
    learner, with their evidence loaded.
    """
    rules, entries, noted = fold.rules[learner[0]], fold.entries, fold.changes.noted
    known = sorted(keys)
    try:
        oldest = min((entries[key].rules_no for key in known), default=rules.no)
        for activation in rules.activations[oldest:]:
            _refold_for(fold, activation, rules, [key for key in known if entries[key].rules_no < activation.no])
            if activation.graph is not None:
                noted.append(Review(*learner, activation.trigger, activation.no, activation.graph))
            for framework in rules.asked_anew(activation):
                noted.append(Review(*learner, activation.trigger, activation.no, framework, levels_only=True))
    except Exception as error:  # noqa: BLE001 - one learner's fault must not stop the others
        fold.block(learner, error)


def _refold_for(fold: ShardFold, activation: Activation, rules: Rules, keys: list[Key]) -> None:
    for key in keys:
        entry = fold.entries[key]
        entry.rules_no = activation.no
        fold.touched[key] = None
        state = entry.state
        pin = rules.pin_of(state, key[2], activation.no)
        rule, breaks = fold.changes.rule(state), rules.breaks[activation.no]
        if state.crossed_at is not None and not rules.is_retroactive(key[2], activation):
            if rule is None or not rule.reverify_days or state.breaks == breaks:
                continue
            before = standing_of(state, rule)
            state.breaks = breaks
        elif pin == pin_in(state):
            continue
        else:
            before = standing_of(state, rule)
            assert entry.evidence is not None, "the caller loads the evidence of a learner to be refolded"
            pinned = msgspec.structs.replace(state, **pin._asdict())
            entry.state = replay(pinned, valid_pieces(entry.evidence), fold.changes.rule(pinned), pin.policy)
        fold.changes.before.append((key, before, None))
    fold.changes.note(activation)
