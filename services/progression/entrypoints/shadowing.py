"""Shadow mode by HTTP: policies that run beside the live ones and are told to nobody."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.progression.domain.analysis.told_comparison import told_differences, told_shadow_levels
from services.progression.entrypoints.answered_analyses import LevelsCompared
from services.progression.entrypoints.answered_shadows import Differences, Shadow, ShadowBegun
from services.progression.entrypoints.policies import POLICY_BODY, check_framework, versioned
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.shadowing import Shadows
from shared.described import Items, answered
from shared.settings import Settings
from shared.tenant_limits import TenantLimits
from shared.web import Caller, read_body


def shadowing_router(shadows: Shadows, decisions: Decisions, limits: TenantLimits, settings: Settings) -> APIRouter:
    """Return the routes on shadows; they need scope policy:write, or records:read to look."""
    router = APIRouter(tags=["policies"])

    @router.post(
        "/v1/policies/shadows",
        status_code=201,
        responses=answered(ShadowBegun, "runs", status=201),
        openapi_extra=POLICY_BODY,
    )
    async def start(request: Request, caller: Caller, framework: str = "") -> dict[str, Any]:
        """Let the policy in the body run beside the live one, on what is recorded and on what comes."""
        caller.require("policy:write")
        await check_framework(decisions, caller.tenant, framework)
        policy = await shadows.start(caller.tenant, await read_body(request, settings), framework, caller.subject)
        return versioned(policy)

    @router.get("/v1/policies/shadows", responses=answered(Items[Shadow]))
    async def listed(caller: Caller) -> dict[str, Any]:
        """
        The policies in shadow: how far behind, and how many pairs differ by the two statuses.

        Small numbers are null for a caller who does not see the records of the tenant.
        """
        caller.require("policy:write", "records:read")
        items = await shadows.of_tenant(caller.tenant)
        if not caller.sees("record"):
            small = limits.small_number(caller.tenant)
            items = [each | {"differences": told_differences(each["differences"], small)} for each in items]
        return {"items": items}

    @router.get("/v1/policies/shadows/{policy}/differences", responses=answered(Differences))
    async def differences(
        policy: str,
        caller: Caller,
        after: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> dict[str, Any]:
        """
        Where a policy (its hash) and the live one disagree, of the next `limit` learners behind `after`, and since when; under
        `levels` the levels that these learners would gain or lose.
        """
        caller.require("policy:write")
        caller.require_sight("record")
        items, levels = await shadows.differences(caller.tenant, policy, after, limit)
        return {"items": items, "levels": levels}

    @router.get("/v1/policies/shadows/{policy}/levels", responses=answered(LevelsCompared))
    async def levels(policy: str, caller: Caller) -> dict[str, Any]:
        """
        How many learners would gain or lose a level under a policy (its hash), of those of whom it and the live one differ, by
        level, school and group. Small numbers of schools and groups are null; all are for a caller who does not see the records
        of the tenant.
        """
        caller.require("policy:write")
        small = limits.small_number(caller.tenant)
        report = await shadows.levels(caller.tenant, policy, small)
        if caller.sees("record"):
            return report
        items = await shadows.of_tenant(caller.tenant)
        differences = [row for each in items if each["policy"] == policy for row in each["differences"]]
        return told_shadow_levels(report, differences, small)

    @router.delete("/v1/policies/shadows/{policy}", status_code=204)
    async def stop(policy: str, caller: Caller) -> Response:
        """End a shadow and drop its log."""
        caller.require("policy:write")
        await shadows.stop(caller.tenant, policy)
        return Response(status_code=204)

    return router
