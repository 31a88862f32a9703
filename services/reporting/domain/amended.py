"""What a term ended with for learners, and what has been found out since of what was shown before its end."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.continuum import Item
from services.reporting.domain.counting import ClassMastery
from services.reporting.domain.needs import level_title

LEVEL_EVENTS = (
    "level.ready", "level.sign_off_requested", "level.withdrawn", "level.advanced", "level.reinstated",
)  # fmt: skip
"""The events that tell where a learner stands with a level."""
_STANDS = ("ready", "sign_off_requested", "withdrawn", "advanced")


class TermLevel(msgspec.Struct, frozen=True):
    """What a term ended with of a level: what had been told of it last, by which event, and since when."""

    level: str
    framework: str
    title: str | None
    status: str
    effective_at: str
    event: str


class Cause(msgspec.Struct, frozen=True):
    """The input that caused something, as its event names it."""

    kind: str
    id: str


class Amendment(msgspec.Struct, frozen=True):
    """
    A change of what a term ended with, as `attain.snapshot.amended.v1` tells it: the statuses before and after, as of the end.

    `digest` is that of the snapshot with this and every earlier amendment of the learner.
    """

    id: str
    learner: str
    kind: str
    scope: str
    title: str | None
    before: str
    after: str
    effective_at: str
    decided_at: str
    reason: str
    cause: Cause
    digest: str


class TermRecord(msgspec.Struct, frozen=True):
    """
    A learner's standings as they were when a term was closed, with what amends them in order.

    `digest` is the snapshot's, over `items` and `levels`, as `shared.snapshots` computes it; None where there were none.
    """

    term: str
    closed_at: str
    learner: str
    digest: str | None
    items: list[Item]
    levels: list[TermLevel]
    amendments: list[Amendment]


class TermClass(msgspec.Struct, frozen=True):
    """
    The grid of a class, as it was when a term was closed, of the learners who are in the class today; their levels; and what
    amends them.
    """

    term: str
    closed_at: str
    mastery: ClassMastery
    levels: dict[str, list[TermLevel]]
    amendments: list[Amendment]


class LevelTold(NamedTuple):
    """An event on a level, in the columns of the advancement log."""

    learner: str
    id: str
    kind: str
    level: str
    framework: str
    effective_at: str


def levels_of(events: Iterable[LevelTold]) -> dict[str, list[TermLevel]]:
    """
    Return by learner where each level stands after events in order: advanced, withdrawn by a person, waiting for a sign-off, or
    ready to begin; the first of these that was told, where only a reinstatement takes a withdrawal back.
    """
    told: dict[tuple[str, str], dict[str, LevelTold]] = {}
    for event in events:
        stands = told.setdefault((event.learner, event.level), {})
        status = event.kind.partition(".")[2].replace("reinstated", "advanced")
        if status in ("advanced", "withdrawn"):
            stands.pop("advanced", None)
            stands.pop("withdrawn", None)
        stands[status] = event
    found: dict[str, list[TermLevel]] = {}
    for (learner, level), stands in sorted(told.items()):
        status = next(status for status in reversed(_STANDS) if status in stands)
        event = stands[status]
        found.setdefault(learner, []).append(
            TermLevel(level, event.framework, level_title(level), status, event.effective_at, event.id)
        )
    return found


def latest(amendments: Iterable[Amendment]) -> Mapping[tuple[str, str], Amendment]:
    """Return the last amendment of each (learner, scope): what the snapshot says, with all that is known by now."""
    return {(each.learner, each.scope): each for each in amendments}
