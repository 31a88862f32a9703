"""
Facts of the graph, given what a learner has on the record: what is ready, what to review first, what contradicts it.

Only direct prerequisites count: what is missing from a record far back closes nothing. All answers are full ids. The terms
are those of knowledge spaces. Source: Doignon & Falmagne 1999, Knowledge Spaces, chapter 3 (fringes).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from services.progression.curriculum.framework import Framework


class Coverage(NamedTuple):
    """How many leaves a group has, and how many of them are on the record."""

    leaves: int
    satisfied: int


def outer_fringe(framework: Framework, satisfied: Collection[str]) -> dict[str, tuple[str, ...]]:
    """
    Return what a learner can take up now, with its direct prerequisites: all of them are on the record, it is not.

    What has no prerequisites is in it; groups are only if they have some: otherwise they are learned through their members.
    """
    return {
        competency: needed
        for competency in framework.by_id
        for needed in (framework.prerequisites.get(competency, ()),)
        if competency not in satisfied
        and (needed or competency not in framework.children)
        and all(code in satisfied for code in needed)
    }


def ready(framework: Framework, satisfied: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the part of the outer fringe that something on the record has opened: events are told of it alone."""
    return {competency: needed for competency, needed in outer_fringe(framework, satisfied).items() if needed}


def inner_fringe(framework: Framework, satisfied: Collection[str]) -> list[str]:
    """Return what to review first: on the record, with nothing on the record that builds on it."""
    return [
        competency
        for competency in framework.by_id
        if competency in satisfied and not any(code in satisfied for code in framework.dependents.get(competency, ()))
    ]


def contradictions(framework: Framework, satisfied: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return what is on the record without some of its direct prerequisites, with those: evidence about the graph."""
    return {
        competency: missing
        for competency, needed in framework.prerequisites.items()
        if competency in satisfied
        for missing in (tuple(code for code in needed if code not in satisfied),)
        if missing
    }


def ancestors(framework: Framework, competency: str) -> set[str]:
    """Return all groups that a competency lies in."""
    return _reached(framework.parents, competency)


def leaves(framework: Framework, group: str) -> set[str]:
    """Return the competencies under a group that group nothing themselves; of a leaf, itself."""
    return {code for code in _reached(framework.children, group) | {group} if code not in framework.children}


def coverage(framework: Framework, group: str, satisfied: Collection[str]) -> Coverage:
    """Return how much of a group is on the record, by its leaves; what lies in it twice counts once."""
    under = leaves(framework, group)
    return Coverage(len(under), sum(code in satisfied for code in under))


def cycles(edges: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """
    Return the groups of nodes that reach each other, where there is more than one in a group.

    Iterative, and linear in nodes and edges, so that neither depth nor size is a danger.
    Source: Tarjan 1972, Depth-first search and linear graph algorithms.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[tuple[str, ...]] = []
    for root in edges:
        trail = [(root, iter(edges[root]))] if root not in number else []
        while trail:
            node, rest = trail[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                stack.append(node)
                on_stack.add(node)
            following = next(rest, None)
            if following is None:
                trail.pop()
                if trail:
                    low[trail[-1][0]] = min(low[trail[-1][0]], low[node])
                if low[node] == number[node]:
                    group = [stack.pop()]
                    while group[-1] != node:
                        group.append(stack.pop())
                    on_stack.difference_update(group)
                    if len(group) > 1:
                        found.append(tuple(sorted(group)))
            elif following not in number:
                trail.append((following, iter(edges.get(following, ()))))
            elif following in on_stack:
                low[node] = min(low[node], number[following])
    return found


def _reached(edges: Mapping[str, Iterable[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for code in edges.get(waiting.pop(), ()):
            if code not in found:
                found.add(code)
                waiting.append(code)
    return found
