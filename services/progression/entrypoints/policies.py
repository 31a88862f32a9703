"""Policies by HTTP: put into force, checked, listed."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from services.progression.domain.policy import Policy
from services.progression.entrypoints.answered_rules import PolicyChecked, PolicySet, PolicyStored
from services.progression.handlers.decisions import Decisions
from services.progression.tables import rulebook
from shared.database import Database
from shared.described import Items, answered, named, reads
from shared.settings import Settings
from shared.web import Caller, read_body

POLICY = named(
    "Policy", {"type": "object", "description": "a policy, of the published JSON Schema", "required": ["id"]}
)
POLICY_BODY = reads({"application/json": POLICY, "application/yaml": POLICY})


def versioned(policy: Policy) -> dict[str, str]:
    """Return which version of a policy an answer is about."""
    return {"policy": policy.id, "version": policy.version, "hash": policy.hash}


async def check_framework(decisions: Decisions, tenant: str, framework: str) -> None:
    """Let a framework pass that the tenant has, and the empty name, which is of all; raises `NotFound`."""
    if framework:
        await decisions.framework(tenant, framework)


def policies_router(decisions: Decisions, database: Database, settings: Settings) -> APIRouter:
    """Return the routes on policies."""
    router = APIRouter(tags=["policies"])

    @router.post("/v1/policies", responses=answered(PolicySet), openapi_extra=POLICY_BODY)
    async def set_policy(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """
        Put the policy in the body (JSON or YAML) into force; answers when all shards have folded it.

        It says what shall be, so it needs no `Idempotency-Key`: what is in force there already is not activated again.
        """
        caller.require("policy:write")
        body = await read_body(request, settings)
        policy, warnings, positions = await decisions.set_policy(caller.tenant, body, framework)
        return versioned(policy) | {
            "problems": [problem._asdict() for problem in warnings], "positions": await decisions.until_folded(positions)
        }  # fmt: skip

    @router.post("/v1/policies/check", responses=answered(PolicyChecked), openapi_extra=POLICY_BODY)
    async def check_policy(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """Say what is the matter with the policy in the body, without storing it; an error would be refused."""
        caller.require("policy:write", "records:read")
        body = await read_body(request, settings)
        policy, problems = await decisions.check_policy(caller.tenant, body, framework)
        return versioned(policy) | {"problems": [problem._asdict() for problem in problems]}

    @router.get("/v1/policies", responses=answered(Items[PolicyStored]))
    async def policies(caller: Caller) -> dict[str, Any]:
        """Every policy version of the tenant."""
        caller.require("records:read", "policy:write")
        async with database.connection() as connection:
            rows = await rulebook.policies_of(connection, caller.tenant)
        return {"items": [{"hash": digest, "content": msgspec.json.decode(body)} for digest, body in rows]}

    return router
