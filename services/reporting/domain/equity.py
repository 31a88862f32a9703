"""
How groups of learners fare, alone and beside the largest: numbers with intervals, none of groups that are too small to be told.

A difference is a reason to look, not a verdict. Who still works towards a competency counts as waiting, and is not dropped.
"""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

import msgspec

from services.reporting.domain.group_statuses import Hidden, hidden_statuses
from services.reporting.domain.shares import Share, cohen_h, difference, share
from services.reporting.domain.small_numbers import hidden_beside, hidden_of_both, is_few, suppress
from services.reporting.domain.standing import ON_RECORD
from services.reporting.domain.survival import Curve, kaplan_meier
from shared.contracts.internal_events import Status


class Times(NamedTuple):
    """
    So many cases that took some days, or have taken them so far; `learners` are those of all cases of the label, `alike` those of
    the ones that happened, or did not, as these.
    """

    label: str
    days: int
    happened: bool
    cases: int
    learners: int
    alike: int


class Middle(msgspec.Struct, frozen=True):
    """
    The median of a time in days with its interval; None where half of the cases are still to come.

    `cases` are pairs of learner and competency, or requests, and `happened` those of them in which it did. Either is None where
    it would tell about few learners: those whom it happened to, those who wait, or those of a status that is not told.
    """

    median_days: float | None
    low: float | None
    high: float | None
    cases: int | None
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
    competency; what was set by hand is a status of its own: on the record, but no part of `on_record`. The intervals take pairs
    as independent, so they are narrow. Any figure is None where it is of so few learners that it tells about single ones, and
    one of statuses where it would give away what the district's table by competency hides. `gap` is made of told figures
    alone, and None of the reference itself.
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


def by_group(counts: Counts, small: int, *, no_sums: bool = False) -> list[Group]:
    """
    Return the figures of each group, those below `small` and as many more as keep them hidden without any.

    Shares of people are told only where neither the people nor those without are so few that the share tells them, and where
    they do not follow from the other groups: how many there are in all follows from another grouping.

    Args:
        no_sums: whether sums of statuses would give away what the table by competency hides.
    """
    told = suppress(counts.learners, small)
    gone = {label for label, learners in told.items() if learners is None}
    statuses = {
        label: {status: count.learners for status, count in counts.statuses.get(label, {}).items()} for label in told
    }
    hidden = hidden_statuses(statuses, gone, small)
    if no_sums:
        hidden = {label: Hidden(set(of), on_record=True) for label, of in statuses.items()}
    unsaid = {label for label, of in hidden.items() if of.statuses}
    mastery, sign_offs = _middles(counts.mastery, gone, unsaid, small), _middles(counts.sign_offs, gone, set(), small)
    overridden, withheld = (
        _shares_of_people(part, counts.learners, gone, small) for part in (counts.overridden, counts.withheld)
    )
    if no_sums:
        overridden = dict.fromkeys(overridden)
    groups = [
        _group(
            label, told[label], counts, hidden.get(label, Hidden()), mastery.get(label), sign_offs.get(label),
            overridden[label], withheld[label], small,
        )
        for label in sorted(told)
    ]  # fmt: skip
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
    overridden: Share | None, withheld: Share | None, small: int,
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
        overridden=overridden,
        withheld=withheld,
    )


def _statuses(counts: Mapping[Status, Pairs], hidden: Hidden) -> tuple[dict[Status, Share | None], Share | None]:
    """Return the share of each status, and of all that is on the record, as far as they are told."""
    total = sum(count.pairs for count in counts.values())
    if not total:
        return {}, None
    shares = {status: share(count.pairs, total) for status, count in counts.items()} | dict.fromkeys(hidden.statuses)
    recorded = sum(count.pairs for status, count in counts.items() if status in ON_RECORD)
    return shares, None if hidden.on_record else share(recorded, total)


def _shares_of_people(
    part: Mapping[str, int], sizes: Mapping[str, int], gone: Set[str], small: int
) -> dict[str, Share | None]:
    """Return the shares by label, without those of groups that are `gone` and those that tell of few."""
    within = {label: part.get(label, 0) for label in sizes}
    without = {label: size - within[label] for label, size in sizes.items()}
    hidden = hidden_of_both(within, without, small, gone)
    return {label: None if label in hidden else share(within[label], size) for label, size in sizes.items()}


def _middles(times: Iterable[Times], gone: Set[str], unsaid: Set[str], small: int) -> dict[str, Middle]:
    """
    Return the medians by label, without those of fewer than `small` learners.

    How many cases there are is not told where it would tell of few, nor of the labels that are `unsaid`; how many of them
    happened neither.
    """
    observed: dict[str, dict[tuple[float, bool], int]] = {}
    people = dict.fromkeys(gone, 0)
    done: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for label, days, happened, cases, learners, of_these in times:
        observed.setdefault(label, {})[float(days), happened] = cases
        people[label] = learners
        (done if happened else waiting)[label] = of_these
    of_cases = hidden_beside(people, small, gone | unsaid, guard_sum=not gone)
    none = dict.fromkeys(people, 0)
    of_happened = hidden_of_both(none | done, none | waiting, small, of_cases)
    return {
        label: _middle(kaplan_meier(cases), is_told=label not in of_cases, has_happened=label not in of_happened)
        for label, cases in observed.items() if people[label] >= small
    }  # fmt: skip


def _middle(curve: Curve, *, is_told: bool, has_happened: bool) -> Middle:
    return Middle(
        curve.median, curve.median_low, curve.median_high,
        cases=curve.people if is_told else None, happened=curve.happened if has_happened else None,
    )  # fmt: skip


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
