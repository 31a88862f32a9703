"""Which policies decide now, for pages that show them."""

from typing import Any

from fastapi import APIRouter

from services.progression.domain.policy.phrases import Language
from services.progression.entrypoints.answered_rules import PolicyInForce
from services.progression.handlers.adopting import told_without_few
from services.progression.handlers.in_force import policies_in_force
from shared.database import Database
from shared.described import Items, answered
from shared.tenant_limits import TenantLimits
from shared.web import Caller


def in_force_router(database: Database, limits: TenantLimits) -> APIRouter:
    """Return the route on the policies in force; it needs scope records:read or policy:write."""
    router = APIRouter(tags=["policies"])

    @router.get("/v1/policies/in-force", responses=answered(Items[PolicyInForce]))
    async def in_force(
        caller: Caller, competency: str = "", tenant: str | None = None, language: Language = "en"
    ) -> dict[str, Any]:
        """
        The policies that decide a competency, or any: six sentences, what is asked, the scale, how it was adopted,
        and in which frameworks it decides.

        Sentences and what is asked are in `language`. `tenant` is for a service that has checked who asks. What was foreseen
        of an adoption is told without small numbers, but to a caller who sees the records of the tenant.
        """
        of = caller.tenant_asked(tenant, "records:read", "policy:write")
        items = await policies_in_force(database, of, competency, language)
        if not caller.sees("record"):
            for each in items:
                if each["adoption"]:
                    each["adoption"] = told_without_few(each["adoption"], limits.small_number(of))
        return {"items": items}

    return router
