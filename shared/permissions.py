"""
Who may see and do what: the published permission matrix, and the roles in which a caller stands to a learner, class or school.

A role gives views; the roster gives the rows. A token's claims alone open no row of a person, except the scope for the
whole tenant, which whoever issues tokens gives to leaders, auditors and integrations.
"""

from collections.abc import Collection, Iterable
from typing import Literal, get_args

Role = Literal[
    "learner", "guardian", "teacher", "substitute", "case_manager", "counsellor", "registrar", "leader", "auditor",
    "integration",
]  # fmt: skip
View = Literal[
    "record", "timeline", "growth", "projection", "why", "class", "queues", "aggregate", "analysis", "own_access_log",
    "access_log", "names", "capture", "sign_off", "decide", "correct", "answer", "credential", "export", "support",
    "plan", "set_plan", "ask", "asked",
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)
VIEWS: tuple[View, ...] = get_args(View)
FAMILY: tuple[Role, ...] = ("learner", "guardian")
WRITES: dict[View, str] = {
    "capture": "evidence:write", "sign_off": "decisions:write", "decide": "decisions:write", "correct": "evidence:write",
    "answer": "decisions:write", "set_plan": "decisions:write",
}  # fmt: skip
"""What changes something, and the scope that it takes besides the role, which for these comes from the roster alone."""
BY_ROSTER: frozenset[View] = frozenset((*WRITES, "ask"))
"""What is open to the learner and by the roster alone; to ask changes no record, so it takes no scope to write."""
RESTRICTED: frozenset[View] = frozenset(("support", "plan"))
"""What the scope for the whole tenant does not open by itself: the token has to name a role that sees it."""

_LEARNER: tuple[View, ...] = (
    "record", "timeline", "growth", "why", "own_access_log", "credential", "plan", "ask", "asked",
)  # fmt: skip
_TEACHING: tuple[View, ...] = (
    "record", "timeline", "growth", "projection", "why", "class", "queues", "names", "support", "plan", "asked",
    "answer",
)  # fmt: skip
PERMISSIONS: dict[Role, frozenset[View]] = {
    "learner": frozenset(_LEARNER),
    "guardian": frozenset((*_LEARNER, "names")),
    "teacher": frozenset((*_TEACHING, *WRITES)) - {"set_plan"},
    "substitute": frozenset(("record", "why", "class", "queues", "names", "capture")),
    "case_manager": frozenset((*_TEACHING, "set_plan")) - {"class"},
    "counsellor": frozenset((*_TEACHING, "aggregate", "credential", "decide", "set_plan")),
    "registrar": frozenset(("record", "timeline", "queues", "aggregate", "names", "credential", "export", "decide")),
    "leader": frozenset(
        (*_TEACHING, "aggregate", "analysis", "sign_off", "decide", "correct", "credential", "set_plan")
    ),
    "auditor": frozenset(("aggregate", "analysis", "access_log")),
    "integration": frozenset(("record", "timeline", "class", "queues", "aggregate", "names", "export")),
}
"""What each role sees of the rows that the roster gives it; the table in the documents and its test are made of this."""

_ALSO = {
    "co_teacher": "teacher", "coteacher": "teacher", "aide": "teacher", "school_leader": "leader",
    "district_leader": "leader", "principal": "leader", "parent": "guardian", "counselor": "counsellor",
}  # fmt: skip
"""Other names that rosters and identity providers use."""


def role_of(name: str) -> Role | None:
    """Return the role that a roster or token means by a name; None where it is none of ours."""
    named = name.strip().lower().replace("-", "_").replace(" ", "_")
    named = _ALSO.get(named, named)
    return next((role for role in ROLES if role == named), None)


def listed_role(name: str, via: str) -> Role | None:
    """Return the role that the roster means by a name; as staff of a class (`via`) whom it calls otherwise teaches."""
    return role_of(name) or ("teacher" if via == "class" else None)


def tenant_roles(names: Iterable[str], what: View) -> set[Role]:
    """
    Return the roles in which a caller who may read the tenant sees something: those that the token names, and where it names
    none of ours leader and integration, but for what is restricted.
    """
    named = {role for name in names if (role := role_of(name)) is not None}
    return named or (set() if what in RESTRICTED else {"leader", "integration"})


def those_that_may(roles: Collection[Role], view: View) -> tuple[Role, ...]:
    """Return the roles, of those that one holds, that let one see or do something, in the order of `ROLES`."""
    return tuple(role for role in ROLES if role in roles and view in PERMISSIONS[role])


def may(roles: Collection[Role], view: View) -> Role | None:
    """Return the first of `those_that_may`; None where none does."""
    return next(iter(those_that_may(roles, view)), None)


def matrix() -> str:
    """Return the permission matrix as a Markdown table: a row a role, a column a view."""
    lines = [f"| role | {' | '.join(view.replace('_', ' ') for view in VIEWS)} |", "|---" * (len(VIEWS) + 1) + "|"]
    for role in ROLES:
        cells = ("yes" if view in PERMISSIONS[role] else "-" for view in VIEWS)
        lines.append(f"| {role.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)
