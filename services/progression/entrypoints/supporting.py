"""Support by HTTP, for staff alone: never on family pages, transcripts, exports, or among public events."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field

from services.progression.domain.decisions import SupportDecided, SupportOutcome
from services.progression.domain.policy.phrases import Language
from services.progression.entrypoints.answered import OpenSupport, Support
from services.progression.entrypoints.asking import waits
from services.progression.entrypoints.deciding import DECIDES, role_of
from services.progression.handlers.enough import OPEN_MAX, enough_of
from services.progression.handlers.judgements import Judgements, Made
from services.progression.handlers.supporting import open_support, support_of
from shared.database import Database
from shared.described import Items, answered
from shared.settings import Settings
from shared.web import Caller, Key, Strict

LIMIT_MAX = 1000
Role = Annotated[str, Query(pattern=r"^[a-z][a-z_]{0,39}$")]


class Closing(Strict):
    """
    What became of a suggestion that a person closes; `role` is one of the token's, the first where it is left out.

    `cause` says which, where more than one is open on a scope; left out, it is the one that was suggested first.
    """

    scope: Annotated[str, Field(min_length=1, max_length=300)]
    outcome: SupportOutcome
    role: Annotated[str, Field(max_length=40)] | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""
    cause: Annotated[str, Field(max_length=40)] = ""


def supporting_router(database: Database, judgements: Judgements, settings: Settings) -> APIRouter:
    """
    Return the routes on support; all need scope decisions:write.

    The roster is not known here: to read takes a scope for the whole tenant too, and people read at reporting.
    """
    router = APIRouter(tags=["support"])
    waited = waits(database, settings)

    @router.get("/v1/support", responses=answered(OpenSupport), dependencies=[waited])
    async def open_(
        caller: Caller,
        owner: Role | None = None,
        after: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_MAX,
        language: Language = "en",
    ) -> dict[str, Any]:
        """
        What is suggested and open, learner by learner, with the cause in words; `next` goes on from here, null at the end.
        """
        caller.require("decisions:write")
        caller.require_sight("support")
        found, next_ = await open_support(database, caller.tenant, after, limit, owner, language)
        return {"items": found, "next": next_}

    @router.get("/v1/learners/{learner}/support", responses=answered(Support), dependencies=[waited])
    async def support(learner: str, caller: Caller, language: Language = "en") -> dict[str, Any]:
        """
        What is suggested of a learner; which handed-in work waits for a grade; where there is enough evidence; and the
        smallest that could settle the rest.
        """
        caller.require("decisions:write")
        caller.require_sight("support")
        found = await support_of(database, caller.tenant, learner, language)
        return {"learner": learner, **found, **await enough_of(database, caller.tenant, learner, language, OPEN_MAX)}

    @router.post(
        "/v1/learners/{learner}/support/close",
        status_code=201,
        responses=answered(Items[Made], "closed", status=201),
        dependencies=[DECIDES],
    )
    async def close(learner: str, body: Closing, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Close a suggestion: the plan was changed, it is dismissed, or the learner has left."""
        role = role_of(caller, body.role)
        decided = SupportDecided(learner, body.scope, body.outcome, role, caller.subject, body.reason, body.cause)
        made = await judgements.decide(caller.tenant, [decided], key)
        return {"items": [msgspec.to_builtins(each) for each in made]}

    return router
