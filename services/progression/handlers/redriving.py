"""Folding a learner again who was set apart."""

import msgspec

from services.progression.domain.catching_up import catch_up
from services.progression.domain.inputs import Input, decode, input_of
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.shard_fold import reason_of
from services.progression.handlers.concluding import block, conclude
from services.progression.handlers.loading import load_inputs, load_states
from services.progression.handlers.memory import Shard
from services.progression.handlers.outcome import Outcome
from shared.database import Database
from shared.events import Envelope


async def redrive(
    database: Database, shard: Shard, policies: dict[str, Policy], decision: Envelope, outcome: Outcome
) -> None:
    """
    Fold a blocked learner's journal from where it stopped, over what was folded before, and conclude it.

    Whose input raises again stays blocked from there. What the batch has folded before is concluded.
    """
    learner = (decision.tenant, msgspec.json.decode(decision.data)["learner"])
    first = shard.blocked.pop(learner, None)
    if first is None:
        return
    inputs: list[Input] = []
    try:
        for entry in await load_inputs(database, shard, learner, outcome.journal[shard.number]):
            event = decode(entry.type, entry.data)
            if event is not None:
                inputs.append(input_of(learner[0], entry.id, entry.pos, entry.time, event))
    except msgspec.MsgspecError as error:
        block(shard, learner, reason_of(error), outcome)
    else:
        keys = dict.fromkeys(key for item in inputs for key in item.keys)
        shard.forget(learner, list(keys))
        await load_states(database, dict.fromkeys(keys, shard))
        rules = shard.rules.setdefault(learner[0], Rules())
        fold = catch_up(learner, inputs, first, shard.entries, rules, policies)
        shard.histories |= keys
        await conclude(database, [(shard, fold)], outcome)
    if learner in shard.blocked:
        shard.blocked[learner] = first
    else:
        outcome.unblocked.append(learner)
        # What fell due meanwhile comes with the next tick.
        shard.remember_deadline(decision.time)
