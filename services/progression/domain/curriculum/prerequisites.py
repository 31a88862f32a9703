"""Which edges are prerequisites is a local choice: a publisher's order of presentation need not be an order of learning."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from services.progression.domain.curriculum.framework import Framework
from services.progression.domain.curriculum.graph import cycles
from services.progression.domain.curriculum.problems import Problems, some_of
from shared.contracts.internal_events import Association

Choice = Literal["precedes", "none"]
ORDERING = frozenset(("prerequisite", "precedes"))


def choose(framework: Framework, choice: Choice, more: Iterable[Association] = ()) -> Framework:
    """
    Return the framework with the prerequisites of the choice, and the orderings in `more` as prerequisites besides.

    `precedes` takes every ordering of the framework for a prerequisite; with `none` they stay as `precedes` only.
    """
    type = "prerequisite" if choice == "precedes" else "precedes"
    edges = [
        msgspec.structs.replace(edge, type=type) if edge.type in ORDERING else edge for edge in framework.associations
    ]
    edges += [msgspec.structs.replace(edge, type="prerequisite") for edge in more if edge.type in ORDERING]
    return msgspec.structs.replace(framework, associations=tuple(dict.fromkeys(edges)))


def note_cycles(framework: Framework, problems: Problems) -> None:
    """Name what can never become ready, and groups that contain themselves."""
    for kind, edges, effect in (
        ("cycle", framework.prerequisites, "none of these can become ready"),
        ("cycle of groups", framework.children, "none of these has leaves of its own"),
    ):
        for members in cycles(edges):
            named = some_of([member.partition(":")[2] for member in members])
            problems.add(f"{kind}s", f"{kind}: {named}: {effect}")
