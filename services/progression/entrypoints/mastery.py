"""Mastery by HTTP: a learner's states, and what the learner is ready for."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from services.progression.domain.curriculum.graph import frontier
from services.progression.domain.describing import describe
from services.progression.domain.learner import LearnerState
from services.progression.entrypoints.answered import Frontier, Mastery
from services.progression.handlers.logs import CONSUMER
from services.progression.handlers.memory import read_framework, unpack_key, unpack_learner
from services.progression.handlers.rules import policies_of
from services.progression.tables import key_states, published, rulebook
from shared.auth import Identity
from shared.contracts import MasteryUpdated
from shared.database import Connection, Database
from shared.described import answered
from shared.errors import Gone, InvalidEvent, NotFound
from shared.events import Position
from shared.permissions import View
from shared.settings import Settings
from shared.web import Caller, wait_for

Wait = Annotated[str | None, Query(description="a position that must be folded first")]


def mastery_router(database: Database, settings: Settings) -> APIRouter:
    """Return the routes on mastery, for people and platforms."""
    router = APIRouter(tags=["mastery"])
    waited = _waiter(database, settings)

    @router.get("/v1/learners/{learner}/mastery", responses=answered(Mastery))
    async def mastery(learner: str, caller: Caller, wait: Wait = None) -> dict[str, Any]:
        """The learner's mastery of every competency with evidence."""
        may_read(caller, learner, "record")
        await waited(wait)
        async with database.instant() as connection:
            states = await _described(connection, caller.tenant, learner)
        if not states:
            raise NotFound("no evidence of this learner in this tenant")
        return {"learner": learner, "position": wait, "items": [msgspec.to_builtins(state) for state in states]}

    @router.get("/v1/learners/{learner}/frontier", responses=answered(Frontier))
    async def frontier_of(learner: str, caller: Caller, wait: Wait = None) -> dict[str, Any]:
        """
        What the learner is ready for, with its direct prerequisites (roots have none), and what to review.

        `review` needs a re-check; `review_first` is on the record and nothing built on it is; `contradictions` are on
        the record without some prerequisites, which says something about the graph.
        """
        may_read(caller, learner, "record")
        await waited(wait)
        async with database.instant() as connection:
            standing = await key_states.standing_of(connection, caller.tenant, learner)
            bodies = await rulebook.frameworks_of(connection, caller.tenant)
            states = await _described(connection, caller.tenant, learner)
        known = unpack_learner(standing) if standing is not None else LearnerState()
        around = [
            (framework, frontier(framework, known.satisfied, known.presumed))
            for framework in map(read_framework, bodies)
        ]
        return {
            "ready": [
                {"competency": competency, "prerequisites": list(framework.prerequisites.get(competency, ()))}
                for framework, found in around
                for competency in found.outer
            ],
            "review": [state.competency for state in states if state.status == "reverify_due"],
            "review_first": [competency for _, found in around for competency in found.inner],
            "contradictions": [
                {"competency": competency, "missing": list(missing)}
                for _, found in around
                for competency, missing in found.missing.items()
            ],
        }

    return router


def may_read(caller: Identity, learner: str, what: View) -> None:
    """Let who sees something of every learner pass, and a learner to the own record; raises `Forbidden`."""
    if caller.learner != learner or "records:read:self" not in caller.scopes:
        caller.require_sight(what)


def _waiter(database: Database, settings: Settings) -> Callable[[str | None], Awaitable[None]]:
    """Return what waits until a position of the evidence log or the inbox is folded."""

    async def waited(token: str | None) -> None:
        if token is None:
            return
        position = Position.parse(token)
        if position.log not in ("evidence", "decisions") or position.shard >= settings.shards:
            raise InvalidEvent("wait for a position of the log evidence or decisions", pointer="/wait")

        async def reached() -> bool:
            async with database.connection() as connection:
                generation, pos, inbox = (await published.folded_positions(connection, CONSUMER))[position.shard]
            if position.log == "evidence" and generation != position.generation:
                raise Gone(f"the position is of generation {position.generation}, this is {generation}")
            return (pos if position.log == "evidence" else inbox) >= position.pos

        await wait_for(reached, settings)

    return waited


async def _described(connection: Connection, tenant: str, learner: str) -> list[MasteryUpdated]:
    policies = await policies_of(connection, tenant)
    rows = await key_states.states_of(connection, tenant, learner)
    return [describe((tenant, learner, competency), unpack_key(state), policies) for competency, state in rows]
