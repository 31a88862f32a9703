"""Who has the role that owns what waits, by the roster of today, so that a page can name the person."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.permissions import FAMILY, listed_role, role_of

NAMED_MAX = 3
"""Of more people, each with the same role towards a learner, none is the one to go to."""


def owners(rows: Iterable[Any], names: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    """
    Return the names of who stands to a learner in a role, by (learner, role), where they are few and each has a name.

    `rows` are (learner, person, role, via). Families own nothing.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        role = listed_role(row["role"], row["via"])
        if role is not None and role not in FAMILY:
            found.setdefault((row["learner"], role), set()).add(row["person"])
    return {
        key: sorted(names[person] for person in people)
        for key, people in found.items()
        if len(people) <= NAMED_MAX and people <= names.keys()
    }


def owner_names(of: Mapping[tuple[str, str], list[str]], learner: str, owner: str) -> list[str]:
    """Return the names of who owns what waits of a learner: `owner` is a role as policies and events call it."""
    return of.get((learner, role_of(owner) or owner), [])
