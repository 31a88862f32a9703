"""Changing the rules by HTTP: propose, approve."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.progression.domain.rules import Mode
from services.progression.entrypoints.answered_analyses import Proposal, Proposed
from services.progression.entrypoints.answered_rules import PolicyApproved
from services.progression.entrypoints.policies import POLICY_BODY, check_framework
from services.progression.handlers.adopting import Adoptions, told_without_few
from services.progression.handlers.decisions import Decisions
from shared.described import Items, answered
from shared.errors import InvalidEvent
from shared.settings import Settings
from shared.tenant_limits import TenantLimits
from shared.web import Caller, Key, read_body

Reason = Annotated[str, Query(max_length=1000)]


def adopting_router(adoptions: Adoptions, decisions: Decisions, limits: TenantLimits, settings: Settings) -> APIRouter:
    """Return the routes; nothing but an approval changes anything."""
    router = APIRouter(tags=["policies"])

    @router.post(
        "/v1/policies/proposals",
        status_code=201,
        responses=answered(Proposed, "proposed", status=201),
        openapi_extra=POLICY_BODY,
    )
    async def propose(
        request: Request, caller: Caller, mode: Mode, reason: Reason, framework: str = "", key: Key = ""
    ) -> dict[str, Any]:
        """Propose the policy in the body for what is recorded; answers with what it is foreseen to do."""
        caller.require("policy:write")
        if not reason.strip():
            raise InvalidEvent("who proposes a policy says why", pointer="/reason")
        await check_framework(decisions, caller.tenant, framework)
        body = await read_body(request, settings)
        proposal = await adoptions.propose(caller.tenant, body, framework, mode, reason, caller.subject, key)
        return proposal if caller.sees("record") else told_without_few(proposal, limits.small_number(caller.tenant))

    @router.get("/v1/policies/proposals", responses=answered(Items[Proposal]))
    async def proposals(caller: Caller) -> dict[str, Any]:
        """What was proposed and approved, by whom and when; without small numbers for a caller who sees no records."""
        caller.require("policy:write", "records:read")
        items = await adoptions.proposals(caller.tenant)
        if not caller.sees("record"):
            items = [told_without_few(each, limits.small_number(caller.tenant)) for each in items]
        return {"items": items}

    @router.post("/v1/policies/proposals/{id}/approve", responses=answered(PolicyApproved))
    async def approve(id: str, caller: Caller, now_because: Reason = "") -> dict[str, Any]:
        """
        Put a proposal of somebody else into force; answers when all shards have taken it up, and recompute.

        In a change freeze (`freezes` of the settings) only with `now_because`: why it cannot wait, which stays with the proposal.
        """
        caller.require("policy:write")
        policy, positions = await adoptions.approve(caller.tenant, id, caller.subject, now_because)
        return {"policy": policy.id, "version": policy.version, "batch": id,
                "positions": await decisions.until_folded(positions)}  # fmt: skip

    return router
