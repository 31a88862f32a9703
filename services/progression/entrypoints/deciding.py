"""Decisions of people on learners: sign-offs, overrides, credits, placements, levels and goals."""

import datetime
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field

from services.progression.domain.decisions import CompetencyDecided, LevelDecided
from services.progression.entrypoints.answered import SignOffQueue
from services.progression.entrypoints.asking import waits
from services.progression.handlers.checking import Judgement
from services.progression.handlers.judgements import Judgements, Made
from services.progression.handlers.sign_offs import waiting
from shared.auth import Identity
from shared.database import Database
from shared.described import Items, answered
from shared.errors import Forbidden, InvalidEvent
from shared.events import utc
from shared.settings import Settings
from shared.web import Caller, Instant, Key, Strict, admits

ITEMS_MAX = 1000
_DURABLE = answered(Items[Made], "durable", status=201)
Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=300)]


class Body(Strict):
    """What most decisions are sent with. `role` is one of the token's roles; the first where it is left out."""

    role: Annotated[str, Field(max_length=40)] | None = None
    reason: Text = ""


class SignOffItem(Strict):
    """What is signed off of a learner: a competency or a level, at least one of them."""

    learner: Name
    competency: Name | None = None
    level: Name | None = None


class SignOffs(Body):
    """Sign-offs, as many as a class has."""

    items: list[SignOffItem] = Field(min_length=1, max_length=ITEMS_MAX)


class Override(Body):
    """A standing set by hand until an instant."""

    learner: Name
    competency: Name
    status: Literal["mastered", "not_yet"]
    until: Instant | None = None
    evidence: list[Name] = Field(default_factory=list, max_length=20)


class Credit(Body):
    """Credit for what was shown elsewhere."""

    learner: Name
    competency: Name
    basis: Literal["transfer", "test_out", "substitution"]
    provenance: Text = ""


class Lift(Body):
    """Undoes a decision on a competency by its id."""

    learner: Name
    competency: Name


class Placement(Body):
    """A learner's place on a level, whatever is shown."""

    learner: Name
    level: Name


class LevelDecision(Body):
    """A decision on a level that is not a sign-off."""

    learner: Name
    level: Name
    kind: Literal["withhold", "withdraw", "reinstate", "lift"]
    review_at: datetime.date | None = None
    appeal_to: Annotated[str, Field(max_length=200)] = ""


class Goal(Strict):
    """A level that a learner has chosen to work on, among the options seen."""

    learner: Name
    level: Name
    options: list[Name] = Field(default_factory=list, max_length=50)


def role_of(caller: Identity, named: str | None) -> str:
    """
    Return the role in which the caller decides of any learner of the tenant.

    Raises:
        Forbidden: it is none of the token's, or the roster says for whom the token may decide.
    """
    caller.require_of_all("decisions:write")
    if named is not None and named not in caller.roles:
        raise Forbidden(f"the token does not have the role {named}")
    if not caller.roles:
        raise Forbidden("the token names no role to decide in")
    return named or caller.roles[0]


DECIDES = admits(lambda caller: role_of(caller, None))
"""Lets those pass who decide of any learner of the tenant."""


def _is_learner(caller: Identity) -> bool:
    return caller.learner is not None and "records:read:self" in caller.scopes


def _choosing(caller: Identity) -> None:
    if not _is_learner(caller):
        role_of(caller, None)


