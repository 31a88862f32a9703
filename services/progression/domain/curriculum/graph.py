"""
Facts of the graph: what is ready, what to review first, what is in a circle.

Only direct prerequisites count: what is missing from a record far back closes nothing. All answers are full ids.
"""

from collections.abc import Collection, Iterable, Mapping

from services.progression.domain.curriculum.framework import Framework
from services.progression.domain.fringe import Fringe, fringe


def frontier(framework: Framework, satisfied: Collection[str], presumed: Collection[str] = ()) -> Fringe:
    """
    Return the fringe of what a learner has on the record, in the order of the continuum.

    Groups are ready only if they have prerequisites: otherwise they are learned through their members.
    """
    prerequisites = {code: framework.prerequisites.get(code, ()) for code in framework.by_id}
    found = fringe(prerequisites, {code for code in framework.by_id if code in satisfied}, presumed)
    outer, inner = set(found.outer), set(found.inner)
    return Fringe(
        outer=tuple(c for c, direct in prerequisites.items() if c in outer and (direct or c not in framework.children)),
        inner=tuple(c for c in framework.by_id if c in inner),
        missing={c: found.missing[c] for c in framework.by_id if c in found.missing},
    )


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
