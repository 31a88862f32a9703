"""Of which competencies of a learner there is enough evidence, and the smallest next evidence that could settle the others."""

import asyncio
import functools
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from services.progression.domain.inputs import valid_pieces
from services.progression.domain.known import Known
from services.progression.domain.minimal_change import MinimalChange, change_in_words, minimal_change
from services.progression.domain.policy import Policy
from services.progression.domain.policy.phrases import Language
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import rule_of, status_of
from services.progression.handlers.histories import Held, histories_of
from services.progression.handlers.rules import policies_of
from services.progression.tables import rulebook
from shared.contracts.internal_events import Status
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
    async with database.instant() as connection:
        held = await histories_of(connection, tenant, learner)
        policies = await policies_of(connection, tenant)
        zone = await rulebook.zone_of(connection, tenant)
    return await asyncio.to_thread(_answer, held, policies, language, limit, zone)


def _answer(held: Held, policies: dict[str, Policy], language: Language, limit: int, zone: str) -> dict[str, Any]:
    enough: list[str] = []
    open_: list[tuple[int, str, Callable[[], MinimalChange]]] = []
    for (_, _, competency), (state, history) in held.items():
        rule = rule_of(policies.get(state.policy), state)
        if rule is None:
            continue
        known = Known(valid_pieces(history.evidence), rule, history.decisions, state.clock or None)
        if is_settled(known):
            enough.append(competency)
        status = status_of(state, rule)
        if status in _OPEN:
            open_.append((_OPEN.index(status), competency, functools.partial(minimal_change, known, zone)))
    following = [
        {"competency": competency, "status": _OPEN[rank], **change_in_words(found, language)}
        for rank, competency, change in sorted(open_, key=itemgetter(0, 1))[:limit]
        if (found := change()).shows is not None
    ]
    return {"enough": enough, "next": sorted(following, key=itemgetter("pieces", "competency"))}
