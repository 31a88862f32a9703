"""What answers on learners look like, and of operating, of which no type of the domain is made."""

from typing import Any, Literal

import msgspec

from services.progression.domain.curriculum.framework import LevelCredit
from services.progression.handlers.decided import DecidedOf
from services.progression.handlers.planning import PlanInForce
from services.progression.handlers.sign_offs import Waiting
from shared.contracts.internal_events import MasteryUpdated, PolicyRef, Status

Said = dict[str, Any]
"""A fact: its `code`, with `values` and `parts` where there are any."""


class Mastery(msgspec.Struct):
    """A learner's mastery of every competency with evidence, true at `position` of the evidence log."""

    learner: str
    position: str
    items: list[MasteryUpdated]


class Ready(msgspec.Struct):
    """A competency that a learner is ready for, and what it builds on."""

    competency: str
    prerequisites: list[str]


class Contradiction(msgspec.Struct):
    """A competency that is on the record without some of what it builds on."""

    competency: str
    missing: list[str]


class Frontier(msgspec.Struct):
    """What a learner is ready for, and what to review."""

    ready: list[Ready]
    review: list[str]
    review_first: list[str]
    contradictions: list[Contradiction]


class Weighed(msgspec.Struct):
    """A piece of evidence and what it counted for, on the scale of the policy."""

    evidence_id: str
    occurred_at: str
    value: float | None
    weight: float
    counted: bool
    why_not: str | None
    why_not_fact: Said | None


class Checked(msgspec.Struct):
    """A rule of the policy (`rule` points to it): what it asks, what was found, and whether it is met."""

    rule: str
    asks: str
    asks_fact: Said
    found: str
    found_fact: Said
    met: bool


class Change(msgspec.Struct):
    """
    The smallest thing that would change a status to `gives`, said (`text`), told as a fact and as numbers.

    As many of the `pieces` as there are `retakes` are retakes: of what these pieces of evidence are the last attempts at.
    """

    text: str
    fact: Said
    shows: str | None
    shows_fact: Said | None
    gives: Status | None
    pieces: int
    at_least: float | None
    below: float | None
    at_most: float | None
    other_activity: bool
    other_day: bool
    sign_off: str | None
    retakes: list[str] = []


class Next(Change, kw_only=True):
    """The smallest evidence that could settle a competency that is open."""

    competency: str
    status: Status


class HandedIn(msgspec.Struct):
    """Handed-in work that waits for a grade."""

    source: str
    activity: str
    since: str
    competencies: list[str]
    text: str


class Plans(msgspec.Struct):
    """The plans of a learner that are in force."""

    learner: str
    items: list[PlanInForce]


class Decisions(msgspec.Struct):
    """What people decided of a learner, in order."""

    learner: str
    items: list[DecidedOf]


class Explained(msgspec.Struct):
    """Why a status is what it is; `ungraded` for staff alone, and only of now; `plan` for whom the plans of the learner are."""

    learner: str
    competency: str
    status: Status
    score: float | None
    evidence: list[Weighed]
    trace: list[Checked]
    missing: list[str]
    missing_facts: list[Said]
    minimal_change: Change
    enough: str | None
    enough_fact: Said | None
    policy: PolicyRef | None
    framework: str | None
    as_of: str | None
    ungraded: list[HandedIn] | msgspec.UnsetType = msgspec.UNSET
    plan: PlanInForce | msgspec.UnsetType | None = msgspec.UNSET


class Enough(msgspec.Struct):
    """Of which competencies there is enough evidence, and what could settle others."""

    learner: str
    enough: list[str]
    next: list[Next]


class Suggested(msgspec.Struct):
    """Support that is suggested and open, with its cause in words."""

    scope: str
    id: str
    side: str
    cause: str
    owner: str
    since: str
    respond_by: str
    ends: str
    weakest: str | None
    tried: list[str]
    text: str


class SuggestedOf(Suggested):
    """Support that is suggested of a learner."""

    learner: str


class OpenSupport(msgspec.Struct):
    """A page of what is suggested; `next` is the next `after`."""

    items: list[SuggestedOf]
    next: str | None


class Support(Enough):
    """What is suggested of a learner, which work waits for a grade, and where there is enough evidence."""

    suggestions: list[Suggested]
    ungraded: list[HandedIn]


class SignOffQueue(msgspec.Struct):
    """A page of what waits for a sign-off; `next` is the next `after`."""

    items: list[Waiting]
    next: str | None


class Held(msgspec.Struct):
    """Where a learner stands with a competency of a level, and since when it is shown or credited."""

    competency: str
    status: Status
    effective_at: str | None
    seq: int
    policy: PolicyRef | None


class Standing(msgspec.Struct):
    """
    What was told of a level of a learner last, by which event, and what is recorded of its competencies.

    `effective_at` is since when it has advanced, and `credit` what it was told to count for, null of one that has not. `seq` is
    that of the last event on the level, whether that changed its status or not; null of what was told before there was one here.
    """

    learner: str
    framework: str
    level: str
    status: Literal[
        "review_required", "advanced", "withdrawn", "sign_off_requested", "ready", "placed_with_gaps", "in_progress"
    ]
    event: str | None
    seq: int | None
    effective_at: str | None
    credit: LevelCredit | None
    competencies: list[Held]


class Retired(Held):
    """Where a learner stands with a competency that the framework in force does not have any more."""

    learner: str
    framework: str


class Snapshot(msgspec.Struct):
    """The digest of what a learner ended a closed term with, amendments in it."""

    learner: str
    session: str
    digest: str


class Standings(msgspec.Struct):
    """A page of standings; `next` is the next `after`, `position` the cursor of the feed at which it is true."""

    items: list[Standing]
    retired: list[Retired]
    snapshots: list[Snapshot]
    next: str | None
    position: str


class Redriven(msgspec.Struct):
    """The position of the decision in each shard."""

    positions: dict[str, str]
