"""What should have come of each school's learners, and did; small numbers suppressed."""

import datetime
from collections.abc import Mapping

import msgspec

from services.reporting.domain.suppression import hidden_totals
from shared.weekdays import weekday_of, weekdays_to

SCHOOL_DAYS = 20
"""Four weeks. Not the caller's to choose: the answers of two windows would give away the learner between them."""
CALENDAR = "Monday to Friday, in UTC; breaks are not counted out"


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
    """A district by school; `since` is the first of the `school_days` days, of which `calendar` says what they are."""

    district: str
    as_of: str
    suppressed_below: int
    school_days: int
    calendar: str
    since: str
    schools: list[SchoolCompleteness]


def first_day(today: datetime.date) -> datetime.date:
    """Return the first of the last `SCHOOL_DAYS` school days, today among them."""
    return weekday_of(weekdays_to(today) - SCHOOL_DAYS + 1)


def by_school(counts: Mapping[str, tuple[int, int]], titles: Mapping[str, str], n_min: int) -> list[SchoolCompleteness]:
    """
    Return all schools of `titles`, in their order.

    Args:
        counts: learners, and those of them with evidence; a school without learners may be left out.
    """
    total: dict[str | None, int] = {school: counts.get(school, (0, 0))[0] for school in titles}
    hidden = hidden_totals(total | {None: sum(total.values())}, n_min)
    return [
        _school(school, title, *counts.get(school, (0, 0)), school in hidden, n_min) for school, title in titles.items()
    ]


def _school(school: str, title: str, learners: int, came: int, is_hidden: bool, n_min: int) -> SchoolCompleteness:
    if is_hidden:
        return SchoolCompleteness(school, title, None, None, None)
    missing = learners - came
    if 0 < came < n_min or 0 < missing < n_min:
        return SchoolCompleteness(school, title, learners, None, None)
    return SchoolCompleteness(school, title, learners, came, missing)
