"""The fringe of what a learner has mastered: what is ready to be learned, and what was learned last."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Fringe(NamedTuple):
    """What surrounds a set of mastered competencies, each sorted by name."""

    outer: tuple[str, ...]
    """Not mastered, with all direct prerequisites mastered or presumed: ready to learn."""
    inner: tuple[str, ...]
    """Mastered, with nothing mastered that builds on it: learned last, to be reviewed first."""
    missing: dict[str, tuple[str, ...]]
    """Mastered without these direct prerequisites: evidence about the graph, kept and named."""


def fringe(
    prerequisites: Mapping[str, Sequence[str]], mastered: Collection[str], presumed: Collection[str] = ()
) -> Fringe:
    """
    Return the fringe in a graph of direct prerequisites, in which roots have none or are left out.

    What is presumed satisfies prerequisites and is mastered by nobody yet.

    Source: Doignon & Falmagne 1999, outer and inner fringe, in the knowledge space that a prerequisite order generates.
    """
    known = sorted({*prerequisites, *(needed for direct in prerequisites.values() for needed in direct), *mastered})
    lacking = {c: tuple(n for n in prerequisites.get(c, ()) if n not in mastered and n not in presumed) for c in known}
    built_on = {needed for c in mastered for needed in prerequisites.get(c, ())}
    return Fringe(
        outer=tuple(c for c in known if c not in mastered and not lacking[c]),
        inner=tuple(c for c in known if c in mastered and c not in built_on),
        missing={c: lacking[c] for c in known if c in mastered and lacking[c]},
    )
