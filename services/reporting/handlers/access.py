"""
Rights on rows, from the roster, and the log of their use.

What is not in the tenant, and a learner or class that the caller has nothing to do with, are not found: both look the same.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import TypeVar

from services.reporting.tables import rights
from services.reporting.tables.reads import Rows, Snapshot
from shared.auth import Identity
from shared.database import Database
from shared.errors import Forbidden, NotFound
from shared.permissions import (
    BY_ROSTER,
    FAMILY,
    PERMISSIONS,
    WRITES,
    Role,
    View,
    listed_role,
    may,
    tenant_roles,
    those_that_may,
)

READ_SCOPES = TENANT, CLASSES, SELF = "records:read", "records:read:classes", "records:read:self"
AGAIN_S = 60.0
"""The same person looking at the same again within this time is one entry of the log."""
REMEMBERED = 10_000
PLACE_VIEWS: Mapping[str, View] = {"class": "class", "school": "aggregate", "district": "analysis"}
"""What the page of a place is for: who has not this view of it is not led there."""
_NOBODY: Rows = ()
Answer = TypeVar("Answer")
Found = Rows | Sequence[Mapping[str, str]]
"""What the roster says a caller is: rows of `role` and `via`."""


async def check_learner(
    view: Snapshot, caller: Identity, learner: str, what: View, *, in_role: Role | None = None
) -> Role:
    """
    Return the role in which the caller may see or do something of a learner: `in_role`, or the first that lets it.

    Raises:
        NotFound: there is no such learner in the tenant, or the caller has nothing to do with the learner.
        Forbidden: the caller's roles do not see this, or the token may not change it.
    """
    known, found = await view.learner_exists(caller.tenant, learner), _NOBODY
    if known and (person := asked_of_learner(caller)) is not None:
        found = await rights.roles_towards_learner(view, caller.tenant, caller.today, person, learner)
    return permitted_learner(caller, learner, what, known=known, found=found, in_role=in_role)


def asked_of_learner(caller: Identity) -> str | None:
    """Return the person whose roles towards a learner the roster is asked for; None where it makes no difference."""
    return caller.subject if caller.scopes & {CLASSES, SELF} else None


def permitted_learner(
    caller: Identity, learner: str, what: View, *, known: bool, found: Found, in_role: Role | None = None
) -> Role:
    """Return or raise as `check_learner`, by whether the learner is known and the roles that the roster gives."""
    _check_scopes(caller, what)
    roles: set[Role] = set()
    if known:
        roles = _of_tenant(caller, what)
        if SELF in caller.scopes and caller.learner == learner:
            roles.add("learner")
        if caller.scopes & {CLASSES, SELF}:
            of_roster = roles_in(found)
            roles |= of_roster if CLASSES in caller.scopes else of_roster & {"guardian"}
    if not roles and not (known and TENANT in caller.scopes):
        raise NotFound(f"no learner {learner[:100]!r}")
    if in_role is not None and in_role not in roles:
        raise Forbidden(f"the roster does not list you as {in_role.replace('_', ' ')} of this learner")
    return _permitted(roles if in_role is None else {in_role}, what)[0]


async def check_class(view: Snapshot, caller: Identity, class_id: str, what: View = "class") -> tuple[str, Role]:
    """Return the title of a class and the first role in which the caller may see it; raises `NotFound` or `Forbidden`."""
    title, roles = await class_in_roles(view, caller, class_id, what)
    return title, roles[0]


async def class_in_roles(view: Snapshot, caller: Identity, class_id: str, what: View) -> tuple[str, Sequence[Role]]:
    """Return the title of a class and every role in which the caller may see or do something; raises as `check_class`."""
    title, found = await view.title_of_class(caller.tenant, class_id), _NOBODY
    if title is not None and (person := asked_of_roster(caller)) is not None:
        found = await rights.roles_towards_class(view, caller.tenant, caller.today, person, class_id)
    return permitted_class(caller, class_id, what, title=title, found=found)


def asked_of_roster(caller: Identity) -> str | None:
    """Return the person whose roles towards a class or school are asked for; None where they make no difference."""
    return caller.subject if CLASSES in caller.scopes else None


def permitted_class(
    caller: Identity, class_id: str, what: View, *, title: str | None, found: Found
) -> tuple[str, Sequence[Role]]:
    """Return or raise as `class_in_roles`, by the class's title, None where there is none, and the roles of the roster."""
    _check_scopes(caller, what)
    roles = _of_tenant(caller, what) | (roles_in(found) if CLASSES in caller.scopes else set())
    if title is None or (not roles and TENANT not in caller.scopes):
        raise NotFound(f"no class {class_id[:100]!r}")
    return title, _permitted(roles, what)


async def check_school(view: Snapshot, caller: Identity, school: str, what: View) -> Role:
    """Return the role in which the caller may see a school or district; raises `Forbidden`."""
    found = _NOBODY
    if (person := asked_of_roster(caller)) is not None:
        found = await rights.roles_towards_school(view, caller.tenant, caller.today, person, school)
    return permitted_school(caller, what, found)


