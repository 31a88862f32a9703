"""Individual plans by HTTP: for whom a plan is, and for the few who make and carry it out; no public event tells of one."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import Field, model_validator

from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.plans import Plan, PlanKind, PlanReason
from services.progression.entrypoints.answered import Plans
from services.progression.entrypoints.asking import waits
from services.progression.entrypoints.deciding import DECIDES, Name, role_of
from services.progression.entrypoints.explaining import tenant_of
from services.progression.handlers.judgements import Judgements, Made
from services.progression.handlers.planning import plans_of
from shared import permissions
from shared.auth import Identity
from shared.database import Database
from shared.described import Items, answered
from shared.errors import Forbidden
from shared.settings import Settings
from shared.web import Caller, Key, Strict

PIECES_MAX = 20
DAYS_MAX = 366
ACCOMMODATIONS_MAX = 20
_DURABLE = answered(Items[Made], "durable", status=201)
_OF: dict[PlanKind, tuple[str, ...]] = {
    "accommodate": ("accommodations",), "extend": ("pieces", "days"), "substitute": ("instead",), "exempt": (),
}  # fmt: skip
"""What a plan of a kind says, at least one of them."""


class OfPlan(Strict):
    """Whom and what a plan is for; `role` is one of the token's, the first that may where it is left out."""

    learner: Name
    competency: Name
    role: Annotated[str, Field(max_length=40)] | None = None


class NewPlan(OfPlan):
    """
    A plan: `accommodate` with `accommodations`, `extend` with more `pieces` or `days`, `substitute` with what is asked `instead`,
    `exempt` with nothing else. It is to be looked at again after the day `review_at`, and is in force until another is made or
    it is ended.
    """

    kind: PlanKind
    code: PlanReason
    review_at: datetime.date
    instead: Name | None = None
    pieces: int = Field(0, ge=0, le=PIECES_MAX)
    days: int = Field(0, ge=0, le=DAYS_MAX)
    accommodations: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field([], max_length=ACCOMMODATIONS_MAX)

    @model_validator(mode="after")
    def _says_what_its_kind_does(self) -> "NewPlan":
        own = _OF[self.kind]
        said = [name for names in _OF.values() for name in names if getattr(self, name)]
        if any(name not in own for name in said) or (own and not said):
            raise ValueError(f"a plan of the kind {self.kind} says {' or '.join(own) or 'nothing else'}")
        return self


def planning_router(judgements: Judgements, database: Database, settings: Settings) -> APIRouter:
    """Return the routes; who makes or ends a plan does so in a role that may."""
    router = APIRouter(tags=["plans"])

    @router.post("/v1/plans", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def make(body: NewPlan, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Make a plan for a learner and competency, in the place of the one that is in force there."""
        plan = Plan(
            body.kind, body.code, body.review_at.isoformat(), body.instead or "", body.pieces, body.days,
            tuple(body.accommodations),
        )  # fmt: skip
        return _answer(await judgements.decide(caller.tenant, [_decided(caller, body, plan=plan)], key))

    @router.post("/v1/plans/{id}/end", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def end(id: str, body: OfPlan, caller: Caller, key: Key = "") -> dict[str, Any]:
        """End a plan: it holds no more, and what is on the record or advanced stays; 404 where it is not in force."""
        return _answer(await judgements.decide(caller.tenant, [_decided(caller, body, undoes=id)], key))

    @router.get("/v1/learners/{learner}/plans", responses=answered(Plans), dependencies=[waits(database, settings)])
    async def plans(learner: str, caller: Caller, tenant: str | None = None) -> dict[str, Any]:
        """
        The plans of a learner that are in force; also for `admin`, who gives people what is held of them.

        `tenant` is for a service that has checked who may see this.
        """
        exports = tenant is None and "admin" in caller.scopes
        of = caller.tenant if exports else tenant_of(caller, learner, tenant, "plan")
        found = await plans_of(database, of, learner)
        return {"learner": learner, "items": [msgspec.to_builtins(each) for each in found]}

    return router


def _decided(caller: Identity, body: OfPlan, *, plan: Plan | None = None, undoes: str = "") -> CompetencyDecided:
    """Return a decision on a plan in a role that may make one; raises `Forbidden` without one."""
    named = caller.roles if body.role is None else [role_of(caller, body.role)]
    role = next((name for name in named if _may_plan(name)), None)
    if role is None:
        planners = [each.replace("_", " ") for each in permissions.those_that_may(permissions.ROLES, "set_plan")]
        raise Forbidden(f"a plan is made by a {' or a '.join(planners)}")
    return CompetencyDecided(
        body.learner, body.competency, "plan", role, caller.subject, "override", undoes=undoes, plan=plan
    )  # fmt: skip


def _may_plan(name: str) -> bool:
    role = permissions.role_of(name)
    return role is not None and "set_plan" in permissions.PERMISSIONS[role]


def _answer(made: Sequence[Made]) -> dict[str, Any]:
    return {"items": [msgspec.to_builtins(each) for each in made]}
