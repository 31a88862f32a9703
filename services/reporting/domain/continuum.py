"""The learner's record: where on the continuum of each subject, what is next, and what needs a re-check."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from services.reporting.domain.standing import NO_EVIDENCE, in_order, on_record, satisfies
from shared.contracts import MasteryUpdated, PolicyRef, Status

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


class Item(msgspec.Struct, frozen=True):
    """A competency on the record, with its place in the framework; a retired competency has a title only."""

    competency: str
    framework: str
    title: str | None
    subject: str | None
    level: str | None
    status: Status
    score: float | None
    evidence_count: int
    last_evidence_at: str | None
    mastered_at: str | None
    policy: PolicyRef | None
    missing: tuple[str, ...]
    why: str
    basis: tuple[str, ...]
    seq: int


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


class Record(msgspec.Struct, frozen=True):
    """A learner's record; `stale` where an event about the learner waits to be read."""

    learner: str
    position: str
    items: list[Item]
    subjects: list[Subject]
    next: list[Step]
    review: list[Step]
    stale: bool


def learner_record(
    learner: str,
    states: Sequence[MasteryUpdated],
    standards: Sequence[Standard],
    prerequisites: Mapping[str, Collection[str]],
    *,
    position: str = "",
    titles: Mapping[str, str] | None = None,
    stale: bool = False,
) -> Record:
    """
    Return the record of a learner.

    Args:
        standards: all competencies of the frameworks that the record covers. A group counts as one only where it has a
            level, prerequisites or a state of its own: otherwise it is learned through its members.
        prerequisites: the direct prerequisites by full id; only direct ones count, so what is missing from a record far
            back closes nothing.
        position: up to where this is true.
        titles: of competencies that the current frameworks do not have any more.
        stale: an event about the learner waits to be read.
    """
    by_id = {state.competency: state for state in states}
    groups: dict[tuple[str, str | None], list[Standard]] = {}
    for standard in in_continuum(standards):
        own = standard.level is not None or standard.competency in prerequisites or standard.competency in by_id
        if own or not standard.group:
            groups.setdefault((standard.framework, standard.subject), []).append(standard)
    subjects = [_subject(group, by_id, prerequisites) for group in groups.values()]
    place = {standard.competency: standard for group in groups.values() for standard in group}
    order = {competency: number for number, competency in enumerate(place)}
    items = [_item(state, place.get(state.competency), titles or {}) for state in states]
    items.sort(key=lambda item: (order.get(item.competency, len(order)), item.competency))
    return Record(
        learner=learner,
        position=position,
        items=items,
        subjects=subjects,
        next=[step for subject in subjects for step in subject.next],
        review=[step for subject in subjects for step in subject.review],
        stale=stale,
    )


def remaining_of(standards: Sequence[Standard], states: Mapping[str, Standing]) -> int:
    """Return how many competencies of the learner's current levels are not on the record, over all subjects begun."""
    groups: dict[tuple[str, str | None], dict[str | None, list[Standard]]] = {}
    for standard in in_continuum(standards):
        if not standard.group:
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


def _subject(
    group: Sequence[Standard], states: Mapping[str, MasteryUpdated], prerequisites: Mapping[str, Collection[str]]
) -> Subject:
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


def _item(state: MasteryUpdated, standard: Standard | None, titles: Mapping[str, str]) -> Item:
    return Item(
        competency=state.competency,
        framework=state.framework,
        title=titles.get(state.competency) if standard is None else standard.title,
        subject=None if standard is None else standard.subject,
        level=None if standard is None else standard.level,
        status=state.status,
        score=state.score,
        evidence_count=state.evidence_count,
        last_evidence_at=state.last_evidence_at,
        mastered_at=state.mastered_at,
        policy=state.policy,
        missing=state.missing,
        why=state.why,
        basis=state.basis,
        seq=state.seq,
    )


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
