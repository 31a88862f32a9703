"""
Which statuses of groups are told: nothing of few learners, and nothing that such a number can be worked out from.

The shares of a group sum to 1, those on the record to a share that is told. Beside each other the groups sum to the district,
whose statuses are told too: so what is hidden of one group alone would follow from the others.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from services.reporting.domain.small_numbers import is_few
from services.reporting.domain.standing import ON_RECORD
from shared.contracts.internal_events import Status

Learners = Mapping[Status, int]
"""How many learners of a group have a status of any competency; a status of nobody is absent."""


@dataclass
class Hidden:
    """What is not told of a group: statuses, and whether all that is on the record is not either."""

    statuses: set[Status] = field(default_factory=set)
    on_record: bool = False


def hidden_statuses(groups: Mapping[str, Learners], small: int, *, are_all: bool) -> dict[str, Hidden]:
    """
    Return what is hidden of each group.

    `are_all` tells whether there are no other groups than these: of others, of which nothing is told, there are several, so
    nothing follows from the district then.
    """
    hidden = {
        label: Hidden({status for status, count in learners.items() if is_few(count, small)})
        for label, learners in groups.items()
    }
    while True:
        for label, of in hidden.items():
            _close(groups[label], of, small)
        if not are_all or not _hide_beside(groups, hidden):
            return hidden


def _close(learners: Learners, hidden: Hidden, small: int) -> None:
    """Hide as much more of a group as keeps what is hidden from following from the rest of it."""
    sides = [{status for status in learners if (status in ON_RECORD) == shown} for shown in (True, False)]
    for side in sides if not hidden.on_record else ():
        _hide_more(learners, hidden, side, small)
        hidden.on_record |= not _is_safe(learners, hidden.statuses & side, small)
    if hidden.on_record:
        for side in sides:
            if side and not side & hidden.statuses:
                hidden.statuses.add(_smallest(learners, side))
        _hide_more(learners, hidden, learners.keys(), small)


def _hide_more(learners: Learners, hidden: Hidden, of: Set[Status], small: int) -> None:
    while not _is_safe(learners, hidden.statuses & of, small) and (rest := of - hidden.statuses):
        hidden.statuses.add(_smallest(learners, rest))


def _is_safe(learners: Learners, hidden: Set[Status], small: int) -> bool:
    """Tell whether a sum of statuses that is told gives none of them away: there are several, and one is not of few."""
    return not hidden or (len(hidden) > 1 and any(not is_few(learners[status], small) for status in hidden))


def _hide_beside(groups: Mapping[str, Learners], hidden: Mapping[str, Hidden]) -> bool:
    """Hide one more number where one is hidden of a single group, and so follows from the others; tell if there was one."""
    for status in sorted({status for learners in groups.values() for status in learners}):
        have = {label: learners[status] for label, learners in groups.items() if status in learners}
        label = _next(have, {label for label in have if status in hidden[label].statuses})
        if label is not None:
            hidden[label].statuses.add(status)
            return True
    have = {label: sum(learners.get(status, 0) for status in ON_RECORD) for label, learners in groups.items()}
    label = _next(have, {label for label in have if hidden[label].on_record})
    if label is not None:
        hidden[label].on_record = True
    return label is not None


def _next(have: Mapping[str, int], gone: Set[str]) -> str | None:
    """Return the group of the least that is still told, beside the only one of which the number is gone."""
    told = [label for label in have.keys() - gone if have[label]] if len(gone) == 1 else ()
    return min(told, key=lambda label: (have[label], label), default=None)


def _smallest(learners: Learners, of: Set[Status]) -> Status:
    return min(of, key=lambda status: (learners[status], status))
