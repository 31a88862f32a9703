"""A district by level and by school, in numbers that tell nothing about single learners."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.reporting.domain.completeness import DistrictCompleteness
from services.reporting.domain.continuum import Standard, level_order
from services.reporting.domain.counting import DistrictMastery
from services.reporting.domain.equity import Group, reference
from services.reporting.domain.shares import Share, share
from services.reporting.domain.small_numbers import is_few, told_beside
from services.reporting.domain.suppression import Cell, hidden_cells, hidden_totals
from shared.contracts import Status

HOW_FAR = ("none", "begun", "complete")
"""No evidence in the level, some, and all of it on the record."""


class LevelCount(NamedTuple):
    """Learners who got so far in a level, in a school, or with None in all."""

    framework: str
    subject: str | None
    level: str
    ordinal: int
    school: str | None
    how_far: str
    learners: int


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


class DistrictEquity(msgspec.Struct, frozen=True):
    """
    The groups of one grouping, or of none where the district has sent no groups: then it is not available, not equal.

    `available` are the groupings that there are; the label of an unknown group is empty. `reference` is the group that the gaps
    are to, None where none is told.
    """

    district: str
    as_of: str
    suppressed_below: int
    grouping: str | None
    available: list[str]
    reference: str | None
    groups: list[Group]


def told_equity(
    district: str, as_of: str, n_min: int, grouping: str | None, available: list[str], groups: list[Group]
) -> DistrictEquity:
    """Return the groups with the name of the one that the gaps are to."""
    beside = reference(groups)
    label = None if beside is None else beside.label
    return DistrictEquity(district, as_of, n_min, grouping, available, label, groups)


class SchoolCount(NamedTuple):
    """
    What was counted of a school: learners, those with any evidence and with some lately; pairs of learner and competency on
    the record, those of them by hand and due, and the learners that have such a pair and a pair that is not such; and of the
    masteries of competencies that ask for a depth of knowledge those whose evidence stays below it, those whose evidence
    reaches it, and those whose evidence is tagged with none, as pairs and as learners who have such a pair.
    """

    school: str
    learners: int
    with_evidence: int
    lately: int
    recorded: int
    by_hand: int
    due: int
    learners_by_hand: int
    learners_not_by_hand: int
    learners_due: int
    learners_not_due: int
    below: int
    reaching: int
    untagged: int
    learners_below: int
    learners_reaching: int
    learners_untagged: int


class DepthShown(msgspec.Struct, frozen=True):
    """
    Masteries, as pairs of learner and competency, of what asks for a depth of knowledge: by how deep the evidence was.

    `tagged` are those whose evidence says how deep it is, `below` those of them in which all of it is less deep than the
    competency asks for, `share` of `tagged` with its interval, None where none is tagged; `untagged` are the others, None
    where they are of too few learners.
    """

    share: float | None
    low: float | None
    high: float | None
    below: int
    tagged: int
    untagged: int | None


class SchoolWatch(msgspec.Struct, frozen=True):
    """
    A school: whether evidence comes, and what is set by hand or falls due after it was shown.

    Shares of learners are None where a number is too small to be told, or the difference to one beside it; lately is what it is
    in the district's completeness. Shares of what is on the record are of pairs of learner and competency, and None where the
    pairs within, or those without, are of too few learners. `below_depth` looks at what is mastered alone, and at the evidence
    that it was mastered by.
    """

    school: str
    title: str
    learners: int | None
    with_evidence: Share | None
    with_evidence_lately: Share | None
    set_by_hand: Share | None
    due_for_re_check: Share | None
    below_depth: DepthShown | None


class DistrictWatch(msgspec.Struct, frozen=True):
    """Completeness and expectations by school; never by teacher, and no ground for judging one."""

    district: str
    as_of: str
    suppressed_below: int
    schools: list[SchoolWatch]


class DistrictSchools(msgspec.Struct, frozen=True):
    """What is told of a district by school, of one moment."""

    watch: DistrictWatch
    completeness: DistrictCompleteness


class DistrictTesting(msgspec.Struct, frozen=True):
    """
    Evidence in all of a district: pieces that count, those after confirmation but for re-checks, and their share.

    Each is None where it is of too few learners.
    """

    district: str
    as_of: str
    suppressed_below: int
    pieces: int | None
    surplus: int | None
    over_testing: float | None
    median_pieces_to_confirm: float | None
    pairs_confirmed: int | None


def level_rows(counts: Iterable[LevelCount], sizes: Mapping[str | None, int], n_min: int) -> list[LevelRow]:
    """
    Return the levels in the order of each continuum with small numbers suppressed, also those that could be worked out.

    Args:
        sizes: learners by school; None is the district, each learner once.
    """
    by_level: dict[tuple[str, str | None, str], list[LevelCount]] = {}
    for count in counts:
        by_level.setdefault((count.framework, count.subject, count.level), []).append(count)
    hidden = hidden_totals(sizes, n_min)
    rows = {key: _level_row(key, of_level, sizes, hidden, n_min) for key, of_level in by_level.items()}
    return [rows[key] for key in _in_order(by_level)]


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
    n_min: int,
) -> LevelRow:
    table: dict[Cell, int] = {(how_far, school): 0 for how_far in HOW_FAR for school in sizes}
    table |= {(count.how_far, count.school): count.learners for count in counts if count.school in sizes}
    for school, size in sizes.items():
        # One in two schools of the district may be complete by what neither alone shows; never below nobody.
        table["none", school] = max(0, size - table["begun", school] - table["complete", school])
    secret = hidden_cells(table, sizes, hidden, n_min)

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


def mastery_of_school(told: DistrictMastery, school: str, title: str) -> SchoolMastery:
    """Return a school's column as the district tells it, and no more; see `levels_of_school`."""
    learners = next((each.learners for each in told.schools if each.school == school), None)
    competencies = [
        SchoolCompetency(row.competency, row.title, row.schools[school])
        for row in told.competencies
        if school in row.schools
    ]
    return SchoolMastery(school, title, told.district, told.day, told.suppressed_below, learners, competencies)


