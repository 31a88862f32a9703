"""
Growth of a district's learners, each against the own past: by school in numbers, and by learner for those who may see them.

A learner's change is what came onto the record in a window of school days, less what did in the window before it. A median
alone would hide who is behind, so beside it stands how many have something that they have not yet shown.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from services.reporting.domain.small_numbers import is_few
from services.reporting.domain.suppression import Cell, hidden_cells, hidden_totals
from shared.school_calendar import school_day_before

WINDOW = 30
"""School days of a window; not the caller's to choose, as in `completeness.SCHOOL_DAYS`."""
HOW = ("more", "same", "less", "new")
"""More, as much, or less than in the window before; new are those without evidence from before both windows."""
_NOT_YET, _OTHERS = "not_yet", "others"


class GrownCount(NamedTuple):
    """What was counted of the learners of a school, or with None of all, each once; the median is of those who are not new."""

    school: str | None
    learners: int
    more: int
    same: int
    less: int
    median_change: float | None
    not_yet: int

    @property
    def new(self) -> int:
        """Those who are none of the three."""
        return self.learners - self.more - self.same - self.less


class SchoolGrowth(msgspec.Struct, frozen=True):
    """
    The learners of a school by how they grew; `school` is empty for all of the district, each learner once.

    `median_change` is of competencies. `not_yet` are learners with a competency of which there is enough evidence, and which
    it does not show. None is suppressed, which is not zero.
    """

    school: str
    title: str
    learners: int | None
    more: int | None
    same: int | None
    less: int | None
    new: int | None
    median_change: float | None
    not_yet: int | None


class DistrictGrowth(msgspec.Struct, frozen=True):
    """Growth by school: of the `school_days` from `since`, against those from `before`."""

    district: str
    as_of: str
    suppressed_below: int
    school_days: int
    since: str
    before: str
    all: SchoolGrowth
    schools: list[SchoolGrowth]


class OwnSchoolGrowth(msgspec.Struct, frozen=True):
    """A school's row of its district's table, with the windows that it is about."""

    district: str
    as_of: str
    suppressed_below: int
    school_days: int
    since: str
    before: str
    row: SchoolGrowth


class LearnerGrowth(msgspec.Struct, frozen=True):
    """A learner: competencies shown in the window and in the one before; `change` is None of who is new."""

    learner: str
    shown: int
    shown_before: int
    change: int | None
    not_yet: list[str]


class Windows(NamedTuple):
    """The first days of the window and of the one before."""

    since: datetime.date
    before: datetime.date


def windows(today: datetime.date, breaks: str) -> Windows:
    """Return the last `WINDOW` school days, today among them if it is one, and as many before."""
    since = school_day_before(today, WINDOW - 1, breaks)
    return Windows(since, school_day_before(since, WINDOW, breaks))


def growth_by_school(
    counts: Iterable[GrownCount], titles: Mapping[str, str], small: int, *, no_sums: bool = False
) -> tuple[SchoolGrowth, list[SchoolGrowth]]:
    """
    Return the row of all, and the schools of `titles` in their order, without what is of few or would give it away.

    Args:
        no_sums: whether sums of statuses would give away what the table by competency hides.
    """
    empty = {school: GrownCount(school, 0, 0, 0, 0, None, 0) for school in (*titles, None)}
    found: dict[str | None, GrownCount] = {**empty, **{count.school: count for count in counts}}
    sizes = {school: count.learners for school, count in found.items()}
    hidden = hidden_totals(sizes, small)
    change: dict[Cell, int] = {(how, school): getattr(count, how) for school, count in found.items() for how in HOW}
    behind: dict[Cell, int] = {(_NOT_YET, school): count.not_yet for school, count in found.items()} | {
        (_OTHERS, school): count.learners - count.not_yet for school, count in found.items()
    }
    secret = hidden_cells(change, sizes, hidden, small) | hidden_cells(behind, sizes, hidden, small)
    # Of a school whose size is hidden no other table tells a sum of statuses, and this one neither.
    secret |= {(_NOT_YET, school) for school in (sizes if no_sums else hidden)}
    told = change | behind

    def cell(name: str, school: str | None) -> int | None:
        return None if (name, school) in secret else told[name, school]

    def row(school: str | None, title: str) -> SchoolGrowth:
        count, is_told = found[school], school not in hidden
        few = count.learners - count.new < small or is_few(count.new, small)
        more, same, less, new = (cell(how, school) for how in HOW)
        median = None if few or not is_told else count.median_change
        learners = count.learners if is_told else None
        return SchoolGrowth(school or "", title, learners, more, same, less, new, median, cell(_NOT_YET, school))

    return row(None, ""), [row(school, title) for school, title in titles.items()]


def growth_of_school(told: DistrictGrowth, school: str) -> OwnSchoolGrowth | None:
    """Return a school's row, which hides what the district's table hides; None for a school that is not in it."""
    row = next((each for each in told.schools if each.school == school), None)
    if row is None:
        return None
    return OwnSchoolGrowth(
        told.district, told.as_of, told.suppressed_below, told.school_days, told.since, told.before, row
    )


def learner_growth(row: Mapping[str, Any]) -> LearnerGrowth:
    """Return a learner's growth of a row of `tables.growth.of_learners`."""
    change = row["shown"] - row["shown_before"] if row["has_past"] else None
    return LearnerGrowth(row["learner"], row["shown"], row["shown_before"], change, list(row["not_yet"]))
