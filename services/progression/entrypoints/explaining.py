"""Why a status is what it is, now or as of an earlier moment."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from services.progression.domain.explanation import in_words
from services.progression.domain.policy.phrases import Language
from services.progression.entrypoints.answered import Enough, Explained
from services.progression.entrypoints.asking import may_read, sees, waits
from services.progression.handlers.enough import OPEN_MAX, enough_of
from services.progression.handlers.explaining import explain
from services.progression.handlers.planning import told as plan_told
from services.progression.handlers.supporting import ungraded_of
from shared.auth import Identity
from shared.database import Database
from shared.described import answered
from shared.errors import NotFound
from shared.events import utc
from shared.permissions import View
from shared.settings import Settings
from shared.web import Caller, Instant

AsOf = Annotated[Instant | None, Query(description="what had been recorded and decided by then")]


def tenant_of(caller: Identity, learner: str, tenant: str | None, what: View) -> str:
    """Return the tenant to read something of a learner in; raises `Forbidden` where the caller may not."""
    if tenant is not None:
        return caller.tenant_asked(tenant)
    may_read(caller, learner, what)
    return caller.tenant


def explaining_router(database: Database, settings: Settings) -> APIRouter:
    """Return the route of explanations."""
    router = APIRouter(tags=["mastery"], dependencies=[waits(database, settings)])

    @router.get("/v1/learners/{learner}/competencies/{competency:path}/explanation", responses=answered(Explained))
    async def explanation(
        learner: str, competency: str, caller: Caller, as_of: AsOf = None, tenant: str | None = None,
        language: Language = "en",
    ) -> dict[str, Any]:  # fmt: skip
        """
        The evidence with its weights, every rule with whether it is met, what is missing, the smallest change, and under
        `enough`, where it is so, that one more test would not change the status.

        All of it is said in `language`; beside what is said stands the fact itself, a code with its values (`asks_fact`,
        `missing_facts`), for whoever says it otherwise. Staff (scope `decisions:write`, in a role that sees support) are told
        under `ungraded` which handed-in work waits for a grade now, and who sees the learner's plans under `plan` which one is in
        force, null for none. `tenant` is for a service that has checked who may see this.
        """
        of = tenant_of(caller, learner, tenant, "why")
        at = utc(as_of) if as_of is not None else None
        found = await explain(database, settings.shards, (of, learner, competency), at)
        if found is None:
            raise NotFound("nothing is recorded of this competency of this learner")
        answer = {
            "learner": learner, "competency": competency, **in_words(found.explanation, language),
            "policy": msgspec.to_builtins(found.policy), "framework": found.framework, "as_of": at,
        }  # fmt: skip
        if "decisions:write" in caller.scopes and caller.sees("support") and at is None:
            answer["ungraded"] = await ungraded_of(database, of, learner, competency, language)
        if sees(caller, learner, "plan"):
            answer["plan"] = msgspec.to_builtins(plan_told(competency, found.plan)) if found.plan is not None else None
        return answer

    @router.get("/v1/learners/{learner}/next-evidence", responses=answered(Enough))
    async def next_evidence(
        learner: str, caller: Caller, tenant: str | None = None, language: Language = "en",
        limit: Annotated[int, Query(ge=1, le=OPEN_MAX)] = OPEN_MAX,
    ) -> dict[str, Any]:  # fmt: skip
        """
        Under `enough` the competencies of which one more test, however it turns out, would not change the status; under `next`,
        of `limit` that are open, the nearest first, the smallest evidence that could settle them (`shows`) and what it would
        do (`text`).

        `tenant` is for a service that has checked who may see this.
        """
        of = tenant_of(caller, learner, tenant, "why")
        return {"learner": learner, **await enough_of(database, of, learner, language, limit)}

    return router
