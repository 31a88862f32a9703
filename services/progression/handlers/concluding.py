"""The end of a batch: what changed is folded into the learners' standings, and what is to be written is noted."""

import asyncio
from collections.abc import Sequence

from services.progression.domain.inputs import Key, Learner
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers.loading import load_prerequisites, load_standings
from services.progression.handlers.memory import Shard, pack
from services.progression.handlers.outcome import Outcome
from shared.contracts.internal_events import MasteryUpdated
from shared.database import Database


async def conclude(database: Database, folds: Sequence[tuple[Shard, ShardFold]], outcome: Outcome) -> None:
    """Fold the changes into the learners' standings and note what is to be written: all that is journalled so far is folded."""
    affected: dict[Learner, Shard] = {}
    for shard, fold in folds:
        for change in fold.changes.noted:
            affected[change.tenant, change.learner] = shard
    await load_standings(database, affected)
    await load_prerequisites(database, [fold for _, fold in folds])
    for shard, fold in folds:
        states = fold.describe_touched()
        told = fold.tell(shard.learners)
        for learner, reason in fold.blocked.items():
            block(shard, learner, reason, outcome)
        outcome.note_told(shard.number, told)
        outcome.note_decided(shard.number, fold.decided)
        _note_states(shard, fold, states, outcome)
        outcome.concluded[shard.number] = shard.journal_pos
        await asyncio.sleep(0)
    for learner, shard in affected.items():
        if learner not in shard.blocked:
            standing = shard.learners[learner]
            deadline = deadline_of(standing)
            shard.remember_deadline(deadline)
            outcome.standings[learner] = (shard.number, pack(standing), deadline)


def block(shard: Shard, learner: Learner, reason: str, outcome: Outcome) -> None:
    """
    Set a learner apart: its inputs from this batch on are journalled only, and folded when it is redriven.

    Of whom the batch holds no input, as where a sweep refolds, all that is journalled so far is folded.
    """
    if learner not in shard.blocked:
        pos = outcome.first_position_of(shard.number, learner) or shard.journal_pos + 1
        shard.blocked[learner] = pos
        shard.learners.pop(learner, None)
        outcome.note_blocked(learner, shard.number, pos, reason)


def _note_states(shard: Shard, fold: ShardFold, states: dict[Key, MasteryUpdated], outcome: Outcome) -> None:
    for key in fold.touched:
        learner = key[:2]
        if shard.blocked and learner in shard.blocked:
            shard.forget(learner, [key])
            continue
        entry = shard.entries[key]
        deadline = fold.deadline_of(key)
        shard.remember_deadline(deadline)
        outcome.note_state(shard.number, key, entry.rules_no, pack(entry.state), deadline, states[key])
    shard.folded |= fold.touched.keys()
