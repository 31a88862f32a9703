"""What a learner's record asks of adults now, and where there is enough evidence."""

import asyncio
from typing import Any

import msgspec

from services.progression.curriculum import framework_of
from services.progression.handlers.histories import History
from services.progression.handlers.memory import read_framework, unpack_key, unpack_learner
from services.progression.handlers.rules import rules_of
from services.progression.inputs import Key, valid_pieces
from services.progression.journal import unpack_entries
from services.progression.learner import LearnerState
from services.progression.policy import Policy, policy_from
from services.progression.probing import smallest_change
from services.progression.standing import rule_of
from services.progression.states import KeyState
from services.progression.support import Calendar, is_settled, learning_support, running_score, school_support
from services.progression.tables import journals, key_states, rulebook
from shared.database import Database

OPEN_MAX = 50
"""Open competencies of which the smallest next evidence is looked for: each may take some 10 ms."""


async def support_of(
    database: Database, tenant: str, learner: str, today: str, year_ends: str, owner: str
) -> dict[str, Any]:
    """Return `suggestions`, `enough` (competencies of which no single test changes the verdict) and `next` evidence."""
    async with database.connection() as connection:
        rows = await key_states.states_of(connection, tenant, learner)
        states = {(tenant, learner, competency): unpack_key(state) for competency, state in rows}
        bodies = await journals.load_evidence(connection, list(states)) if states else []
        stored = await key_states.standing_of(connection, tenant, learner)
        graphs = [read_framework(body) for body in await rulebook.frameworks_of(connection, tenant)]
        policies = {
            digest: policy_from(msgspec.json.decode(body))
            for digest, body in await rulebook.policies_of(connection, tenant)
        }
        calendar = Calendar(year_ends, (await rules_of(connection, tenant, "")).breaks[-1])
    held = {key: History() for key in states}
    for of, name, competency, body in bodies:
        for entry in unpack_entries(body):
            held[of, name, competency].take(competency, entry)
    standing = unpack_learner(stored) if stored is not None else LearnerState()
    needs = {competency: needed for graph in graphs for competency, needed in graph.prerequisites.items()}
    return await asyncio.to_thread(
        _suggest, states, held, policies, standing, needs, today=today, calendar=calendar, owner=owner
    )


def _suggest(
    states: dict[Key, KeyState],
    held: dict[Key, History],
    policies: dict[str, Policy],
    standing: LearnerState,
    needs: dict[str, tuple[str, ...]],
    *,
    today: str,
    calendar: Calendar,
    owner: str,
) -> dict[str, Any]:
    suggestions: list[dict[str, Any]] = []
    enough: list[str] = []
    following: list[dict[str, Any]] = []
    scores: dict[str, float | None] = {}
    rules = {key: rule_of(policies.get(state.policy), state) for key, state in states.items()}
    pieces = {key: list(valid_pieces(history.evidence)) for key, history in held.items()}
    for key, rule in rules.items():
        scores[key[2]] = running_score(rule, pieces[key]) if rule is not None and pieces[key] else None
    for key, rule in rules.items():
        if rule is None:
            continue
        competency, decisions = key[2], held[key].decisions
        missing = {code: scores.get(code) for code in needs.get(competency, ()) if standing.since(code) is None}
        found = learning_support(rule, pieces[key], today, calendar, owner, missing, decisions)
        if found is not None:
            suggestions.append({"competency": competency, "framework": framework_of(competency), **found._asdict()})
        if is_settled(rule, pieces[key], decisions):
            enough.append(competency)
        elif competency not in standing.satisfied and len(following) < OPEN_MAX:
            change = smallest_change(pieces[key], rule, decisions)
            if change is not None:
                following.append({"competency": competency, **change._asdict()})
    for competency, (role, since, *_) in standing.awaiting.items():
        waits = school_support("sign_off", since, today, calendar, role)
        if waits is not None:
            suggestions.append({"competency": competency, "framework": framework_of(competency), **waits._asdict()})
    following.sort(key=lambda change: (change["pieces"], change["competency"]))
    return {"suggestions": suggestions, "enough": enough, "next": following}
