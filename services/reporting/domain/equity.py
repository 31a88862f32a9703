"""
How groups of learners fare, alone and beside the largest: numbers with intervals, none of groups that are too small to be told.

A difference is a reason to look, not a verdict. Who still works towards a competency counts as waiting, and is not dropped.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.group_statuses import Hidden, hidden_statuses
from services.reporting.domain.shares import Share, cohen_h, difference, share
from services.reporting.domain.small_numbers import is_few, suppress
from services.reporting.domain.standing import ON_RECORD
from services.reporting.domain.survival import Curve, kaplan_meier
from shared.contracts.internal_events import Status


class Times(NamedTuple):
    """So many cases that took some days, or have taken them so far; `learners` are those of all cases of the label."""

    label: str
    days: int
    happened: bool
    cases: int
    learners: int


class Middle(msgspec.Struct, frozen=True):
    """
    The median of a time in days with its interval; None where half of the cases are still to come.

    `happened` is None where so few cases happened, or are still to come, that the number would tell about single learners.
    """

    median_days: float | None
    low: float | None
    high: float | None
    cases: int
    happened: int | None


class Gap(msgspec.Struct, frozen=True):
    """
    A group beside the reference, the largest that is told: its share on the record less the other's, with Newcombe's interval,
    and Cohen's h; and its median of pieces to confirm over the other's, None where either is not told.
    """

    share: float
    low: float
    high: float
    effect: float
    burden_ratio: float | None


class Group(msgspec.Struct, frozen=True):
    """
    A group; every figure is None where `learners` is: the number is too small to be told.

    `label` is empty for the learners whose group is not known. `statuses` and `on_record` are shares of pairs of learner and
    competency; their intervals take pairs as independent, so they are narrow. Any figure is None where it is of so few
    learners that it tells about single ones. `gap` is made of told figures alone, and None of the reference itself.
    """

    label: str
    learners: int | None
    statuses: dict[Status, Share | None] | None
    on_record: Share | None
    time_to_mastery: Middle | None
    median_pieces: float | None
    over_testing: float | None
    sign_off_wait: Middle | None
    overridden: Share | None
    withheld: Share | None
    gap: Gap | None = None


class Pairs(NamedTuple):
    """Pairs of learner and competency, and the learners in them."""

    pairs: int
    learners: int


class Burden(NamedTuple):
    """Pieces of a group, those after confirmation but for re-checks, the median at confirmation; learners behind the last two."""

    pieces: int
    surplus: int
    median_pieces: float | None
    learners_surplus: int
    learners_confirmed: int


class Counts(NamedTuple):
    """What was counted of the groups, by label."""

    learners: Mapping[str, int]
    statuses: Mapping[str, Mapping[Status, Pairs]]
    mastery: Iterable[Times]
    burden: Mapping[str, Burden]
    sign_offs: Iterable[Times]
    overridden: Mapping[str, int]
    withheld: Mapping[str, int]


def by_group(counts: Counts, small: int) -> list[Group]:
    """
    Return the figures of each group, those below `small` and as many more as keep them hidden without any.

    Shares of people are told only where neither the people nor those without are so few that the share tells them:
    between 1 and `small` - 1 they are left out.
    """
    told = suppress(counts.learners, small)
    mastery, sign_offs = _middles(counts.mastery, small), _middles(counts.sign_offs, small)
    learners = {
        label: {status: count.learners for status, count in counts.statuses.get(label, {}).items()}
        for label, size in told.items() if size is not None
    }  # fmt: skip
    hidden = hidden_statuses(learners, small, are_all=len(learners) == len(told))
    groups = [
        _group(label, told[label], counts, hidden.get(label, Hidden()), mastery.get(label), sign_offs.get(label), small)
        for label in sorted(told)
    ]
    largest = reference(groups)
    return [msgspec.structs.replace(group, gap=_gap(group, largest)) for group in groups]


def reference(groups: Iterable[Group]) -> Group | None:
    """Return the group that the others stand beside: the largest known one of which learners and record are told."""
    known = [group for group in groups if group.label and group.learners is not None and group.on_record is not None]
    return min(known, key=lambda group: (-(group.learners or 0), group.label), default=None)


def _gap(group: Group, beside: Group | None) -> Gap | None:
    if beside is None or group.label == beside.label or group.on_record is None or beside.on_record is None:
        return None
    found = difference(group.on_record, beside.on_record)
    ratio = group.median_pieces / beside.median_pieces if group.median_pieces and beside.median_pieces else None
    return Gap(found.share, found.low, found.high, cohen_h(group.on_record.share, beside.on_record.share), ratio)


def _group(
    label: str, learners: int | None, counts: Counts, hidden: Hidden, mastery: Middle | None, sign_offs: Middle | None,
    small: int,
) -> Group:  # fmt: skip
    if learners is None:
        return Group(label, None, None, None, None, None, None, None, None, None)
    statuses, on_record = _statuses(counts.statuses.get(label, {}), hidden)
    burden = counts.burden.get(label, Burden(0, 0, None, 0, 0))
    few_surplus = is_few(burden.learners_surplus, small)
    return Group(
        label=label,
        learners=learners,
        statuses=statuses,
        on_record=on_record,
        time_to_mastery=mastery,
        median_pieces=None if is_few(burden.learners_confirmed, small) else burden.median_pieces,
        over_testing=round(burden.surplus / burden.pieces, 4) if burden.pieces and not few_surplus else None,
        sign_off_wait=sign_offs,
        overridden=_share_of_people(counts.overridden.get(label, 0), learners, small),
        withheld=_share_of_people(counts.withheld.get(label, 0), learners, small),
    )


def _statuses(counts: Mapping[Status, Pairs], hidden: Hidden) -> tuple[dict[Status, Share | None], Share | None]:
    """Return the share of each status, and of all that is on the record, as far as they are told."""
    total = sum(count.pairs for count in counts.values())
    if not total:
        return {}, None
    shares = {
        status: None if status in hidden.statuses else share(count.pairs, total) for status, count in counts.items()
    }
    recorded = sum(count.pairs for status, count in counts.items() if status in ON_RECORD)
    return shares, None if hidden.on_record else share(recorded, total)


def _share_of_people(part: int, whole: int, small: int) -> Share | None:
    return None if is_few(part, small) or is_few(whole - part, small) else share(part, whole)


def _middles(times: Iterable[Times], small: int) -> dict[str, Middle]:
    """Return the medians by label, without those of fewer than `small` learners."""
    observed: dict[str, dict[tuple[float, bool], int]] = {}
    for label, days, happened, cases, learners in times:
        if learners >= small:
            observed.setdefault(label, {})[float(days), happened] = cases
    return {label: _middle(kaplan_meier(cases), small) for label, cases in observed.items()}


def _middle(curve: Curve, small: int) -> Middle:
    few = is_few(curve.happened, small) or is_few(curve.people - curve.happened, small)
    happened = None if few else curve.happened
    return Middle(curve.median, curve.median_low, curve.median_high, curve.people, happened)


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
    district: str, as_of: str, small: int, grouping: str | None, available: list[str], groups: list[Group]
) -> DistrictEquity:
    """Return the groups with the name of the one that the gaps are to."""
    beside = reference(groups)
    label = None if beside is None else beside.label
    return DistrictEquity(district, as_of, small, grouping, available, label, groups)
