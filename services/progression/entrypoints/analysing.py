"""What a policy would do to what is recorded, and how far those in force can be trusted, by HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.progression.domain.analysis.told_comparison import told_comparison
from services.progression.entrypoints.answered_analyses import Audited, PolicyCompared, PolicyReach
from services.progression.entrypoints.policies import POLICY_BODY, check_framework, versioned
from services.progression.handlers.adopting import Adoptions
from services.progression.handlers.auditing import audit_policies
from services.progression.handlers.decisions import Decisions
from shared.database import Database
from shared.described import Items, answered
from shared.settings import Settings
from shared.tenant_limits import TenantLimits
from shared.web import Caller, read_body


def analysing_router(
    adoptions: Adoptions, decisions: Decisions, database: Database, limits: TenantLimits, settings: Settings
) -> APIRouter:
    """Return the routes; they change nothing."""
    router = APIRouter(tags=["policies"])

    @router.post("/v1/policies/compare", responses=answered(PolicyCompared), openapi_extra=POLICY_BODY)
    async def compare(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """
        What the policy in the body would do to all recorded evidence; small numbers of subjects, schools and groups are null.

        So is every small number for a caller who does not see the records of the tenant, and so not the learners behind it.
        """
        caller.require("policy:write")
        await check_framework(decisions, caller.tenant, framework)
        policy, report = await adoptions.compare(caller.tenant, await read_body(request, settings), framework)
        if not caller.sees("record"):
            report = told_comparison(report, limits.small_number(caller.tenant))
        return versioned(policy) | report

    @router.post("/v1/policies/reach", responses=answered(PolicyReach), openapi_extra=POLICY_BODY)
    async def reached(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """
        Of how many pairs of learner and competency with evidence the policy in the body could say anything.

        Pairs that another policy would decide are not counted. A problem says where fewer than half could be decided; nothing
        refuses such a policy. Small numbers by subject and grade are null, and all for who does not see the records.
        """
        caller.require("policy:write")
        await check_framework(decisions, caller.tenant, framework)
        policy, found = await adoptions.reach(caller.tenant, await read_body(request, settings), framework)
        report = found.report(limits.small_number(caller.tenant), sees_few=caller.sees("record"))
        problems = [problem._asdict() for problem in found.problems(report)]
        return versioned(policy) | {"problems": problems} | report

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
        await check_framework(decisions, caller.tenant, framework)
        return {"items": await audit_policies(database, settings, caller.tenant, framework, outside)}

    return router
