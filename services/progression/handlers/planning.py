"""Individual plans: what a person may decide of one, and those that a learner has."""

import datetime
from collections.abc import Mapping, Sequence

import msgspec

from services.progression.domain.curriculum import Framework, framework_of
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.plans import PlanKind, PlanReason
from services.progression.domain.standing import is_over
from services.progression.domain.states import Decided, latest
from services.progression.handlers.memory import unpack_key
from services.progression.tables import key_states
from shared.contracts.public_members import By
from shared.database import Database
from shared.errors import InvalidEvent, NotFound
from shared.events import now
from shared.school_calendar import local_day, midnight_after

REVIEW_DAYS = 366
"""Days within which a plan is looked at again. Source: 34 CFR 300.324(b)(1)(i), not less than annually."""


class PlanInForce(msgspec.Struct, frozen=True):
    """A plan that is in force; `overdue` once the day on which it is to be looked at again has passed, which ends nothing."""

    id: str
    competency: str
    kind: PlanKind
    code: PlanReason
    review_at: str
    overdue: bool
    decided_at: str
    by: By
    instead: str | None
    pieces: int
    days: int
    accommodations: tuple[str, ...]


def checked_plan(
    decided: CompetencyDecided, before: Sequence[Decided], frameworks: Mapping[str, Framework], zone: str, at: str
) -> CompetencyDecided:
    """
    Return a decision on a plan with the instant from which on it is to be looked at again; `before` is what is in force.

    Raises:
        InvalidEvent: it asks for what no framework has, or would be looked at too late, or before it is made.
        NotFound: the plan that it ends is not in force.
    """
    plan = decided.plan
    if plan is None:
        stands = latest(tuple(before), "plan")
        if stands is None or stands.id != decided.undoes:
            raise NotFound("there is no such plan in force")
        return decided
    framework = frameworks.get(framework_of(plan.instead))
    if plan.instead and (framework is None or plan.instead not in framework.by_id):
        raise InvalidEvent(f"no framework has {plan.instead}", pointer=f"{at}/instead")
    if plan.instead == decided.competency:
        raise InvalidEvent("another competency stands in its place", pointer=f"{at}/instead")
    review, today = datetime.date.fromisoformat(plan.review_at), local_day(now(), zone)
    last = today + datetime.timedelta(days=REVIEW_DAYS)
    if not today < review <= last:
        raise InvalidEvent(f"it is looked at again after today and by {last}", pointer=f"{at}/review_at")
    return msgspec.structs.replace(decided, until=midnight_after(review, zone))


async def plans_of(database: Database, tenant: str, learner: str) -> list[PlanInForce]:
    """Return the plans of a learner that are in force, by competency."""
    async with database.connection() as connection:
        rows = await key_states.states_of(connection, tenant, learner)
    stands = [(competency, latest(unpack_key(state).decided, "plan")) for competency, state in rows]
    return [told(competency, each) for competency, each in sorted(stands) if each is not None]


def told(competency: str, decided: Decided) -> PlanInForce:
    """Return a plan in force as it is answered."""
    plan = decided.plan
    assert plan is not None
    return PlanInForce(
        decided.id, competency, plan.kind, plan.code, plan.review_at, is_over(decided, now()), decided.at,
        By(decided.by, decided.author), plan.instead or None, plan.pieces, plan.days, plan.accommodations,
    )  # fmt: skip
