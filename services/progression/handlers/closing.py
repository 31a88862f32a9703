"""Closing a term in a shard: what every learner's record is then is told, and remembered by its digest."""

import asyncio
from collections.abc import Mapping

from services.progression.domain.inputs import Learner
from services.progression.domain.learner_fold import deadline_of
from services.progression.domain.policy import Policy
from services.progression.domain.rules import Rules
from services.progression.domain.states import KeyState
from services.progression.domain.telling import Told
from services.progression.domain.terms import closed_at_position, closed_in, decode_closing, ended_with, snapshot
from services.progression.handlers.loading import load_standings
from services.progression.handlers.memory import Shard, pack, unpack_key
from services.progression.handlers.outcome import Outcome
from services.progression.tables import key_states
from shared.database import Database
from shared.events import Envelope

LEARNERS = 200
"""So many learners are read at once: a batch's other work gets its turn behind them."""


async def close_term(
    database: Database, shard: Shard, policies: Mapping[str, Policy], decision: Envelope, shards: int, outcome: Outcome
) -> None:
    """Close a term at the journal's position; what came before in the batch is folded, and in the outcome."""
    tenant, pos = decision.tenant, shard.journal_pos
    decided = decode_closing(decision.data)
    names = {key[1] for key, row in outcome.states.items() if (key[0], row[0]) == (tenant, shard.number)}
    names |= {name for (of, name), row in outcome.standings.items() if (of, row[0]) == (tenant, shard.number)}
    async with database.connection() as connection:
        names |= set(await key_states.learners_in(connection, shard.number, tenant))
    told: list[Told] = []
    in_order = [(tenant, name) for name in sorted(names)]
    for first in range(0, len(in_order), LEARNERS):
        page = in_order[first : first + LEARNERS]
        states = await _states_of(database, page, outcome)
        await load_standings(database, dict.fromkeys(page, shard))
        for learner in page:
            standing = shard.learners[learner]
            standings = ended_with(states[learner].items(), standing, policies)
            if not standings:
                continue
            told.append(snapshot(*learner, decided, decision.id, pos, standings))
            standing.ended[decided.term] = told[-1].data["digest"]
            outcome.standings[learner] = (shard.number, pack(standing), deadline_of(standing))
            shard.folded.add((*learner, ""))
        for learner in page:
            if learner in shard.blocked:
                shard.learners.pop(learner)
        await asyncio.sleep(0)
    outcome.note_closing(shard.number, tenant, decision.id, closed_in(decided, shard.number, shards), told)
    shard.rules.setdefault(tenant, Rules()).closed.append(closed_at_position(decision.data, pos))


async def _states_of(
    database: Database, learners: list[Learner], outcome: Outcome
) -> dict[Learner, dict[str, KeyState]]:
    """Return the states of learners: as the batch leaves them where it has touched them, else as they are stored."""
    async with database.connection() as connection:
        rows = await key_states.load_learner_states(connection, learners)
    found: dict[Learner, dict[str, KeyState]] = {learner: {} for learner in learners}
    for tenant, learner, competency, _, state in rows:
        found[tenant, learner][competency] = unpack_key(state)
    for (tenant, learner, competency), (_, _, state, _) in outcome.states.items():
        if (tenant, learner) in found:
            found[tenant, learner][competency] = unpack_key(state)
    return found
