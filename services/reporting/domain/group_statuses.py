"""
Which statuses of groups are told: nothing of few learners, and nothing that such a number can be worked out from.

The shares of a group sum to 1, those on the record to a share that is told. Beside each other the groups sum to the district,
of which each status may be known, from another grouping if not from elsewhere. So what is on the record is hidden of several
groups or of none, and a status of all or of none; all groupings of a district hide the rarest statuses first, so that none
tells what another one hides.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from services.reporting.domain.small_numbers import hidden_beside, is_few
from services.reporting.domain.standing import ON_RECORD
from shared.contracts.internal_events import Status

Learners = Mapping[Status, int]
"""How many learners of a group have a status of any competency; a status of nobody is absent."""


@dataclass
class Hidden:
    """What is not told of a group: statuses, of which it may have none, and whether all that is on the record is not either."""

    statuses: set[Status] = field(default_factory=set)
    on_record: bool = False


def hidden_statuses(groups: Mapping[str, Learners], gone: Collection[str], small: int) -> dict[str, Hidden]:
    """
    Return what is hidden of each group that is told.

    Of those that are `gone` nothing is told; there are several then, so nothing about one of them follows from the district.
    """
    totals: dict[Status, int] = {}
    for learners in groups.values():
        for status, count in learners.items():
            totals[status] = totals.get(status, 0) + count
    rarest = sorted(totals, key=lambda status: (totals[status], status))
    sides = [[status for status in rarest if (status in ON_RECORD) == shown] for shown in (True, False)]
    told = {label: learners for label, learners in groups.items() if label not in gone}
    without = _without_sides(told, sides, small, are_all=not gone)
    beside = {label: learners for label, learners in told.items() if label not in without}
    hidden = {
        status for side in sides for status in _rarest_of(side, beside.values(), small, others=bool(gone or without))
    }
    return {label: Hidden(set(totals), on_record=True) if label in without else Hidden(set(hidden)) for label in told}


def _without_sides(groups: Mapping[str, Learners], sides: list[list[Status]], small: int, *, are_all: bool) -> set[str]:
    """Return the groups of which it is not told how much is on the record, and so not how much is not."""
    hidden: set[str] = set()
    for side in sides:
        # Who has one of these statuses may have another too, so there are at least as many learners as of the commonest.
        least = {label: max((learners.get(each, 0) for each in side), default=0) for label, learners in groups.items()}
        few = hidden | {label for label, learners in least.items() if is_few(learners, small)}
        hidden = hidden_beside(least, small, few) if are_all else few
    return hidden


def _rarest_of(side: list[Status], groups: Collection[Learners], small: int, *, others: bool) -> list[Status]:
    """Return the statuses of a side that are hidden of all groups: the rarest, as many as keep the few from following."""
    for number in range(len(side)):
        hidden, told = side[:number], side[number:]
        few = any(is_few(learners.get(status, 0), small) for learners in groups for status in told)
        if not few and _are_safe(hidden, groups, small, others=others):
            return hidden
    return side


def _are_safe(hidden: list[Status], groups: Collection[Learners], small: int, *, others: bool) -> bool:
    """Tell whether the sum of what is hidden, which is told of each group, gives none of it away."""
    if not hidden:
        return True
    most = [max(learners.get(status, 0) for status in hidden) for learners in groups]
    in_others = others or len(groups) == 1 or sum(count > 0 for count in most) > 1
    return len(hidden) > 1 and in_others and not any(is_few(count, small) for count in most)
