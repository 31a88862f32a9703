"""
Small numbers in one row of counts whose total is told: what is not told, so that nothing about single people is.

Tables of two dimensions are in `suppression`; this is for rows of groups.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

Name = TypeVar("Name")


def suppress(cells: Mapping[Name, int], small: int, *, guard_sum: bool = True) -> dict[Name, int | None]:
    """
    Return the cells with None where a number is not told: suppressed, which is not zero.

    Counts above 0 and below `small` are hidden. The total is told, so a single hidden cell could be worked out: then the
    next smallest is hidden too, zeros last. With `guard_sum` so many are hidden that also their sum is not below `small`.
    """
    hidden = hidden_beside(cells, small, guard_sum=guard_sum)
    return {name: None if name in hidden else count for name, count in cells.items()}


def hidden_beside(
    cells: Mapping[Name, int], small: int, gone: Collection[Name] = (), *, guard_sum: bool = True
) -> set[Name]:
    """Return the names whose count is not told where the total may be known: those of `suppress`, and `gone` already."""
    hidden = {name for name, count in cells.items() if name in gone or is_few(count, small)}
    while hidden_sum := sum(cells[name] for name in hidden):
        if len(hidden) > 1 and (not guard_sum or hidden_sum >= small):
            break
        told = [name for name in cells if name not in hidden]
        if not told:
            break
        hidden.add(min(told, key=lambda name: (cells[name] == 0, cells[name], str(name))))
    return hidden


def hidden_of_both(
    within: Mapping[Name, int], without: Mapping[Name, int], small: int, gone: Collection[Name]
) -> set[Name]:
    """
    Return the names of which no share is told: what is hidden of those within it, or of those without, beside the others.

    What is `gone` are several, of together `small` people or more; what is counted of them together may be known.
    """
    hidden: set[Name] = set(gone)
    while True:
        more = hidden.union(*(hidden_beside(each, small, hidden, guard_sum=not gone) for each in (within, without)))
        if more == hidden:
            return hidden
        hidden = more


def is_few(people: int, small: int) -> bool:
    """Tell whether a number of people is too small to be told; nobody is not few."""
    return 0 < people < small


def told_beside(counts: Iterable[int], small: int) -> list[int | None]:
    """
    Return counts of people of one row, each part of those before or the other way round, with None where one is not told.

    The earlier go first: one is told where neither it nor its difference to a told one is few. Two that are told beside each
    other, as 70 and 69, would tell about the one between.
    """
    told: list[int | None] = []
    for count in counts:
        beside = (abs(count - other) for other in told if other is not None)
        told.append(None if any(is_few(people, small) for people in (count, *beside)) else count)
    return told
