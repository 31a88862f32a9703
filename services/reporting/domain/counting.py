"""Counts of a class and of a district: every learner counts once for every competency, if only as `no_evidence`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from services.reporting.domain.given_often import GivenOften
from services.reporting.domain.standing import NO_EVIDENCE, in_order
from services.reporting.domain.suppression import Cell, Column, hidden_cells, hidden_totals
from services.reporting.domain.twins import with_twins
from shared.contracts.internal_events import STATUSES, Status


class ClassRow(msgspec.Struct, frozen=True):
    """A learner of a class; a competency that is absent has no evidence yet."""

    learner: str
    statuses: dict[str, Status]


class ClassMastery(msgspec.Struct, frozen=True):
    """A class: learners by competencies; never suppressed, because it is the caller's own."""

    class_: str = msgspec.field(name="class")
    title: str
    learners: list[str]
    competencies: list[str]
    titles: dict[str, str]
    counts: dict[str, dict[Status, int]]
    rows: list[ClassRow]


class SchoolSize(msgspec.Struct, frozen=True):
    """A school of a district; `learners` is null where the number is suppressed."""

    school: str
    title: str
    learners: int | None


class CompetencyCounts(msgspec.Struct, frozen=True):
    """Learners by status, in the district and by school; null is suppressed: few, none, or what would give others away."""

    competency: str
    title: str | None
    counts: dict[Status, int | None]
    schools: dict[str, dict[Status, int | None]]


class DistrictMastery(GivenOften, frozen=True):
    """A district in numbers that do not tell about single learners; `day` is the local day that they are told on."""

    district: str
    title: str
    day: str
    suppressed_below: int
    learners: int | None
    schools: list[SchoolSize]
    competencies: list[CompetencyCounts]


class Count(NamedTuple):
    """Learners with a status of a competency, in a school, or with None in all of the district."""

    competency: str
    status: Status
    school: str | None
    learners: int


def class_mastery(
    class_id: str,
    title: str,
    states: Mapping[str, dict[str, Status]],
    *,
    order: Sequence[str],
    titles: Mapping[str, str],
) -> ClassMastery:
    """
    Return the grid of a class and its counts.

    Args:
        states: of every learner of the class, the status by competency.
        order: competencies in the order of their frameworks; those without a place there come last.
    """
    counts: dict[str, dict[Status, int]] = {}
    for (competency, status), learners in Counter(chain.from_iterable(map(dict.items, states.values()))).items():
        counts.setdefault(competency, {})[status] = learners
    for of_competency in counts.values():
        silent = len(states) - sum(of_competency.values())
        of_competency[NO_EVIDENCE] = of_competency.get(NO_EVIDENCE, 0) + silent
    place = {competency: number for number, competency in enumerate(order)}
    competencies = sorted(counts, key=lambda c: (place.get(c, len(place)), c))
    return ClassMastery(
        class_=class_id,
        title=title,
        learners=list(states),
        competencies=competencies,
        titles={c: titles[c] for c in competencies if c in titles},
        counts={c: in_order(counts[c]) for c in competencies},
        rows=[ClassRow(learner, statuses) for learner, statuses in states.items()],
    )


def district_mastery(
    district: str,
    title: str,
    schools: Sequence[tuple[str, str]],
    *,
    day: str,
    sizes: Mapping[str | None, int],
    counts: Iterable[Count],
    titles: Mapping[str, str],
    small: int,
) -> tuple[DistrictMastery, bool]:
    """
    Return a district's counts with small numbers suppressed, also those that could be worked out from the others or from sums
    over all competencies, and whether no such sum may be told; see `twins`.

    Args:
        schools: (id, title).
        sizes: learners by school; None is the district, each learner once.
        small: numbers below this are not told.
    """
    totals = {school: sizes.get(school, 0) for school in [*(school for school, _ in schools), None]}
    hidden = hidden_totals(totals, small)
    by_competency: dict[str, list[Count]] = {}
    for count in counts:
        by_competency.setdefault(count.competency, []).append(count)
    tables = {competency: _table(by_competency[competency], totals) for competency in sorted(by_competency)}
    secret, alone = with_twins(
        tables, {c: hidden_cells(table, totals, hidden, small) for c, table in tables.items()}, hidden
    )
    told = DistrictMastery(
        district=district,
        title=title,
        day=day,
        suppressed_below=small,
        learners=None if None in hidden else totals[None],
        schools=[SchoolSize(s, name, None if s in hidden else totals[s]) for s, name in schools],
        competencies=[
            _competency_counts(competency, titles.get(competency), tables[competency], secret[competency], totals)
            for competency in tables
        ],
    )
    return told, alone


def _table(counts: Sequence[Count], totals: Mapping[Column, int]) -> dict[Cell, int]:
    """Return the learners of a competency by status and column; who is not counted has no evidence."""
    cells: dict[Cell, int] = {(count.status, count.school): count.learners for count in counts}
    statuses = [status for status in STATUSES if (status, None) in cells or status == NO_EVIDENCE]
    for school, total in totals.items():
        told = sum(cells.get((status, school), 0) for status in statuses)
        cells[NO_EVIDENCE, school] = cells.get((NO_EVIDENCE, school), 0) + total - told
    return {(status, school): cells.get((status, school), 0) for status in statuses for school in totals}


def _competency_counts(
    competency: str, title: str | None, table: Mapping[Cell, int], secret: set[Cell], columns: Iterable[Column]
) -> CompetencyCounts:
    # A status that only the twin has is nobody's here, and is not told to be.
    rows = {row for row, _ in (*table, *secret)}
    statuses = [status for status in STATUSES if status in rows]

    def shown(school: Column) -> dict[Status, int | None]:
        return {s: None if (s, school) in secret else table.get((s, school), 0) for s in statuses}

    return CompetencyCounts(
        competency, title, shown(None), {school: shown(school) for school in columns if school is not None}
    )


class SchoolCompetency(msgspec.Struct, frozen=True):
    """A competency in one school: learners by status; None is suppressed, which is not zero."""

    competency: str
    title: str | None
    counts: dict[Status, int | None]


class SchoolMastery(msgspec.Struct, frozen=True):
    """A school in numbers that do not tell about single learners; `day` is the local day that they are told on."""

    school: str
    title: str
    district: str
    day: str
    suppressed_below: int
    learners: int | None
    competencies: list[SchoolCompetency]


def mastery_of_school(told: DistrictMastery, school: str, title: str) -> SchoolMastery:
    """Return a school's column as the district tells it, and no more; see `levels.levels_of_school`."""
    learners = next((each.learners for each in told.schools if each.school == school), None)
    competencies = [
        SchoolCompetency(row.competency, row.title, row.schools[school])
        for row in told.competencies
        if school in row.schools
    ]
    return SchoolMastery(school, title, told.district, told.day, told.suppressed_below, learners, competencies)
