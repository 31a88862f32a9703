"""What a term ended with in a district and its schools, in numbers that tell nothing about single learners."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.counting import DistrictMastery, SchoolMastery, mastery_of_school
from services.reporting.domain.levels import LevelRow, SchoolLevel, levels_in_school
from services.reporting.domain.suppression import Cell, hidden_cells, hidden_totals

AMENDED, SAME = "amended", "same"


class AmendedCount(NamedTuple):
    """Learners of whom it is known by now that a competency was another than the term ended with; None is all schools."""

    competency: str
    school: str | None
    learners: int


class AmendedRow(msgspec.Struct, frozen=True):
    """A competency: such learners in all and by school; None is suppressed, which is not zero."""

    competency: str
    title: str | None
    learners: int | None
    schools: dict[str, int | None]


class TermDistrict(msgspec.Struct, frozen=True):
    """
    A district as it was when a term was closed, counted over what is kept of each learner, in the frameworks of today.

    `mastery` and `levels` stay; `amended` tells of how many learners something else is known by now.
    """

    term: str
    closed_at: str
    mastery: DistrictMastery
    levels: list[LevelRow]
    amended: list[AmendedRow]


class AmendedInSchool(msgspec.Struct, frozen=True):
    """A competency in one school; see `AmendedRow`."""

    competency: str
    title: str | None
    learners: int | None


class TermSchool(msgspec.Struct, frozen=True):
    """A school as it was when a term was closed; see `TermDistrict`."""

    term: str
    closed_at: str
    mastery: SchoolMastery
    levels: list[SchoolLevel]
    amended: list[AmendedInSchool]


def amended_rows(
    counts: Iterable[AmendedCount], sizes: Mapping[str | None, int], titles: Mapping[str, str], small: int
) -> list[AmendedRow]:
    """
    Return what is amended by competency with small numbers suppressed, also those that could be worked out.

    Args:
        sizes: learners by school; None is the district, each learner once.
    """
    hidden = hidden_totals(sizes, small)
    found: dict[str, dict[str | None, int]] = {}
    for count in counts:
        found.setdefault(count.competency, {})[count.school] = count.learners
    rows = []
    for competency, learners in sorted(found.items()):
        table: dict[Cell, int] = {(AMENDED, school): learners.get(school, 0) for school in sizes}
        table |= {(SAME, school): size - table[AMENDED, school] for school, size in sizes.items()}
        secret = hidden_cells(table, sizes, hidden, small)
        told = {school: None if (AMENDED, school) in secret else table[AMENDED, school] for school in sizes}
        schools = {school: number for school, number in told.items() if school is not None}
        rows.append(AmendedRow(competency, titles.get(competency), told[None], schools))
    return rows


def term_of_school(told: TermDistrict, school: str, title: str) -> TermSchool:
    """Return a school's column as the district tells it, and no more; see `levels.levels_of_school`."""
    amended = [
        AmendedInSchool(row.competency, row.title, row.schools[school]) for row in told.amended if school in row.schools
    ]
    return TermSchool(
        told.term, told.closed_at, mastery_of_school(told.mastery, school, title), levels_in_school(told.levels, school),
        amended,
    )  # fmt: skip