def deciding_router(judgements: Judgements, database: Database, settings: Settings) -> APIRouter:
    """Return the routes; each decision answers with ids and positions once it is durable."""
    router = APIRouter(tags=["decisions"])

    async def made(caller: Identity, key: str, decided: Judgement) -> dict[str, Any]:
        return _answer(await judgements.decide(caller.tenant, [decided], key))

    @router.post("/v1/sign-offs", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def sign_off(body: SignOffs, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Confirm what waits for a sign-off, competencies or levels, one or a class at once; 409 for what does not."""
        role = role_of(caller, body.role)
        decided: list[Judgement] = []
        places: list[str] = []
        for number, item in enumerate(body.items):
            if item.level is None and item.competency is None:
                raise InvalidEvent("say which competency or level is signed off", pointer=f"/items/{number}")
            if item.level is not None:
                decided.append(LevelDecided(item.learner, item.level, "sign_off", role, caller.subject, body.reason))
            if item.competency is not None:
                decided.append(
                    _on_competency(caller, role, item.learner, item.competency, "sign_off", "sign_off", body)
                )
            places += [f"/items/{number}"] * (len(decided) - len(places))
        return _answer(await judgements.decide(caller.tenant, decided, key, places))

    @router.get("/v1/sign-offs", responses=answered(SignOffQueue), dependencies=[waits(database, settings)])
    async def queue(
        caller: Caller,
        role: str | None = None,
        learner: Annotated[list[Name] | None, Query(max_length=ITEMS_MAX, description="these alone: a class")] = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=ITEMS_MAX)] = ITEMS_MAX,
    ) -> dict[str, Any]:
        """What waits for a sign-off, learner by learner; `next` goes on from here, null at the end."""
        caller.require_sight("queues")
        found, next_ = await waiting(database, caller.tenant, after, limit, role, learner)
        return {"items": [msgspec.to_builtins(each) for each in found], "next": next_}

    @router.post("/v1/overrides", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def override(body: Override, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Set a competency by hand; the computed value is kept beside it."""
        decided = _on_competency(
            caller, role_of(caller, body.role), body.learner, body.competency, "override", "override", body
        )
        until = utc(body.until) if body.until is not None else None
        evidence = tuple(body.evidence)
        return await made(
            caller, key, msgspec.structs.replace(decided, status=body.status, until=until, evidence=evidence)
        )

    @router.post("/v1/credits", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def credit(body: Credit, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Credit a competency for a transfer, a test or a substitution; it never expires."""
        role = role_of(caller, body.role)
        decided = _on_competency(caller, role, body.learner, body.competency, "credit", body.basis, body)
        return await made(caller, key, msgspec.structs.replace(decided, provenance=body.provenance))

    @router.post("/v1/decisions/{id}/lift", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def lift(id: str, body: Lift, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Undo a sign-off, override, credit or presumption of a competency."""
        decided = _on_competency(
            caller, role_of(caller, body.role), body.learner, body.competency, "lift", "override", body
        )
        return await made(caller, key, msgspec.structs.replace(decided, undoes=id))

    return _level_routes(router, made)


def _level_routes(
    router: APIRouter, made: Callable[[Identity, str, Judgement], Awaitable[dict[str, Any]]]
) -> APIRouter:
    @router.post("/v1/placements", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def place(body: Placement, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Place a learner on a level; what lies below without evidence is presumed until evidence speaks."""
        role = role_of(caller, body.role)
        placed = LevelDecided(body.learner, body.level, "place", role, caller.subject, body.reason)
        return await made(caller, key, placed)

    @router.post("/v1/level-decisions", status_code=201, responses=_DURABLE, dependencies=[DECIDES])
    async def decide_level(body: LevelDecision, caller: Caller, key: Key = "") -> dict[str, Any]:
        """
        Withhold a level that was asked for, take an advancement back or undo that, or undo a sign-off, or a refusal that nobody
        was told of yet (`lift`); with a reason.
        """
        role = role_of(caller, body.role)
        review_at = body.review_at.isoformat() if body.review_at is not None else None
        decided = LevelDecided(
            body.learner, body.level, body.kind, role, caller.subject, body.reason, review_at, body.appeal_to
        )
        return await made(caller, key, decided)

    @router.post("/v1/goals", status_code=201, responses=_DURABLE, dependencies=[admits(_choosing)])
    async def choose(body: Goal, caller: Caller, key: Key = "") -> dict[str, Any]:
        """Note the goal that a learner has chosen; by the learner, or by an adviser."""
        own = _is_learner(caller) and caller.learner == body.learner
        role = "learner" if own else role_of(caller, None)
        decided = LevelDecided(body.learner, body.level, "choose", role, caller.subject, options=tuple(body.options))
        return await made(caller, key, decided)

    return router


def _on_competency(
    caller: Identity, role: str, learner: str, competency: str, kind: Any, basis: Any, body: Body
) -> CompetencyDecided:
    return CompetencyDecided(learner, competency, kind, role, caller.subject, basis, body.reason)


def _answer(made: list[Made]) -> dict[str, Any]:
    return {"items": [msgspec.to_builtins(each) for each in made]}
