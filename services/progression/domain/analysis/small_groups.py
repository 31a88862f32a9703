"""Small numbers are not told, nor what would give them away."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Group = TypeVar("Group", bound=Hashable)
UNKNOWN = "unknown"
"""The group of those of whom nobody has said which they are of."""


def hidden_groups(counts: Mapping[Group, int], sizes: Mapping[Group, int], small: int) -> set[Group]:
    """
    Return the groups whose count is not told where the total over all groups is.

    That is a group smaller than `small`, and a count above 0 that is; then the next smallest, until what is hidden is two or
    more and adds up to `small`, so that the total gives no small number away.
    """
    hidden = {group for group, count in counts.items() if sizes[group] < small or 0 < count < small}
    while hidden and (len(hidden) == 1 or sum(counts[group] for group in hidden) < small):
        rest = [group for group in counts if group not in hidden]
        if not rest:
            return set(counts)
        hidden.add(min(rest, key=lambda group: (counts[group] == 0, counts[group], str(group))))
    return hidden
