"""Of which competencies of a learner there is enough evidence, and the smallest next evidence that could settle the others."""

import asyncio
import functools
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from services.progression.domain.inputs import Key, valid_pieces
from services.progression.domain.journal import unpack_entries
from services.progression.domain.known import Known
from services.progression.domain.minimal_change import MinimalChange, change_in_words, minimal_change
from services.progression.domain.policy import Policy
from services.progression.domain.policy.phrases import Language
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import rule_of, status_of
from services.progression.domain.states import KeyState
from services.progression.handlers.histories import History
from services.progression.handlers.memory import unpack_key
from services.progression.handlers.rules import policies_of
from services.progression.tables import journals, key_states
from shared.contracts import Status
from shared.database import Database

OPEN_MAX = 50
"""Open competencies of which the smallest next evidence is looked for: each may take some 10 ms."""
_OPEN: tuple[Status, ...] = ("provisional", "reverify_due", "not_yet", "insufficient_evidence", "no_evidence")
"""What is open, that which is nearest to be settled first."""


async def enough_of(database: Database, tenant: str, learner: str, language: Language, limit: int) -> dict[str, Any]:
    """
    Return `enough` (competencies of which no single test changes the verdict) and `next`: of `limit` that are open the smallest
    evidence that could settle them, the fewest pieces first.
    """
    async with database.connection() as connection:
        rows = await key_states.states_of(connection, tenant, learner)
        states = {(tenant, learner, competency): unpack_key(state) for competency, state in rows}
        bodies = await journals.load_evidence(connection, list(states)) if states else []
        policies = await policies_of(connection, tenant)
    held = {key: History() for key in states}
    for of, name, competency, body in bodies:
        for entry in unpack_entries(body):
            held[of, name, competency].take(competency, entry)
    return await asyncio.to_thread(_answer, states, held, policies, language, limit)


def _answer(
    states: dict[Key, KeyState], held: dict[Key, History], policies: dict[str, Policy], language: Language, limit: int
) -> dict[str, Any]:
    enough: list[str] = []
    open_: list[tuple[int, str, Callable[[], MinimalChange]]] = []
    for key, state in states.items():
        rule = rule_of(policies.get(state.policy), state)
        if rule is None:
            continue
        known = Known(valid_pieces(held[key].evidence), rule, held[key].decisions, state.clock or None)
        if is_settled(known):
            enough.append(key[2])
        status = status_of(state, rule)
        if status in _OPEN:
            open_.append((_OPEN.index(status), key[2], functools.partial(minimal_change, known)))
    following = [
        {"competency": competency, "status": _OPEN[rank], **change_in_words(found, language)}
        for rank, competency, change in sorted(open_, key=itemgetter(0, 1))[:limit]
        if (found := change()).shows is not None
    ]
    return {"enough": enough, "next": sorted(following, key=itemgetter("pieces", "competency"))}