def permitted_school(caller: Identity, what: View, found: Found) -> Role:
    """Return or raise as `check_school`, by the roles that the roster gives."""
    caller.require(TENANT, CLASSES)
    roles = _of_tenant(caller, what)
    if CLASSES in caller.scopes:
        roles |= roles_in(found)
    if not roles:
        raise Forbidden("the roster does not list you for this school or district")
    return _permitted(roles, what)[0]


async def opens(view: Snapshot, caller: Identity, kind: str, place: str) -> bool:
    """Tell whether the page of a class, school or district opens for the caller."""
    check = check_class if kind == "class" else check_school
    return await if_permitted(check(view, caller, place, PLACE_VIEWS[kind])) is not None


def check_tenant(caller: Identity, what: View) -> Role:
    """Return the role in which the caller may see something of the whole tenant; raises `Forbidden`."""
    caller.require(TENANT)
    return _permitted(_of_tenant(caller, what), what)[0]


def sees_in_tenant(caller: Identity, what: View) -> bool:
    """Tell whether the caller may see something of the whole tenant, as `check_tenant` does."""
    return may(_of_tenant(caller, what), what) is not None


async def is_leader(view: Snapshot, caller: Identity) -> bool:
    """Tell whether the caller may see figures of the tenant, or of any school or district that the roster names."""
    roles = _of_tenant(caller, "analysis")
    if CLASSES in caller.scopes:
        for place in await rights.schools_of(view, caller.tenant, caller.today, caller.subject):
            roles |= roles_in(
                await rights.roles_towards_school(view, caller.tenant, caller.today, caller.subject, place["target"])
            )
    return may(roles, "analysis") is not None


async def is_staff(view: Snapshot, caller: Identity) -> bool:
    """Tell whether the caller reads the whole tenant, or stands to anyone in it today as more than family."""
    if CLASSES not in caller.scopes or TENANT in caller.scopes:
        return TENANT in caller.scopes
    return bool(roles_in(await rights.roles_held(view, caller.tenant, caller.today, caller.subject)) - set(FAMILY))


async def writes_in_class(view: Snapshot, caller: Identity, class_id: str) -> set[View]:
    """Return what the caller may change in a class."""
    if CLASSES not in caller.scopes or caller.source is not None:
        return set()
    roles = roles_in(await rights.roles_towards_class(view, caller.tenant, caller.today, caller.subject, class_id))
    held = {what for role in roles for what in PERMISSIONS[role]}
    return {what for what, scope in WRITES.items() if what in held and scope in caller.scopes}


def _check_scopes(caller: Identity, what: View) -> None:
    caller.require(*READ_SCOPES)
    if what in WRITES:
        caller.require(WRITES[what])
    if what in BY_ROSTER and caller.source is not None:
        raise Forbidden("this token may write as its own source only")


def _of_tenant(caller: Identity, what: View) -> set[Role]:
    """Return the roles that the scope for the whole tenant gives: none for what changes something or is asked by people."""
    return tenant_roles(caller.roles, what) if TENANT in caller.scopes and what not in BY_ROSTER else set()


async def if_permitted(asked: Awaitable[Answer]) -> Answer | None:
    """Return an answer, None where the caller does not see it."""
    try:
        return await asked
    except Forbidden:
        return None


def roles_in(rows: Found) -> set[Role]:
    """Return our roles of (role, via): an unknown name teaches a class, and gives nothing elsewhere."""
    found = {listed_role(row["role"], row["via"]) for row in rows}
    return {role for role in found if role is not None}


def _permitted(roles: Collection[Role], what: View) -> Sequence[Role]:
    permitted = those_that_may(roles, what)
    if not permitted:
        held = ", ".join(sorted(roles)).replace("_", " ") or "nobody whom the token or the roster names"
        raise Forbidden(f"as {held} you do not see this ({what.replace('_', ' ')})")
    return permitted


class AccessLog:
    """Who looked at what; one entry for the same look at the same learners within a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: OrderedDict[tuple[str, str, str, str, int], float] = OrderedDict()

    async def note(self, caller: Identity, role: Role, view: str, target: str, learners: Sequence[str]) -> None:
        """Log a look, before what was looked for is answered; a learner's own looks count too."""
        # The next page of a list is a look at others.
        key, now = (caller.tenant, caller.subject, view, target, hash(frozenset(learners))), time.monotonic()
        if self._seen.get(key, -AGAIN_S) > now - AGAIN_S:
            return
        await self.note_each(caller, role, view, target, learners)
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    async def note_each(self, caller: Identity, role: Role, view: str, target: str, learners: Sequence[str]) -> None:
        """Log what is each time another: a change before it is made, a page of an export."""
        async with self._database.connection() as connection:
            await rights.note_access(connection, caller.tenant, caller.subject, role, view, target, learners)
