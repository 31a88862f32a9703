"""Policies and mastery over HTTP, and what the audit reads."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from services.progression.domain.curriculum.graph import frontier
from services.progression.domain.describing import describe
from services.progression.domain.journal import in_order
from services.progression.domain.learner import LearnerState
from services.progression.domain.policy import Policy, policy_from
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.logs import CONSUMER
from services.progression.handlers.memory import read_framework, unpack_key, unpack_learner
from services.progression.tables import journals, key_states, published, rulebook
from shared.contracts import MasteryUpdated
from shared.database import Connection, Database
from shared.errors import Gone, InvalidEvent, NotFound
from shared.events import Position
from shared.settings import Settings
from shared.web import Caller, Count, read_body, wait_for

EVIDENCE = "attain.evidence."
"""Inputs of these types stand in the evidence log, and are not repeated in what the audit reads."""
Wait = Annotated[str | None, Query(description="a position that must be folded first")]


def make_router(database: Database, decisions: Decisions, settings: Settings) -> APIRouter:
    """Return the routes for people and platforms."""
    router = APIRouter()
    _decision_routes(router, decisions, database, settings)
    _read_routes(router, database, settings)
    _audit_routes(router, database)
    return router


def _decision_routes(router: APIRouter, decisions: Decisions, database: Database, settings: Settings) -> None:
    async def folded(positions: dict[int, int]) -> dict[str, str]:
        await wait_for(lambda: decisions.folded(positions), settings)
        return {str(shard): str(Position("decisions", 1, shard, pos)) for shard, pos in positions.items()}

    @router.post("/v1/policies", tags=["policies"])
    async def set_policy(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """Put the policy in the body (JSON or YAML) into force; answers when all shards have folded it."""
        caller.require("policy:write")
        policy, positions = await decisions.set_policy(caller.tenant, await read_body(request, settings), framework)
        return {"policy": policy.id, "version": policy.version, "hash": policy.hash, "problems": [],
                "positions": await folded(positions)}  # fmt: skip

    @router.post("/v1/policies/check", tags=["policies"])
    async def check_policy(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """Say what is the matter with the policy in the body, without storing it; an error would be refused."""
        caller.require("policy:write", "records:read")
        body = await read_body(request, settings)
        policy, problems = await decisions.check_policy(caller.tenant, body, framework)
        return {"policy": policy.id, "version": policy.version, "hash": policy.hash,
                "problems": [problem._asdict() for problem in problems]}  # fmt: skip

    @router.get("/v1/policies", tags=["policies"])
    async def policies(caller: Caller) -> dict[str, Any]:
        """Every policy version of the tenant."""
        caller.require("records:read", "policy:write")
        async with database.connection() as connection:
            rows = await rulebook.policies_of(connection, caller.tenant)
        return {"items": [{"hash": digest, "content": msgspec.json.decode(body)} for digest, body in rows]}

    @router.post("/v1/learners/{learner}/redrive", tags=["operations"])
    async def redrive(learner: str, caller: Caller) -> dict[str, Any]:
        """Fold a blocked learner again, from where it stopped."""
        caller.require("admin")
        return {"positions": await folded(await decisions.redrive(caller.tenant, learner))}


def _read_routes(router: APIRouter, database: Database, settings: Settings) -> None:
    waited = _waiter(database, settings)

    @router.get("/v1/learners/{learner}/mastery", tags=["mastery"])
    async def mastery(learner: str, caller: Caller, wait: Wait = None) -> dict[str, Any]:
        """The learner's mastery of every competency with evidence."""
        may_read(caller, learner)
        await waited(wait)
        async with database.connection() as connection:
            states = await _described(connection, caller.tenant, learner)
        if not states:
            raise NotFound("no evidence of this learner in this tenant")
        return {"learner": learner, "position": wait, "items": [msgspec.to_builtins(state) for state in states]}

    @router.get("/v1/learners/{learner}/frontier", tags=["mastery"])
    async def frontier_of(learner: str, caller: Caller, wait: Wait = None) -> dict[str, Any]:
        """
        What the learner is ready for, with its direct prerequisites (roots have none), and what to review.

        `review` needs a re-check; `review_first` is on the record and nothing built on it is; `contradictions` are on
        the record without some prerequisites, which says something about the graph.
        """
        may_read(caller, learner)
        await waited(wait)
        async with database.connection() as connection:
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


def _audit_routes(router: APIRouter, database: Database) -> None:
    @router.get("/v1/states", tags=["audit"], response_class=PlainTextResponse)
    async def states(
        caller: Caller, after: str = "", limit: Annotated[int, Query(ge=1)] = 5000, tenant: str | None = None
    ) -> Response:
        """Every state as NDJSON in (tenant, learner, competency) order; header Attain-Next goes on from here."""
        caller.require("service")
        start = [*after.split("\t"), "", "", ""][:3]
        async with database.connection() as connection:
            policies = await _policies(connection, tenant)
            rows = await key_states.all_states(connection, tenant, (start[0], start[1], start[2]), min(limit, 10_000))
        lines = []
        for row in rows:
            key = (row["tenant"], row["learner"], row["competency"])
            state = describe(key, unpack_key(row["state"]), policies)
            lines.append(msgspec.json.encode({"tenant": row["tenant"], **msgspec.to_builtins(state)}))
        last = "\t".join((rows[-1]["tenant"], rows[-1]["learner"], rows[-1]["competency"])) if rows else ""
        return Response(b"\n".join(lines), headers={"Attain-Next": last}, media_type="application/x-ndjson")

    @router.get("/v1/journal", tags=["audit"], response_class=PlainTextResponse)
    async def journal(
        caller: Caller,
        shard: Annotated[int, Query(ge=0, le=1024)],
        after: Count = 0,
        limit: Annotated[int, Query(ge=1)] = 10_000,
    ) -> Response:
        """The input journal of a shard behind a position, as NDJSON arrays: pos, tenant, learner, competencies, type,
        input id and position, time, and the body of decisions."""
        caller.require("service")
        async with database.connection() as connection:
            rows = await journals.read_journal(connection, shard, after, min(limit, 50_000))
        lines = [
            msgspec.json.encode(
                [entry.pos, tenant, learner, competencies, entry.type, entry.id, entry.input_pos, entry.time,
                 None if entry.type.startswith(EVIDENCE) else bytes(entry.data).decode()]
            )
            for entry, tenant, learner, competencies in in_order(rows)
            if entry.pos > after
        ]  # fmt: skip
        return Response(b"\n".join(lines), media_type="application/x-ndjson")


def may_read(caller: Caller, learner: str) -> None:
    """Let who reads records pass, and a learner to the own record; raises `Forbidden`."""
    if caller.learner != learner or "records:read:self" not in caller.scopes:
        caller.require("records:read")


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
    policies = await _policies(connection, tenant)
    rows = await key_states.states_of(connection, tenant, learner)
    return [describe((tenant, learner, competency), unpack_key(state), policies) for competency, state in rows]


async def _policies(connection: Connection, tenant: str | None) -> dict[str, Policy]:
    return {
        digest: policy_from(msgspec.json.decode(body))
        for digest, body in await rulebook.policies_of(connection, tenant)
    }
