"""
Support that is suggested, as the restricted log tells it: prompts to adults, for few eyes.

An owner is a role that a policy names. Whether anybody has it towards the learner is seen when it is looked at, by the roster
of that day; where nobody has, the school answers for it, so there is always an owner.
"""

import datetime
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.needs import Waits, age_days, is_overdue, level_title
from services.reporting.domain.told import Learner, Scope
from shared.permissions import PERMISSIONS, Role, role_of

SEES: frozenset[Role] = frozenset(role for role, views in PERMISSIONS.items() if "support" in views)
INSTEAD = ("teacher", "school_leader")
"""Who is asked, in this order, where nobody has the role that a policy names."""
OFFICE = "school_office"
"""Whoever runs the school: the owner where the roster knows of nobody."""
ANSWERED = ("progress", "decided", "done", "plan_changed", "dismissed")
"""Outcomes that an adult brought about; the others happened by themselves, and tell nothing of how long an answer took."""
RESPONSE_DAYS = 90
"""How far back answers are counted."""


class Suggested(msgspec.Struct, frozen=True, gc=False):
    """The data of `SUPPORT_SUGGESTED` as far as it is used; a cause that is told in time is kept as it is."""

    learner: Learner
    scope: Scope
    decided_at: str
    side: str
    need: str
    owner: str
    respond_by: str
    waiting_since: str | None = None
    weakest_prerequisite: str | None = None
    tried: tuple[str, ...] = ()


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The data of `SUPPORT_CLOSED` as far as it is used; `replaces` is the id of what was suggested, `days` are school days."""

    learner: Learner
    decided_at: str
    outcome: str
    days: int
    replaces: str


class OpenSuggestion(NamedTuple):
    """A row of what is open."""

    learner: str
    scope: str
    opened_at: str
    due_by: str
    owner: str
    detail: str
    side: str
    cause: str
    waiting_since: str | None
    weakest: str | None


def owner_of(asked: str, present: Collection[Role]) -> str:
    """Return who owns a suggestion: the role that was asked where anybody has it and may see it, else who stands in."""
    return next((name for name in (asked, *INSTEAD) if (role := role_of(name)) in SEES and role in present), OFFICE)


def waits_for(
    row: OpenSuggestion, present: Collection[Role], titles: Mapping[str, str], now: datetime.datetime
) -> Waits:
    """
    Return an open suggestion as the queues tell it; `present` are the roles that anybody has towards the learner today, and `now`
    is in the tenant's time zone.
    """
    owner = owner_of(row.owner, present)
    return Waits(
        learner=row.learner, queue="support", scope=row.scope, title=titles.get(row.scope) or level_title(row.scope),
        opened_at=row.opened_at, age_days=age_days(row.opened_at, now), due_by=row.due_by,
        overdue=is_overdue(row.due_by, now), owner=owner, detail=tuple(row.detail.split("\n")) if row.detail else (),
        side=row.side, cause=row.cause, waiting_since=row.waiting_since, weakest_prerequisite=row.weakest,
        weakest_title=titles.get(row.weakest or ""), in_place_of=None if owner == row.owner else row.owner,
    )  # fmt: skip
