"""Changing the rules by HTTP: compare, propose, approve."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.progression.domain.analysis.told_comparison import told_comparison
from services.progression.domain.rules import Mode
from services.progression.entrypoints.answered_analyses import (
    Audited,
    PolicyCompared,
    PolicyReach,
    Proposal,
    Proposed,
)
from services.progression.entrypoints.answered_rules import PolicyApproved
from services.progression.entrypoints.policies import POLICY_BODY
from services.progression.handlers.adopting import Adoptions, told_without_few
from services.progression.handlers.auditing import audit_policies
from services.progression.handlers.decisions import Decisions
from shared.database import Database
from shared.described import Items, answered
from shared.errors import InvalidEvent
from shared.settings import Settings
from shared.tenant_limits import TenantLimits
from shared.web import Caller, Key, read_body

Reason = Annotated[str, Query(max_length=1000)]


def adopting_router(
    adoptions: Adoptions, decisions: Decisions, database: Database, limits: TenantLimits, settings: Settings
) -> APIRouter:
    """Return the routes; nothing but an approval changes anything."""
    router = APIRouter(tags=["policies"])

    @router.post("/v1/policies/compare", responses=answered(PolicyCompared), openapi_extra=POLICY_BODY)
    async def compare(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """
        What the policy in the body would do to all recorded evidence; small numbers of subjects, schools and groups are null.

        So is every small number for a caller who does not see the records of the tenant, and so not the learners behind it.
        """
        caller.require("policy:write")
        policy, report = await adoptions.compare(caller.tenant, await read_body(request, settings), framework)
        if not caller.sees("record"):
            report = told_comparison(report, limits.small_number(caller.tenant))
        return {"policy": policy.id, "version": policy.version, "hash": policy.hash, **report}

    @router.post("/v1/policies/reach", responses=answered(PolicyReach), openapi_extra=POLICY_BODY)
    async def reached(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """
        Of how many pairs of learner and competency with evidence the policy in the body could say anything.

        Pairs that another policy would decide are not counted. A problem says where fewer than half could be decided; nothing
        refuses such a policy. Small numbers by subject and grade are null, and all for who does not see the records.
        """
        caller.require("policy:write")
        if framework:
            await decisions.framework(caller.tenant, framework)
        policy, found = await adoptions.reach(caller.tenant, await read_body(request, settings), framework)
        report = found.report(limits.small_number(caller.tenant), sees_few=caller.sees("record"))
        problems = [problem._asdict() for problem in found.problems(report)]
        return {"policy": policy.id, "version": policy.version, "hash": policy.hash, "problems": problems, **report}

    @router.get("/v1/policies/audit", responses=answered(Items[Audited]))
    async def audit(
        caller: Caller,
        framework: str = "",
        outside: Annotated[str, Query(max_length=512, description="source of an outside test to agree with")] = "",
    ) -> dict[str, Any]:
        """
        How far the verdicts of the policies in force can be trusted, from the evidence that is held.

        Every pair is judged by its evidence alone: sign-offs, overrides and credit that people gave are in none of the figures.

        Under `redundancy` is the share of pieces that had less than one chance in twenty to change a status when they were given:
        while mastery was `shown`, and otherwise.
        """
        caller.require("policy:write", "records:read")
        if framework:
            await decisions.framework(caller.tenant, framework)
        return {"items": await audit_policies(database, settings, caller.tenant, framework, outside)}

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
