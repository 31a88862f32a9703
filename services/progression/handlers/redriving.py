"""Folding a learner again who was set apart."""

import msgspec

from services.progression.domain.entry import Entry
from services.progression.domain.inputs import Input, Learner, decode, input_of
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.loading import load_inputs, load_states
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome
from shared.database import Database


async def redrive(database: Database, shard: Shard, fold: ShardFold, learner: Learner, outcome: Outcome) -> None:
    """Fold a blocked learner's journal from where it stopped, over what was folded before."""
    first = shard.blocked.pop(learner, None)
    if first is None:
        return
    inputs: list[Input] = []
    for pos, kind, input_id, recorded_at, body in await load_inputs(database, shard, learner):
        try:
            event = decode(kind, body)
        except msgspec.MsgspecError as error:
            fold.blocked[learner] = f"{type(error).__name__}: {error}"[:500]
            break
        if event is not None:
            inputs.append(input_of(learner[0], input_id, pos, recorded_at, event))
    keys = {key for item in inputs for key in item.keys}
    shard.forget(learner, list(keys))
    await load_states(database, dict.fromkeys(keys, shard))
    for key in keys:
        rules = shard.rules[key[0]]
        entry = shard.entries.setdefault(key, Entry(rules.new_state(key[2]), rules.no))
        entry.evidence, shard.histories[key] = {}, None
    for item in inputs:
        if item.pos >= first:
            fold.fold(item)
        else:
            fold.absorb(item)
    if learner in fold.blocked:
        shard.blocked[learner] = first
        outcome.note_blocked(learner, shard.number, first, fold.blocked[learner])
    else:
        outcome.unblocked.append(learner)
