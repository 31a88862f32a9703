"""Corrections by HTTP: what taking evidence back or scoring it anew would do; either is then done by sending evidence."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, model_validator

from services.progression.domain.selecting import Selection
from services.progression.entrypoints.answered_corrections import Correction, Forecast
from services.progression.handlers.correcting import forecast, forecast_of
from services.progression.handlers.references import References
from shared.contracts.internal_events import Score
from shared.database import Database
from shared.described import answered
from shared.events import utc
from shared.settings import Settings
from shared.tenant_limits import TenantLimits
from shared.web import Caller, Instant, Strict, needs

SCORES_MAX = 50_000
Text = Annotated[str, Field(max_length=512)]


class Rescored(Strict):
    """A piece by its source's id, and the score that it should have had: `raw` with `max` (and `min`), `scaled`, or `level`."""

    id: Annotated[str, Field(min_length=1, max_length=512)]
    raw: float | None = None
    max: float | None = None
    min: float = 0.0
    scaled: Annotated[float, Field(ge=-1, le=1)] | None = None
    level: float | str | None = None
    scale: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Rescored":
        if [self.raw is not None and self.max is not None, self.scaled is not None, self.level is not None].count(
            True
        ) != 1:
            raise ValueError("a score is raw with max, scaled, or a level")
        return self

    @property
    def score(self) -> Score:
        """The score as evidence has it."""
        return Score(self.raw, self.max, self.min, self.scaled, self.level, self.scale)


class Selected(Strict):
    """
    Which pieces: all of a source, or of them those of an activity, with an id (`item`), within a time, or with new `scores`.

    Without `scores` it is asked what taking them back would do.
    """

    source: Annotated[str, Field(min_length=1, max_length=512)]
    activity: Text = ""
    item: Text = ""
    since: Instant | None = None
    until: Instant | None = None
    scores: Annotated[list[Rescored], Field(min_length=1, max_length=SCORES_MAX)] | None = None


class Chosen(Strict):
    """One piece, by its id at its source; with `to` it is asked what giving it to that learner instead would do."""

    source: Annotated[str, Field(min_length=1, max_length=512)]
    id: Annotated[str, Field(min_length=1, max_length=512)]
    to: Annotated[str, Field(max_length=64)] = ""


def correcting_router(
    database: Database, references: References, limits: TenantLimits, settings: Settings
) -> APIRouter:
    """Return the routes that foresee a correction: of a tenant for scope admin, of one piece for another service."""
    router = APIRouter(tags=["corrections"])

    @router.post("/v1/corrections/preview", responses=answered(Forecast), dependencies=[needs("admin")])
    async def preview(body: Selected, caller: Caller) -> dict[str, Any]:
        """What correcting these pieces would do: events by type, statuses, schools (small numbers null), and the pieces."""
        since, until = (utc(moment) if moment is not None else "" for moment in (body.since, body.until))
        scores = {each.id: each.score for each in body.scores} if body.scores is not None else None
        selection = Selection(body.source, body.activity, body.item, since, until, scores)
        small = limits.small_number(caller.tenant)
        return await forecast(database, references, settings, caller.tenant, selection, small=small)

    @router.post(
        "/v1/learners/{learner}/corrections/preview",
        responses=answered(Correction),
        dependencies=[needs("admin", "service")],
    )
    async def preview_of(learner: str, body: Chosen, caller: Caller, tenant: str | None = None) -> dict[str, Any]:
        """
        Every status and event that retracting one piece would change, or moving it, for both learners; for scope admin, and
        for a service that has checked who asks and names the tenant.
        """
        asked = caller.tenant_asked(tenant, "admin")
        return await forecast_of(database, settings, asked, learner, Selection(body.source, item=body.id, to=body.to))

    return router
