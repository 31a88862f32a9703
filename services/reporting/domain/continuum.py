"""The continuum of a subject: its levels in order, where a learner is, what is next, and what needs a re-check."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from services.reporting.domain.standing import NO_EVIDENCE, in_order, on_record, satisfies
from shared.contracts.internal_events import MasteryUpdated, Status

NEXT_MAX = 10
"""What is next in a subject; more would be a list, not a next step."""
_NUMBER = re.compile(r"\D{0,6}?(\d+)")
_BEFORE_ONE = {"PK": -1, "PREK": -1, "PRE-K": -1, "TK": -0.5, "K": 0, "KG": 0, "KINDERGARTEN": 0}


class Standing(Protocol):
    """What of a state decides a place on the continuum."""

    @property
    def status(self) -> Status:
        """The status of the competency."""

    @property
    def mastered_at(self) -> str | None:
        """When it was shown, None where it was not."""


class Standard(NamedTuple):
    """A competency of the current version of a framework."""

    framework: str
    code: str
    title: str
    ordinal: int
    level: str | None
    subject: str | None
    group: bool = False
    """It groups others, which are what is learned."""

    @property
    def competency(self) -> str:
        """The full id."""
        return f"{self.framework}:{self.code}"


class Step(msgspec.Struct, frozen=True):
    """A competency that the learner is ready for, or that needs a re-check."""

    competency: str
    title: str
    framework: str
    subject: str | None
    level: str | None
    status: Status


class Level(msgspec.Struct, frozen=True):
    """Progress in one level of a subject: `mastered` is what is on the record, `counts` every status that occurs."""

    level: str | None
    total: int
    mastered: int
    counts: dict[Status, int]


class Subject(msgspec.Struct, frozen=True):
    """A learner's place on the continuum of one subject of a framework."""

    subject: str | None
    framework: str
    levels: list[Level]
    current_level: str | None
    mastered: int
    total: int
    next: list[Step]
    review: list[Step]


def framework_of(competency: str) -> str:
    """Return the framework in the full id of a competency."""
    return competency.partition(":")[0]


def counts(standard: Standard, states: Mapping[str, Standing], prerequisites: Collection[str]) -> bool:
    """
    Tell whether a competency is one that a learner learns, by the states of the learner and whatever has prerequisites.

    A group is only where it has a level, prerequisites or a state of its own: otherwise it is learned through its members.
    """
    competency = standard.competency
    return not standard.group or standard.level is not None or competency in prerequisites or competency in states


def remaining_of(standards: Sequence[Standard], states: Mapping[str, Standing], prerequisites: Collection[str]) -> int:
    """Return how many competencies of the learner's current levels are not on the record, over all subjects begun."""
    groups: dict[tuple[str, str | None], dict[str | None, list[Standard]]] = {}
    for standard in in_continuum(standards):
        if counts(standard, states, prerequisites):
            levels = groups.setdefault((standard.framework, standard.subject), {})
            levels.setdefault(standard.level, []).append(standard)
    left = 0
    for levels in groups.values():
        progress = [_level(level, members, states) for level, members in levels.items()]
        if any(level.counts.get(NO_EVIDENCE, 0) < level.total for level in progress):
            current = _current_level(progress)
            left += sum(level.total - level.mastered for level in progress if level.level == current)
    return left


def level_order(standards: Iterable[Standard]) -> dict[str | None, tuple[int, float]]:
    """
    Return a sort key for each level of one subject.

    Levels with a number come by it (kindergarten before 1, `6-8` by 6), the others after them in the framework's own
    order, and competencies without a level last.
    """
    first: dict[str | None, int] = {}
    for standard in standards:
        first[standard.level] = min(standard.ordinal, first.get(standard.level, standard.ordinal))
    return {level: _level_key(level, ordinal) for level, ordinal in first.items()}


def _level_key(level: str | None, ordinal: int) -> tuple[int, float]:
    if level is None:
        return (2, 0)
    named = _BEFORE_ONE.get(level.strip().upper())
    if named is not None:
        return (0, named)
    number = _NUMBER.match(level)
    return (1, ordinal) if number is None else (0, int(number[1]))


def in_continuum(standards: Sequence[Standard]) -> list[Standard]:
    """Sort by framework, subject, level and ordinal: the order in which a continuum is walked."""
    by_subject: dict[tuple[str, str | None], list[Standard]] = {}
    for standard in standards:
        by_subject.setdefault((standard.framework, standard.subject), []).append(standard)
    found: list[Standard] = []
    for key in sorted(by_subject, key=lambda key: (key[0], key[1] or "")):
        order = level_order(by_subject[key])
        found += sorted(by_subject[key], key=lambda s: (order[s.level], s.ordinal, s.code))
    return found


def subject_of(
    group: Sequence[Standard], states: Mapping[str, MasteryUpdated], prerequisites: Mapping[str, Collection[str]]
) -> Subject:
    """Return a learner's place in one subject of a framework; `group` are its standards in the order of the continuum."""
    levels: dict[str | None, list[Standard]] = {}
    for standard in group:
        levels.setdefault(standard.level, []).append(standard)
    progress = [_level(level, members, states) for level, members in levels.items()]
    following = [s for s in group if is_next(s.competency, states, prerequisites)]
    review = [s for s in group if _status(states, s.competency) == "reverify_due"]
    return Subject(
        subject=group[0].subject,
        framework=group[0].framework,
        levels=progress,
        current_level=_current_level(progress),
        mastered=sum(level.mastered for level in progress),
        total=len(group),
        next=[_step(standard, states) for standard in following[:NEXT_MAX]],
        review=[_step(standard, states) for standard in review],
    )


def _level(level: str | None, members: Sequence[Standard], states: Mapping[str, Standing]) -> Level:
    counts = Counter(_status(states, standard.competency) for standard in members)
    mastered = sum(_on_record(states, standard.competency) for standard in members)
    return Level(level, len(members), mastered, in_order(counts))


def _current_level(levels: Sequence[Level]) -> str | None:
    """
    Return the first level that is not complete, from the first one that the record speaks about.

    Earlier levels without any evidence are unknown, which is not a gap.
    """
    spoken = next((n for n, level in enumerate(levels) if level.counts.get(NO_EVIDENCE, 0) < level.total), 0)
    open_levels = [level for level in levels[spoken:] if level.mastered < level.total]
    return (open_levels or levels[-1:])[0].level


def is_next(competency: str, states: Mapping[str, Standing], prerequisites: Mapping[str, Collection[str]]) -> bool:
    """Tell whether all direct prerequisites are satisfied and the competency is not."""
    if _satisfies(states, competency):
        return False
    return all(_satisfies(states, before) for before in prerequisites.get(competency, ()))


def _step(standard: Standard, states: Mapping[str, MasteryUpdated]) -> Step:
    status = _status(states, standard.competency)
    return Step(standard.competency, standard.title, standard.framework, standard.subject, standard.level, status)


def _status(states: Mapping[str, Standing], competency: str) -> Status:
    state = states.get(competency)
    return NO_EVIDENCE if state is None else state.status


def _on_record(states: Mapping[str, Standing], competency: str) -> bool:
    state = states.get(competency)
    return state is not None and on_record(state.status, state.mastered_at)


def _satisfies(states: Mapping[str, Standing], competency: str) -> bool:
    state = states.get(competency)
    return state is not None and satisfies(state.status, state.mastered_at)
