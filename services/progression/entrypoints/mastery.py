"""Mastery by HTTP: a learner's states, what the learner is ready for, and what people decided."""

from typing import Any

import msgspec
from fastapi import APIRouter

from services.progression.domain.curriculum.graph import frontier
from services.progression.domain.describing import describe
from services.progression.entrypoints.answered import Decisions, Frontier, Mastery
from services.progression.entrypoints.asking import may_read, waits
from services.progression.handlers.decided import decisions_of
from services.progression.handlers.memory import read_framework, standing_in, unpack_key
from services.progression.handlers.rules import policies_of
from services.progression.tables import key_states, published, rulebook
from shared.contracts.internal_events import MasteryUpdated
from shared.database import Connection, Database
from shared.described import answered
from shared.errors import NotFound
from shared.events import Position
from shared.settings import Settings
from shared.shards import shard_of
from shared.web import Caller


def mastery_router(database: Database, settings: Settings) -> APIRouter:
    """Return the routes on mastery, for people and platforms."""
    router = APIRouter(tags=["mastery"], dependencies=[waits(database, settings)])

    @router.get("/v1/learners/{learner}/mastery", responses=answered(Mastery))
    async def mastery(learner: str, caller: Caller) -> dict[str, Any]:
        """The learner's mastery of every competency with evidence; `position` is up to where the evidence log is folded."""
        may_read(caller, learner, "record")
        async with database.instant() as connection:
            states = await _described(connection, caller.tenant, learner)
            folded = await published.folded_positions(connection)
        if not states:
            raise NotFound("no evidence of this learner in this tenant")
        shard = shard_of(caller.tenant, learner, settings.shards)
        generation, pos, _ = folded[shard]
        position = Position("evidence", generation, shard, pos)
        return {
            "learner": learner, "position": str(position), "items": [msgspec.to_builtins(state) for state in states],
        }  # fmt: skip

    @router.get("/v1/learners/{learner}/frontier", responses=answered(Frontier))
    async def frontier_of(learner: str, caller: Caller) -> dict[str, Any]:
        """
        What the learner is ready for, with its direct prerequisites (roots have none), and what to review.

        `review` needs a re-check; `review_first` is on the record and nothing built on it is; `contradictions` are on
        the record without some prerequisites, which says something about the graph.
        """
        may_read(caller, learner, "record")
        async with database.instant() as connection:
            standing = await key_states.standing_of(connection, caller.tenant, learner)
            bodies = await rulebook.frameworks_of(connection, caller.tenant)
            states = await _described(connection, caller.tenant, learner)
        known = standing_in(standing)
        met = {*known.presumed, *(code for code in known.targets if known.by_plan(code) is not None)}
        around = [(framework, frontier(framework, known.satisfied, met)) for framework in map(read_framework, bodies)]
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

    @router.get("/v1/learners/{learner}/decisions", responses=answered(Decisions))
    async def decisions(learner: str, caller: Caller) -> dict[str, Any]:
        """What people decided of a learner, by whom and why, in order; for `admin`, who gives people what is held of them."""
        caller.require("admin")
        found = await decisions_of(database, settings.shards, caller.tenant, learner)
        return {"learner": learner, "items": [msgspec.to_builtins(each) for each in found]}

    return router


async def _described(connection: Connection, tenant: str, learner: str) -> list[MasteryUpdated]:
    policies = await policies_of(connection, tenant)
    zone = await rulebook.zone_of(connection, tenant)
    rows = await key_states.states_of(connection, tenant, learner)
    return [describe((tenant, learner, competency), unpack_key(state), policies, zone) for competency, state in rows]
