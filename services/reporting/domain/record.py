"""The learner's record: every competency that something is known of, and the place in each subject."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from services.reporting.domain.continuum import Standard, Step, Subject, counts, in_continuum, subject_of
from shared.contracts.internal_events import MasteryUpdated, PolicyRef, Status
from shared.permissions import Role


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


class Statement(msgspec.Struct, frozen=True):
    """
    What learner or family state about a part of the record that the school refused to change: told wherever the record is.

    `request` is the id of the review that was asked for.
    """

    request: str
    competency: str
    text: str
    stated_at: str
    stated_as: Role
    title: str | None = None


class Record(msgspec.Struct, frozen=True):
    """A learner's record; `stale` where an event about the learner waits to be read."""

    learner: str
    position: str
    items: list[Item]
    subjects: list[Subject]
    next: list[Step]
    review: list[Step]
    stale: bool
    statements: list[Statement]


def learner_record(
    learner: str,
    states: Sequence[MasteryUpdated],
    standards: Sequence[Standard],
    prerequisites: Mapping[str, Collection[str]],
    *,
    position: str = "",
    titles: Mapping[str, str] | None = None,
    stale: bool = False,
    statements: Sequence[Statement] = (),
) -> Record:
    """
    Return the record of a learner.

    Args:
        standards: all competencies of the frameworks that the record covers; see `continuum.counts`.
        prerequisites: the direct prerequisites by full id; only direct ones count, so what is missing from a record far
            back closes nothing.
        position: up to where this is true.
        titles: of competencies that the current frameworks do not have any more.
        stale: an event about the learner waits to be read.
        statements: what is stated beside the record, with titles.
    """
    by_id = {state.competency: state for state in states}
    groups: dict[tuple[str, str | None], list[Standard]] = {}
    for standard in in_continuum(standards):
        if counts(standard, by_id, prerequisites):
            groups.setdefault((standard.framework, standard.subject), []).append(standard)
    subjects = [subject_of(group, by_id, prerequisites) for group in groups.values()]
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
        statements=list(statements),
    )


def titled(statements: Sequence[Statement], titles: Mapping[str, str]) -> list[Statement]:
    """Return statements with the titles of what they are about."""
    return [msgspec.structs.replace(each, title=titles.get(each.competency)) for each in statements]


def texts_of(statements: Sequence[Statement]) -> dict[str, str]:
    """Return by competency what is stated about it, as one text."""
    texts: dict[str, str] = {}
    for each in statements:
        texts[each.competency] = f"{texts[each.competency]}\n\n{each.text}" if each.competency in texts else each.text
    return texts


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
