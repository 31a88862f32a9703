"""Whom a learner or family may ask: the people whom the roster puts beside the learner today, those who teach first."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shared.permissions import Role, listed_role

_ASKED: tuple[Role, ...] = ("teacher", "case_manager", "counsellor", "substitute")


class Contact(NamedTuple):
    """A person to ask, in which role, and for which classes; none where the person is assigned to the learner."""

    person: str
    role: Role
    classes: tuple[str, ...]


def contacts(rows: Iterable[Any]) -> list[Contact]:
    """Return the people to ask among (person, role, via, title), each once in a role, with the titles of their classes."""
    found: dict[tuple[Role, str], set[str]] = {}
    for row in rows:
        role = listed_role(row["role"], row["via"])
        if role in _ASKED:
            titles = {row["title"]} if row["via"] == "class" and row["title"] else set()
            found.setdefault((role, row["person"]), set()).update(titles)
    ordered = sorted(found.items(), key=lambda each: (_ASKED.index(each[0][0]), each[0][1]))
    return [Contact(person, role, tuple(sorted(classes))) for (role, person), classes in ordered]
