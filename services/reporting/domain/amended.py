"""What a term ended with for learners, and what has been found out since of what was shown before its end."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.reporting.domain.counting import ClassMastery
from services.reporting.domain.needs import level_title
from services.reporting.domain.record import Item, Statement

END_REQUESTS = ("level.sign_off_lapsed", "competency.withdrawn")
"""The events that tell that a level is not to be signed off any more; a withdrawal names the levels."""
LEVEL_EVENTS = (
    "level.ready", "level.sign_off_requested", "level.withdrawn", "level.advanced", "level.reinstated", *END_REQUESTS,
)  # fmt: skip
"""The events that tell where a learner stands with a level."""
LEVEL_STATUSES = ("ready", "sign_off_requested", "withdrawn", "advanced")
"""What may have been told of a level last; the later in this list goes before the earlier."""


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

    `digest` is the snapshot's, over `items` and `levels`, as `shared.contracts.snapshots` computes it; None where there were
    none. `statements` are what learner or family state beside the record today.
    """

    term: str
    closed_at: str
    learner: str
    digest: str | None
    items: list[Item]
    levels: list[TermLevel]
    amendments: list[Amendment]
    statements: list[Statement] = []


class TermClass(msgspec.Struct, frozen=True):
    """
    The grid of a class, as it was when a term was closed, of learners who are in the class today, or were; their levels; and
    what amends them.
    """

    term: str
    closed_at: str
    mastery: ClassMastery
    levels: dict[str, list[TermLevel]]
    amendments: list[Amendment]


class LevelTold(NamedTuple):
    """One of `LEVEL_EVENTS`, in the columns of the advancement log; `levels` are those that a withdrawal names."""

    learner: str
    id: str
    kind: str
    scope: str
    framework: str
    effective_at: str
    levels: Sequence[str] = ()


def levels_of(events: Iterable[LevelTold]) -> dict[str, list[TermLevel]]:
    """
    Return by learner where each level stands after events in order: advanced, withdrawn by a person, waiting for a sign-off, or
    ready to begin; the first of these that was told, where only a reinstatement takes a withdrawal back, and a sign-off is
    waited for until it is told that this is over.
    """
    told: dict[tuple[str, str], dict[str, LevelTold]] = {}
    for event in events:
        if event.kind in END_REQUESTS:
            for level in event.levels or (event.scope,):
                told.get((event.learner, level), {}).pop("sign_off_requested", None)
            continue
        stands = told.setdefault((event.learner, event.scope), {})
        status = event.kind.partition(".")[2].replace("reinstated", "advanced")
        if status in ("advanced", "withdrawn"):
            stands.pop("advanced", None)
            stands.pop("withdrawn", None)
        stands[status] = event
    found: dict[str, list[TermLevel]] = {}
    for (learner, level), stands in sorted(told.items()):
        last = next((status for status in reversed(LEVEL_STATUSES) if status in stands), None)
        if last is not None:
            event = stands[last]
            found.setdefault(learner, []).append(
                TermLevel(level, event.framework, level_title(level), last, event.effective_at, event.id)
            )
    return found


class Line(NamedTuple):
    """
    A standing of a learner in a term: its status then and since when it was shown, both None for what came by an amendment
    alone; and its last amendment, which says what it is with all that is known by now.
    """

    kind: str
    scope: str
    title: str | None
    status: str | None
    since: str | None
    amended: Amendment | None
    item: Item | None = None
    """More of a competency."""


def lines_of(found: TermRecord) -> list[Line]:
    """Return the standings of a record: competencies, levels, and then what came by amendments alone."""
    amended = {each.scope: each for each in found.amendments}
    competencies = [
        Line("competency", i.competency, i.title, i.status, i.mastered_at, amended.pop(i.competency, None), i)
        for i in found.items
    ]
    levels = [
        Line("level", each.level, each.title, each.status, each.effective_at, amended.pop(each.level, None))
        for each in found.levels
    ]
    others = [Line(each.kind, scope, each.title, None, None, each) for scope, each in amended.items()]
    return [*competencies, *levels, *others]


def amended_cells(found: TermClass) -> dict[tuple[str, str], Amendment]:
    """Return the last amendment of each (learner, scope) of a class."""
    return {(each.learner, each.scope): each for each in found.amendments}


def level_grid(found: TermClass) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Return the levels that any learner of a class stands in, or is amended in, and by learner and level the status then."""
    stands = {learner: {level.level: level.status for level in levels} for learner, levels in found.levels.items()}
    levels = {level for of_learner in stands.values() for level in of_learner}
    return sorted(levels | {each.scope for each in found.amendments if each.kind == "level"}), stands
