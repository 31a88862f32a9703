"""Where every learner stands in every level, for a subscriber that begins after the events were sent."""

from typing import Any

import msgspec

from services.progression.domain.curriculum import Framework, framework_of, framework_of_level, level_id
from services.progression.domain.describing import describe
from services.progression.domain.learner import LearnerState
from services.progression.handlers.memory import read_framework, unpack_key, unpack_learner
from services.progression.handlers.rules import policies_of
from services.progression.tables import key_states, rulebook
from shared.contracts.internal_events import MasteryUpdated
from shared.database import Connection


async def standings_behind(
    connection: Connection, tenant: str, after: str, limit: int
) -> tuple[list[dict[str, Any]], list[dict[str, str]], str | None]:
    """
    Return the standings of the next `limit` learners behind one, their snapshots of closed terms, and the learner to go on
    behind (None at the end).

    Each is {learner, framework, level, status, event, seq, effective_at, credit, competencies}: `event` is the id of what told
    the level's status, `seq` the number of what was told of it last, and the competencies are those of the level with
    something recorded, each {competency, status, effective_at, seq, policy}. A snapshot is {learner, session, digest}, its
    amendments in the digest.
    """
    frameworks = {f.id: f for f in map(read_framework, await rulebook.frameworks_of(connection, tenant))}
    policies = await policies_of(connection, tenant)
    rows = await key_states.states_behind(connection, tenant, after, limit)
    by_learner: dict[str, list[MasteryUpdated]] = {}
    for learner, competency, body in rows:
        own, state = by_learner.setdefault(learner, []), unpack_key(body)
        # Without evidence and told of nobody there is nothing to tell but that a plan was made, or ended.
        if state.pieces or state.told or state.lost or any(each.kind != "plan" for each in state.decided):
            own.append(describe((tenant, learner, competency), state, policies))
    stored = await key_states.load_standings(connection, [(tenant, learner) for learner in by_learner])
    known = {learner: unpack_learner(body) for _, learner, body in stored}
    items = [
        item
        for learner, states in by_learner.items()
        for item in _of_learner(learner, states, known.get(learner, LearnerState()), frameworks)
    ]
    snapshots = [
        {"learner": learner, "session": session, "digest": digest}
        for learner in by_learner
        for session, digest in known.get(learner, LearnerState()).ended.items()
    ]
    return items, snapshots, (list(by_learner)[-1] if len(by_learner) == limit else None)


def _of_learner(
    learner: str, states: list[MasteryUpdated], standing: LearnerState, frameworks: dict[str, Framework]
) -> list[dict[str, Any]]:
    levels: dict[str, list[MasteryUpdated]] = {}
    for state in states:
        framework = frameworks.get(framework_of(state.competency))
        entry = framework.by_id.get(state.competency) if framework is not None else None
        if framework is not None and entry is not None:
            levels.setdefault(level_id(framework.id, entry), []).append(state)
    for level in (*standing.seqs, *standing.advanced, *standing.requested, *standing.gaps):
        levels.setdefault(level, [])
    return [
        {
            "learner": learner,
            "framework": framework_of_level(level),
            "level": level,
            **dict(zip(("status", "event"), standing.told_of(level), strict=True)),
            "seq": standing.seqs.get(level),
            "effective_at": standing.reached.get(level) if level in standing.advanced else None,
            "credit": _credit(standing, level),
            "competencies": [
                {"competency": s.competency, "status": s.status, "seq": s.seq,
                 "effective_at": s.mastered_at or standing.satisfied.get(s.competency),
                 "policy": msgspec.to_builtins(s.policy)}
                for s in held
            ],
        }
        for level, held in sorted(levels.items())
    ]  # fmt: skip


def _credit(standing: LearnerState, level: str) -> dict[str, str | float] | None:
    if level not in standing.advanced or level not in standing.credits:
        return None
    code, value = standing.credits[level]
    return {"code": code, "value": value}
