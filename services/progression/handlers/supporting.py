"""What is open of support, of which competencies there is enough evidence, and what the next evidence could settle."""

import asyncio
from typing import Any

import msgspec

from services.progression.domain.inputs import Key, valid_pieces
from services.progression.domain.journal import unpack_entries
from services.progression.domain.learner import HandedIn, LearnerState
from services.progression.domain.policy import Policy
from services.progression.domain.policy.phrases import Language, phrases
from services.progression.domain.probing import smallest_change
from services.progression.domain.settled import is_settled
from services.progression.domain.standing import rule_of
from services.progression.domain.states import KeyState
from services.progression.handlers.histories import History
from services.progression.handlers.memory import unpack_key, unpack_learner
from services.progression.handlers.rules import policies_of
from services.progression.tables import journals, key_states
from shared.database import Database

OPEN_MAX = 50
"""Open competencies of which the smallest next evidence is looked for: each may take some 10 ms."""
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
    """
    Return `suggestions`, `ungraded` (handed-in work that waits for a grade), `enough` (competencies of which no single test
    changes the verdict) and `next` evidence.
    """
    async with database.connection() as connection:
        rows = await key_states.states_of(connection, tenant, learner)
        states = {(tenant, learner, competency): unpack_key(state) for competency, state in rows}
        bodies = await journals.load_evidence(connection, list(states)) if states else []
        stored = await key_states.standing_of(connection, tenant, learner)
        policies = await policies_of(connection, tenant)
    held = {key: History() for key in states}
    for of, name, competency, body in bodies:
        for entry in unpack_entries(body):
            held[of, name, competency].take(competency, entry)
    standing = unpack_learner(stored) if stored is not None else LearnerState()
    answer = await asyncio.to_thread(_answer, states, held, policies, standing)
    works = [_ungraded(work, language) for _, work in sorted(standing.ungraded.items())]
    return {"suggestions": _suggestions(standing, language), "ungraded": works} | answer


async def ungraded_of(
    database: Database, tenant: str, learner: str, competency: str, language: Language
) -> list[dict[str, Any]]:
    """Return the handed-in work on a competency that waits for a grade, the oldest first, with words."""
    async with database.connection() as connection:
        stored = await key_states.standing_of(connection, tenant, learner)
    works = unpack_learner(stored).ungraded.values() if stored is not None else ()
    found = sorted((work for work in works if competency in work.competencies), key=lambda work: work.since)
    return [_ungraded(work, language) for work in found]


def _answer(
    states: dict[Key, KeyState], held: dict[Key, History], policies: dict[str, Policy], standing: LearnerState
) -> dict[str, Any]:
    enough: list[str] = []
    following: list[dict[str, Any]] = []
    for key, state in states.items():
        rule = rule_of(policies.get(state.policy), state)
        if rule is None:
            continue
        competency, decisions = key[2], held[key].decisions
        pieces = list(valid_pieces(held[key].evidence))
        if is_settled(rule, pieces, decisions):
            enough.append(competency)
        elif competency not in standing.satisfied and len(following) < OPEN_MAX:
            change = smallest_change(pieces, rule, decisions)
            if change is not None:
                following.append({"competency": competency, **change._asdict()})
    following.sort(key=lambda change: (change["pieces"], change["competency"]))
    return {"enough": enough, "next": following}


def _suggestions(standing: LearnerState, language: Language) -> list[dict[str, Any]]:
    say = phrases(language)
    return [
        {"scope": scope, **msgspec.structs.asdict(open_), "text": say(f"support.{open_.cause}")}
        for scope, open_ in standing.support.items()
    ]


def _ungraded(work: HandedIn, language: Language) -> dict[str, Any]:
    """Return handed-in work as it is answered, with what there is to say of it in words."""
    text = phrases(language)("ungraded", activity=work.activity, day=work.since[:10])
    return {"source": work.source, "activity": work.activity, "since": work.since,
            "competencies": list(work.competencies), "text": text}  # fmt: skip
