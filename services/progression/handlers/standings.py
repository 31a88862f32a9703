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
) -> tuple[dict[str, list[dict[str, Any]]], str | None]:
    """
    Return the standings of the next `limit` learners behind one, and the learner to go on behind (None at the end).

    Of `items`, one a level, `event` is the id of what told the level's status, `seq` the number of what was told of it last,
    and the competencies are those of the level with something recorded; `retired` has those that lie in no level of the
    framework any more. `snapshots` are of closed terms, their amendments in the digest.
    """
    frameworks = {f.id: f for f in map(read_framework, await rulebook.frameworks_of(connection, tenant))}
    policies = await policies_of(connection, tenant)
    rows = await key_states.states_behind(connection, tenant, after, limit)
    by_learner: dict[str, list[MasteryUpdated]] = {}
    for learner, competency, body in rows:
        own = by_learner.setdefault(learner, [])
        if competency is None:
            continue
        state = unpack_key(body)
        # Without evidence and told of nobody there is nothing to tell but that a plan was made, or ended.
        if state.pieces or state.told or state.lost or any(each.kind != "plan" for each in state.decided):
            own.append(describe((tenant, learner, competency), state, policies))
    stored = await key_states.load_standings(connection, [(tenant, learner) for learner in by_learner])
    known = {learner: unpack_learner(body) for _, learner, body in stored}
    page: dict[str, list[dict[str, Any]]] = {"items": [], "retired": [], "snapshots": []}
    for learner, states in by_learner.items():
        for name, found in standings_of(learner, states, known.get(learner, LearnerState()), frameworks).items():
            page[name] += found
    return page, (list(by_learner)[-1] if len(by_learner) == limit else None)


def standings_of(
    learner: str, states: list[MasteryUpdated], standing: LearnerState, frameworks: dict[str, Framework]
) -> dict[str, list[dict[str, Any]]]:
    """Return the `items`, `retired` and `snapshots` of one learner, by the framework versions in force."""
    levels: dict[str, list[MasteryUpdated]] = {}
    retired: list[MasteryUpdated] = []
    for state in states:
        framework = frameworks.get(framework_of(state.competency))
        entry = framework.by_id.get(state.competency) if framework is not None else None
        if framework is None or entry is None:
            retired.append(state)
        else:
            levels.setdefault(level_id(framework.id, entry), []).append(state)
    for level in (*standing.seqs, *standing.advanced, *standing.requested, *standing.gaps):
        levels.setdefault(level, [])
    items = [
        {
            "learner": learner,
            "framework": framework_of_level(level),
            "level": level,
            **dict(zip(("status", "event"), standing.told_of(level), strict=True)),
            "seq": standing.seqs.get(level),
            "effective_at": standing.reached.get(level) if level in standing.advanced else None,
            "credit": _credit(standing, level),
            "competencies": [_held(state, standing) for state in held],
        }
        for level, held in sorted(levels.items())
    ]
    return {
        "items": items,
        "retired": [
            {"learner": learner, "framework": framework_of(state.competency), **_held(state, standing)}
            for state in retired
        ],
        "snapshots": [
            {"learner": learner, "session": session, "digest": digest} for session, digest in standing.ended.items()
        ],
    }


def _held(state: MasteryUpdated, standing: LearnerState) -> dict[str, Any]:
    return {
        "competency": state.competency, "status": state.status, "seq": state.seq,
        "effective_at": state.mastered_at or standing.satisfied.get(state.competency),
        "policy": msgspec.to_builtins(state.policy),
    }  # fmt: skip


def _credit(standing: LearnerState, level: str) -> dict[str, str | float] | None:
    if level not in standing.advanced or level not in standing.credits:
        return None
    code, value = standing.credits[level]
    return {"code": code, "value": value}
