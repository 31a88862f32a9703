"""Who needs what today: of each learner what is next and what to re-check, of each competency who is ready for it."""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from services.reporting.domain.continuum import Standard, counts, in_continuum, is_next
from services.reporting.domain.waiting import Queue, still_waits
from shared.contracts.internal_events import Status

NEXT_MAX = 3
"""What is next for a learner in a class list; more is on the learner's page."""
URGENCY: tuple[Queue, ...] = (
    "review", "asked", "sign_off", "support", "contested", "reverify", "confirm", "withheld", "gaps", "ready",
)  # fmt: skip
"""What needs attention first: what people have to decide, then what asks for a look, last what may be begun."""


class Stands(NamedTuple):
    """Where a learner stands with a competency."""

    status: Status
    mastered_at: str | None


class OpenRow(NamedTuple):
    """An open entry of a queue with the present state of what it is about."""

    learner: str
    scope: str
    queue: Queue
    opened_at: str
    due_by: str | None
    owner: str
    detail: str
    status: Status | None
    mastered_at: str | None
    begun: bool
    missing: int


class Waits(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Something that waits for somebody; `age_days` are whole days since it was opened.

    `asked_as` is there in the queue `asked` alone: the role in which somebody asked. The members before it are there for
    suggested support alone: whose side the cause is on, the cause, since when an adult has let wait, the prerequisite that is
    weakest with its title, and the role that was asked where `owner` stands in for it.
    """

    learner: str
    queue: Queue
    scope: str
    title: str | None
    opened_at: str
    age_days: int
    due_by: str | None
    overdue: bool
    owner: str
    detail: tuple[str, ...]
    side: str | None = None
    cause: str | None = None
    waiting_since: str | None = None
    weakest_prerequisite: str | None = None
    weakest_title: str | None = None
    in_place_of: str | None = None
    asked_as: str | None = None


class LearnerNeeds(msgspec.Struct, frozen=True):
    """What a learner needs: competency ids in the order of the continuum."""

    learner: str
    next: list[str]
    review: list[str]


class CompetencyNeeds(msgspec.Struct, frozen=True):
    """Who is ready for a competency, and who needs a re-check of it."""

    competency: str
    title: str
    next: list[str]
    review: list[str]


class ClassNeeds(msgspec.Struct, frozen=True):
    """A class today; `attention` is what waits, the most urgent first."""

    class_: str = msgspec.field(name="class")
    title: str
    attention: list[Waits]
    learners: list[LearnerNeeds]
    competencies: list[CompetencyNeeds]


def class_needs(
    class_id: str,
    title: str,
    states: Mapping[str, Mapping[str, Stands]],
    standards: Sequence[Standard],
    prerequisites: Mapping[str, Collection[str]],
    waiting: Iterable[Waits],
) -> ClassNeeds:
    """
    Return who needs what.

    Args:
        states: of each learner of the class, by competency.
        prerequisites: the direct ones, by full id.
        waiting: what waits for these learners.
    """
    line = in_continuum(standards)
    learners = []
    ready: dict[str, list[str]] = {}
    due: dict[str, list[str]] = {}
    for learner, held in states.items():
        own = (s.competency for s in line if counts(s, held, prerequisites))
        following = list(islice((c for c in own if is_next(c, held, prerequisites)), NEXT_MAX))
        review = [s.competency for s in line if s.competency in held and held[s.competency].status == "reverify_due"]
        learners.append(LearnerNeeds(learner, following, review))
        for competency in following:
            ready.setdefault(competency, []).append(learner)
        for competency in review:
            due.setdefault(competency, []).append(learner)
    competencies = [
        CompetencyNeeds(s.competency, s.title, ready.get(s.competency, []), due.get(s.competency, []))
        for s in line
        if s.competency in ready or s.competency in due
    ]
    return ClassNeeds(class_id, title, by_urgency(waiting), learners, competencies)


def by_urgency(waiting: Iterable[Waits]) -> list[Waits]:
    """Sort what waits: overdue first, then by queue, then the oldest."""
    return sorted(waiting, key=lambda each: (not each.overdue, URGENCY.index(each.queue), each.opened_at, each.learner))


def together(waiting: Iterable[Waits]) -> list[list[Waits]]:
    """Put together what one act ends for several learners, as grading the same work does; all else stays alone, in order."""
    groups: dict[object, list[Waits]] = {}
    for number, each in enumerate(waiting):
        is_ungraded = each.cause == "ungraded"
        groups.setdefault((each.scope, each.detail, each.owner) if is_ungraded else number, []).append(each)
    return list(groups.values())


def waits_of(row: OpenRow, titles: Mapping[str, str], now: datetime.datetime) -> Waits | None:
    """
    Return an open entry as the queues tell it, None where it is no longer so; `now` is in the tenant's time zone.

    A hold ends by itself: one that stands behind its end was renewed by a second person, and until when older states do not say.
    """
    if not still_waits(row.queue, row.status, row.mastered_at, begun=row.begun, missing=row.missing):
        return None
    is_late = is_overdue(row.due_by, now)
    is_renewed = is_late and row.queue == "withheld" and row.status == "overridden"
    return Waits(
        learner=row.learner, queue=row.queue, scope=row.scope, title=titles.get(row.scope) or level_title(row.scope),
        opened_at=row.opened_at, age_days=age_days(row.opened_at, now),
        due_by=None if is_renewed else row.due_by, overdue=is_late and not is_renewed, owner=row.owner,
        detail=tuple(line for line in row.detail.split("\n") if line),
    )  # fmt: skip


def is_overdue(due_by: str | None, now: datetime.datetime) -> bool:
    """Tell whether the day on which something is due, or the local one of an instant, is over where it is `now`."""
    if due_by is not None and "T" in due_by:
        due_by = datetime.datetime.fromisoformat(due_by).astimezone(now.tzinfo).date().isoformat()
    return due_by is not None and due_by < now.date().isoformat()


def level_title(scope: str) -> str | None:
    """Return a level's id in words, None for a competency: `m#Mathematics/2` is `Mathematics, level 2`."""
    framework, mark, place = scope.partition("#")
    if not mark:
        return None
    subject, _, level = place.rpartition("/")
    return f"{subject or framework}, level {level}"


def age_days(instant: str, now: datetime.datetime) -> int:
    """Return the whole days since an instant, none for one to come or that cannot be read."""
    try:
        then = datetime.datetime.fromisoformat(instant)
    except ValueError:
        return 0
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.UTC)
    return max(0, (now - then).days)
