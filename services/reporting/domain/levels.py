"""Learners by how far they are in each level, of a district and its schools, in numbers that tell nothing about single ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.reporting.domain.continuum import Standard, level_order
from services.reporting.domain.counting import CompetencyCounts, DistrictMastery
from services.reporting.domain.standing import ON_RECORD
from services.reporting.domain.suppression import Cell, hidden_cells, hidden_totals
from shared.contracts.internal_events import Status

HOW_FAR = ("none", "begun", "complete")
"""Nothing in the level, some evidence or something on the record, and all of it on the record."""
_STATUSES: dict[str, tuple[Status, ...]] = {
    "none": ("no_evidence",), "begun": ("insufficient_evidence", "not_yet", "provisional"),
    "complete": ON_RECORD,
}  # fmt: skip
"""The statuses that say how far a learner is in a level of one competency; `overridden` and `presumed` do not."""


class LevelCount(NamedTuple):
    """Learners who got so far in a level, in a school, or with None in all; `single` is its competency where it has one."""

    framework: str
    subject: str | None
    level: str
    ordinal: int
    school: str | None
    how_far: str
    learners: int
    single: str | None = None


class LevelRow(msgspec.Struct, frozen=True):
    """A level: learners by how far they are, in all and by school; None is suppressed, which is not zero."""

    framework: str
    subject: str | None
    level: str
    counts: dict[str, int | None]
    schools: dict[str, dict[str, int | None]]


class DistrictLevels(msgspec.Struct, frozen=True):
    """A district's distribution over the levels of each subject."""

    district: str
    as_of: str
    suppressed_below: int
    levels: list[LevelRow]


class DistrictCounts(msgspec.Struct, frozen=True):
    """
    What is told of a district by status and level, counted at once: else the two would tell what came between.

    Where it is `alone`, nothing else may tell sums of statuses: they would give away what is hidden here; see `twins`.
    """

    mastery: DistrictMastery
    levels: DistrictLevels
    alone: bool


class SchoolLevel(msgspec.Struct, frozen=True):
    """A level in one school: learners by how far they are; None is suppressed, which is not zero."""

    framework: str
    subject: str | None
    level: str
    counts: dict[str, int | None]


class SchoolLevels(msgspec.Struct, frozen=True):
    """A school's distribution over the levels of each subject."""

    school: str
    title: str
    district: str
    as_of: str
    suppressed_below: int
    levels: list[SchoolLevel]


def level_rows(
    counts: Iterable[LevelCount], sizes: Mapping[str | None, int], small: int, told: Iterable[CompetencyCounts]
) -> list[LevelRow]:
    """
    Return the levels in the order of each continuum with small numbers suppressed, also those that could be worked out.

    Args:
        sizes: learners by school; None is the district, each learner once.
        told: what is told of the competencies beside it. A level of one competency is told by it alone: a count of its own, less
            the statuses that are told, would give a hidden one away.
    """
    by_competency = {each.competency: each for each in told}
    by_level: dict[tuple[str, str | None, str], list[LevelCount]] = {}
    for count in counts:
        by_level.setdefault((count.framework, count.subject, count.level), []).append(count)
    hidden = hidden_totals(sizes, small)
    rows = {
        key: _level_row(key, of_level, sizes, hidden, small)
        if (single := of_level[0].single) is None
        else _row_of_one(key, by_competency[single])
        for key, of_level in by_level.items()
    }
    return [rows[key] for key in _in_order(by_level)]


def _row_of_one(key: tuple[str, str | None, str], told: CompetencyCounts) -> LevelRow:
    return LevelRow(*key, _how_far(told.counts), {school: _how_far(counts) for school, counts in told.schools.items()})


def _how_far(told: Mapping[Status, int | None]) -> dict[str, int | None]:
    """Return what told statuses tell of a level of one competency, which is nothing where some say nothing of it."""
    if any(told.get(status, 0) != 0 for status in ("overridden", "presumed")):
        return dict.fromkeys(HOW_FAR)
    found: dict[str, int | None] = {}
    for how_far in HOW_FAR:
        counts = [told.get(status, 0) for status in _STATUSES[how_far]]
        found[how_far] = None if None in counts else sum(count for count in counts if count is not None)
    return found


def _in_order(
    by_level: Mapping[tuple[str, str | None, str], Sequence[LevelCount]],
) -> list[tuple[str, str | None, str]]:
    subjects: dict[tuple[str, str | None], list[Standard]] = {}
    for (framework, subject, level), counts in by_level.items():
        first = min(count.ordinal for count in counts)
        subjects.setdefault((framework, subject), []).append(Standard(framework, "", "", first, level, subject))
    found = []
    for framework, subject in sorted(subjects, key=lambda key: (key[0], key[1] or "")):
        order = level_order(subjects[framework, subject])
        found += [(framework, subject, level) for level in sorted(order, key=order.__getitem__) if level is not None]
    return found


def _level_row(
    key: tuple[str, str | None, str],
    counts: Sequence[LevelCount],
    sizes: Mapping[str | None, int],
    hidden: set[str | None],
    small: int,
) -> LevelRow:
    table: dict[Cell, int] = {(how_far, school): 0 for how_far in HOW_FAR for school in sizes}
    table |= {(count.how_far, count.school): count.learners for count in counts if count.school in sizes}
    for school, size in sizes.items():
        # One in two schools of the district may be complete by what neither alone shows; never below nobody.
        table["none", school] = max(0, size - table["begun", school] - table["complete", school])
    secret = hidden_cells(table, sizes, hidden, small)

    def shown(school: str | None) -> dict[str, int | None]:
        return {how_far: None if (how_far, school) in secret else table[how_far, school] for how_far in HOW_FAR}

    return LevelRow(*key, shown(None), {school: shown(school) for school in sizes if school is not None})


def levels_of_school(told: DistrictLevels, school: str, title: str) -> SchoolLevels:
    """
    Return a school's column as the district tells it, and no more.

    What is hidden there to protect another school stays hidden here: else the two tables together would give it away.
    """
    levels = levels_in_school(told.levels, school)
    return SchoolLevels(school, title, told.district, told.as_of, told.suppressed_below, levels)


def levels_in_school(rows: Iterable[LevelRow], school: str) -> list[SchoolLevel]:
    """Return a school's column of a district's levels."""
    return [
        SchoolLevel(row.framework, row.subject, row.level, row.schools[school]) for row in rows if school in row.schools
    ]
