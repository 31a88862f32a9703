"""What should have come of each school's learners, and did; small numbers suppressed."""

import datetime
from collections.abc import Collection, Mapping

import msgspec

from services.reporting.domain.small_numbers import is_few
from services.reporting.domain.suppression import hidden_totals
from shared.school_calendar import school_day_before

SCHOOL_DAYS = 20
"""Four weeks. Not the caller's to choose: the answers of two windows would give away the learner between them."""


class SchoolCompleteness(msgspec.Struct, frozen=True):
    """
    A school's learners with a class: all, and those with and without evidence that is of the last `SCHOOL_DAYS`.

    None is a number too small to be told, or one that would give another away; it is not zero.
    """

    school: str
    title: str
    learners: int | None
    with_evidence: int | None
    without_evidence: int | None


class DistrictCompleteness(msgspec.Struct, frozen=True):
    """
    A district by school; `since` is the first of the `school_days` days, of which `calendar` says what they are, in `time_zone`
    (None where the school calendar is not known, and the days are those of UTC without breaks).
    """

    district: str
    as_of: str
    suppressed_below: int
    school_days: int
    calendar: str
    time_zone: str | None
    since: str
    schools: list[SchoolCompleteness]


class SchoolShare(msgspec.Struct, frozen=True):
    """A school's row of its district's table, with the days that it is about."""

    since: str
    school_days: int
    time_zone: str | None
    row: SchoolCompleteness


def of_school(found: DistrictCompleteness, school: str) -> SchoolShare | None:
    """Return a school's row, which hides what the district's table hides; None for a school that is not in it."""
    row = next((row for row in found.schools if row.school == school), None)
    return None if row is None else SchoolShare(found.since, found.school_days, found.time_zone, row)


def first_day(today: datetime.date, breaks: str) -> datetime.date:
    """Return the first of the last `SCHOOL_DAYS` school days, today among them if it is one."""
    return school_day_before(today, SCHOOL_DAYS - 1, breaks)


def by_school(
    counts: Mapping[str, tuple[int, int]],
    learners: int,
    titles: Mapping[str, str],
    small: int,
    untold: Collection[str] = (),
) -> list[SchoolCompleteness]:
    """
    Return all schools of `titles`, in their order.

    Args:
        counts: learners, and those of them with evidence; a school without learners may be left out.
        learners: of the district, each once, as its other tables tell it: the sizes that they hide are hidden here too.
        untold: schools where how many have evidence would give away what the table by competency hides.
    """
    total: dict[str | None, int] = {school: counts.get(school, (0, 0))[0] for school in titles}
    hidden = hidden_totals(total | {None: learners}, small)
    return [
        _school(
            school, title, *counts.get(school, (0, 0)), small, is_hidden=school in hidden, is_untold=school in untold
        )
        for school, title in titles.items()
    ]


def _school(
    school: str, title: str, learners: int, came: int, small: int, *, is_hidden: bool, is_untold: bool
) -> SchoolCompleteness:
    if is_hidden:
        return SchoolCompleteness(school, title, None, None, None)
    missing = learners - came
    if is_few(came, small) or is_few(missing, small) or is_untold:
        return SchoolCompleteness(school, title, learners, None, None)
    return SchoolCompleteness(school, title, learners, came, missing)
