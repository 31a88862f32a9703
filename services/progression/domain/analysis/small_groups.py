"""Small numbers are not told, nor what would give them away."""

from collections.abc import Mapping

SMALL = 10
"""Groups and counts below this are not told: the usual minimum of public education reports."""


def hidden_groups(counts: Mapping[str, int], sizes: Mapping[str, int]) -> set[str]:
    """
    Return the groups whose count is not told where the total over all groups is.

    That is a group smaller than `SMALL`, and a count of 1 to 9; then the next smallest, until what is hidden is two or more and
    adds up to `SMALL`, so that the total gives no small number away.
    """
    hidden = {group for group, count in counts.items() if sizes[group] < SMALL or 0 < count < SMALL}
    while hidden and (len(hidden) == 1 or sum(counts[group] for group in hidden) < SMALL):
        rest = [group for group in counts if group not in hidden]
        if not rest:
            return set(counts)
        hidden.add(min(rest, key=lambda group: (counts[group] == 0, counts[group], group)))
    return hidden
