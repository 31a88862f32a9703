"""Whom a learner or family may ask: the people whom the roster puts beside the learner today, those who teach first."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shared.permissions import Role, role_of, staff_role

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
        in_class = row["via"] == "class"
        role = staff_role(row["role"]) if in_class else role_of(row["role"])
        if role in _ASKED:
            found.setdefault((role, row["person"]), set()).update({row["title"]} if in_class and row["title"] else ())
    ordered = sorted(found.items(), key=lambda each: (_ASKED.index(each[0][0]), each[0][1]))
    return [Contact(person, role, tuple(sorted(classes))) for (role, person), classes in ordered]