def school_watch(counts: Sequence[SchoolCount], titles: Mapping[str, str], n_min: int) -> list[SchoolWatch]:
    """Return the schools; what is too small to be told, or would tell it, is None."""
    total: dict[str | None, int] = {count.school: count.learners for count in counts}
    total[None] = sum(count.learners for count in counts)
    hidden = hidden_totals(total, n_min)
    return [_watch(count, titles.get(count.school, count.school), count.school in hidden, n_min) for count in counts]


def _watch(count: SchoolCount, title: str, is_hidden: bool, n_min: int) -> SchoolWatch:
    if is_hidden:
        return SchoolWatch(count.school, title, None, None, None, None, None, None)

    def pairs(part: int, *people: int) -> Share | None:
        return None if any(is_few(each, n_min) for each in people) else share(part, count.recorded)

    # Completeness tells those with evidence lately, and goes first: else the two tables would give away who is between.
    _, lately, with_evidence = told_beside((count.learners, count.lately, count.with_evidence), n_min)
    return SchoolWatch(
        school=count.school, title=title, learners=count.learners,
        with_evidence=None if with_evidence is None else share(with_evidence, count.learners),
        with_evidence_lately=None if lately is None else share(lately, count.learners),
        set_by_hand=pairs(count.by_hand, count.learners_by_hand, count.learners_not_by_hand),
        due_for_re_check=pairs(count.due, count.learners_due, count.learners_not_due),
        below_depth=_depth_shown(count, n_min),
    )  # fmt: skip


def _depth_shown(count: SchoolCount, n_min: int) -> DepthShown | None:
    if is_few(count.learners_below, n_min) or is_few(count.learners_reaching, n_min):
        return None
    tagged = count.below + count.reaching
    found = share(count.below, tagged)
    untagged = None if is_few(count.learners_untagged, n_min) else count.untagged
    if found is None:
        return DepthShown(None, None, None, count.below, tagged, untagged)
    return DepthShown(found.share, found.low, found.high, count.below, tagged, untagged)


class PieceCount(NamedTuple):
    """What was counted of all a district's pairs of learner and competency; see `analysis.burden`."""

    pieces: int
    surplus: int
    median_pieces: float | None
    confirmed: int
    learners_surplus: int
    learners_confirmed: int


def told_testing(district: str, as_of: str, learners: int, count: PieceCount | None, n_min: int) -> DistrictTesting:
    """Return how much was asked for beyond confirmation; what is of too few learners is None."""
    if count is None or learners < n_min:
        return DistrictTesting(district, as_of, n_min, None, None, None, None, None)
    few = is_few(count.learners_surplus, n_min)
    of_few = is_few(count.learners_confirmed, n_min)
    return DistrictTesting(
        district, as_of, n_min, count.pieces,
        surplus=None if few else count.surplus,
        over_testing=None if few or not count.pieces else count.surplus / count.pieces,
        median_pieces_to_confirm=None if of_few else count.median_pieces,
        pairs_confirmed=None if of_few else count.confirmed,
    )  # fmt: skip
