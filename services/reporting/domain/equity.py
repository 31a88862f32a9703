"""
How groups of learners fare: numbers with intervals, none of groups that are too small to be told.

A difference is a reason to look, not a verdict. Who still works towards a competency counts as waiting, and is not dropped.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.shares import Share, share
from services.reporting.domain.small_numbers import suppress
from services.reporting.domain.survival import Curve, kaplan_meier
from shared.contracts import Status


class Times(NamedTuple):
    """So many cases that took some days, or have taken them so far."""

    label: str
    days: int
    happened: bool
    cases: int


class Middle(msgspec.Struct, frozen=True):
    """The median of a time in days with its interval; None where half of the cases are still to come."""

    median_days: float | None
    low: float | None
    high: float | None
    cases: int
    happened: int


class Group(msgspec.Struct, frozen=True):
    """
    A group; every figure is None where `learners` is: the number is too small to be told.

    `label` is empty for the learners whose group is not known.
    """

    label: str
    learners: int | None
    statuses: dict[Status, float] | None
    time_to_mastery: Middle | None
    median_pieces: float | None
    over_testing: float | None
    sign_off_wait: Middle | None
    overridden: Share | None
    withheld: Share | None


class Counts(NamedTuple):
    """What was counted of the groups, by label."""

    learners: Mapping[str, int]
    statuses: Mapping[str, Mapping[Status, int]]
    mastery: Iterable[Times]
    pieces: Mapping[str, int]
    surplus: Mapping[str, int]
    median_pieces: Mapping[str, float | None]
    sign_offs: Iterable[Times]
    overridden: Mapping[str, int]
    withheld: Mapping[str, int]


def by_group(counts: Counts, n_min: int) -> list[Group]:
    """
    Return the figures of each group, those below `n_min` and as many more as keep them hidden without any.

    Shares of people are told only where neither the people nor those without are so few that the share tells them:
    between 1 and `n_min` - 1 they are left out.
    """
    told = suppress(counts.learners, n_min)
    mastery, sign_offs = _curves(counts.mastery), _curves(counts.sign_offs)
    return [
        _group(label, told[label], counts, mastery.get(label), sign_offs.get(label), n_min) for label in sorted(told)
    ]


def _group(
    label: str, learners: int | None, counts: Counts, mastery: Curve | None, sign_offs: Curve | None, n_min: int
) -> Group:
    if learners is None:
        return Group(label, None, None, None, None, None, None, None, None)
    statuses = counts.statuses.get(label, {})
    pairs, pieces = sum(statuses.values()), counts.pieces.get(label, 0)
    return Group(
        label=label,
        learners=learners,
        statuses={status: round(count / pairs, 3) for status, count in statuses.items()} if pairs else {},
        time_to_mastery=_middle(mastery),
        median_pieces=counts.median_pieces.get(label),
        over_testing=round(counts.surplus.get(label, 0) / pieces, 4) if pieces else None,
        sign_off_wait=_middle(sign_offs),
        overridden=_share_of_people(counts.overridden.get(label, 0), learners, n_min),
        withheld=_share_of_people(counts.withheld.get(label, 0), learners, n_min),
    )


def _share_of_people(part: int, whole: int, n_min: int) -> Share | None:
    return None if 0 < part < n_min or 0 < whole - part < n_min else share(part, whole)


def _curves(times: Iterable[Times]) -> dict[str, Curve]:
    observed: dict[str, dict[tuple[float, bool], int]] = {}
    for label, days, happened, cases in times:
        observed.setdefault(label, {})[float(days), happened] = cases
    return {label: kaplan_meier(cases) for label, cases in observed.items()}


def _middle(curve: Curve | None) -> Middle | None:
    if curve is None:
        return None
    return Middle(curve.median, curve.median_low, curve.median_high, curve.people, curve.happened)
