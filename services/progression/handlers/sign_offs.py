"""What waits for a sign-off: read from the learners' standings, learner by learner."""

from collections.abc import Collection
from typing import Literal

import msgspec

from services.progression.domain.curriculum import is_level
from services.progression.domain.level_fold import ESCALATES_AFTER
from services.progression.domain.support_fold import LEADER
from services.progression.handlers.memory import unpack_learner
from services.progression.handlers.rules import rules_of
from services.progression.tables import key_states
from shared.database import Database
from shared.events import now
from shared.school_calendar import school_days_later

LEARNERS_A_PAGE = 5_000
"""Learners that one request looks at, whether or not anything of them waits: about 0.1 s."""


class Waiting(msgspec.Struct, frozen=True):
    """One competency or level that lacks nothing but a sign-off; `roles` may give it, a leader as well once it is late."""

    learner: str
    kind: Literal["competency", "level"]
    id: str
    roles: tuple[str, ...]
    since: str
    escalate_at: str
    late: bool


async def waiting(
    database: Database, tenant: str, after: str, limit: int, role: str | None, learners: Collection[str] | None
) -> tuple[list[Waiting], str | None]:
    """
    Return what waits for learners behind `after`, and the learner to go on behind; None where that was all.

    A learner is given whole: there may be more than `limit`. `role` leaves out what others are to sign.
    """
    async with database.connection() as connection:
        rows = await key_states.standings_behind(connection, tenant, after, LEARNERS_A_PAGE, learners)
        rules = await rules_of(connection, tenant, "")
    breaks, zone = rules.breaks[-1], rules.zone
    found: list[Waiting] = []
    at = now()
    for learner, state in rows:
        for scope, (asked, since, escalates) in unpack_learner(state).awaiting.items():
            escalate_at = escalates or school_days_later(since, ESCALATES_AFTER, breaks, zone)
            item = _waiting(learner, scope, asked, since, escalate_at, at)
            if role is None or role in item.roles:
                found.append(item)
        if len(found) >= limit:
            return found, learner
    return found, rows[-1]["learner"] if len(rows) == LEARNERS_A_PAGE else None


def _waiting(learner: str, scope: str, role: str, since: str, escalate_at: str, at: str) -> Waiting:
    late = escalate_at <= at
    also = (LEADER,) if late and role != LEADER else ()
    return Waiting(
        learner, "level" if is_level(scope) else "competency", scope, (role, *also), since, escalate_at, late
    )
