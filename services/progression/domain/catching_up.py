"""Folding what was journalled of a learner while set apart, as it would have been folded then."""

from collections.abc import Iterator, Sequence
from heapq import merge

from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Input, Key, Learner
from services.progression.domain.policy import Policy
from services.progression.domain.refolding import refold_learner
from services.progression.domain.rules import Activation, Rules
from services.progression.domain.shard_fold import ShardFold


def catch_up(
    learner: Learner,
    inputs: Sequence[Input],
    first: int,
    entries: dict[Key, Entry],
    rules: Rules,
    policies: dict[str, Policy],
) -> ShardFold:
    """
    Fold a learner's inputs from position `first` on, each under the rules that were in force there; end under those in force.

    `inputs` are all of the learner in order. `entries` hold the states that those before `first` gave, and get their histories.
    """
    then = Rules(closed=rules.closed)
    fold = ShardFold(entries, {learner[0]: then}, policies)
    begun: dict[Key, None] = {}

    def begin(item: Input) -> None:
        for key in item.keys:
            if key not in begun:
                begun[key] = None
                entries.setdefault(key, Entry(then.new_state(key[2]), then.no)).evidence = {}

    for item in inputs:
        if item.pos < first:
            begin(item)
            fold.absorb(item)
    later = [item for item in inputs if item.pos >= first]
    in_order: Iterator[Input | Activation] = merge(later, rules.activations, key=lambda each: each.trigger.pos)
    for each in in_order:
        if isinstance(each, Activation):
            then.activate(each)
            refold_learner(fold, learner, begun)
        else:
            begin(each)
            fold.fold(each)
    return fold
