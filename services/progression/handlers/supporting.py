"""What is open of support, and what waits for a grade."""

from typing import Any

import msgspec

from services.progression.domain.learner import HandedIn, LearnerState
from services.progression.domain.policy.phrases import Language, phrases
from services.progression.domain.policy.rule import local_date
from services.progression.handlers.memory import standing_in, unpack_learner
from services.progression.tables import key_states, rulebook
from shared.database import Database

LEARNERS_A_PAGE = 5_000
"""Learners that one request looks at, whether or not anything of them is open: about 0.1 s."""


async def open_support(
    database: Database, tenant: str, after: str, limit: int, owner: str | None, language: Language
) -> tuple[list[dict[str, Any]], str | None]:
    """
    Return what is open for learners behind `after`, and the learner to go on behind; None where that was all.

    A learner is given whole: there may be more than `limit`. `text` says the cause in words.
    """
    async with database.connection() as connection:
        rows = await key_states.standings_behind(connection, tenant, after, LEARNERS_A_PAGE, None)
    found: list[dict[str, Any]] = []
    for learner, state in rows:
        open_ = _suggestions(unpack_learner(state), language)
        found += [{"learner": learner, **each} for each in open_ if owner in (None, each["owner"])]
        if len(found) >= limit:
            return found, learner
    return found, rows[-1]["learner"] if len(rows) == LEARNERS_A_PAGE else None


async def support_of(database: Database, tenant: str, learner: str, language: Language) -> dict[str, Any]:
    """Return `suggestions`, and `ungraded`: handed-in work that waits for a grade."""
    standing, zone = await _standing_of(database, tenant, learner)
    works = [_ungraded(work, language, zone) for _, work in sorted(standing.ungraded.items())]
    return {"suggestions": _suggestions(standing, language), "ungraded": works}


async def ungraded_of(
    database: Database, tenant: str, learner: str, competency: str, language: Language
) -> list[dict[str, Any]]:
    """Return the handed-in work on a competency that waits for a grade, the oldest first, with words."""
    standing, zone = await _standing_of(database, tenant, learner)
    works = (work for work in standing.ungraded.values() if competency in work.competencies)
    return [_ungraded(work, language, zone) for work in sorted(works, key=lambda work: work.since)]


async def _standing_of(database: Database, tenant: str, learner: str) -> tuple[LearnerState, str]:
    """Return a learner's standing, and the time zone of the tenant's days."""
    async with database.connection() as connection:
        stored = await key_states.standing_of(connection, tenant, learner)
        return standing_in(stored), await rulebook.zone_of(connection, tenant)


def _suggestions(standing: LearnerState, language: Language) -> list[dict[str, Any]]:
    say = phrases(language)
    return [
        {"scope": scope, **msgspec.structs.asdict(open_), "text": say(f"support.{open_.cause}")}
        for scope, open_ in (*standing.suggestions(), *standing.plan_reviews.items())
    ]


def _ungraded(work: HandedIn, language: Language, time_zone: str) -> dict[str, Any]:
    """Return handed-in work as it is answered, with what there is to say of it in words."""
    text = phrases(language)("ungraded", activity=work.activity, day=local_date(work.since, time_zone))
    return {"source": work.source, "activity": work.activity, "since": work.since,
            "competencies": list(work.competencies), "text": text}  # fmt: skip
