"""
A framework version: competencies with levels and subjects, the edges between them, and those that lead elsewhere.

A competency id is `<framework id>:<code>`, split at the first colon. Only direct prerequisites ever matter.
"""

import functools
import hashlib
import re
from collections.abc import Iterable

import msgspec

from shared.contracts.internal_events import Association, Competency
from shared.errors import InvalidEvent

FRAMEWORK_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
COMPETENCIES_MAX = 50_000
ASSOCIATIONS_MAX = 250_000
"""Five a competency at the limit; published frameworks have one to three."""
CROSSWALK_TYPES = frozenset(("exactMatchOf", "replacedBy"))


class OutsideAssociation(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    An edge with one end that the framework does not have.

    `code` is the end inside, `identifier` and `uri` name the other; `outward` where the edge leads out, as most do.
    """

    code: str
    type: str
    identifier: str
    uri: str = ""
    outward: bool = True


class LevelCredit(msgspec.Struct, frozen=True):
    """What a level counts for where it is recorded: the code by which that is known, and how much."""

    code: str
    value: float


class Framework(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """
    One version of a framework; `competencies` lie in the order of the continuum.

    `retired` are those that the source still lists as ended: nobody can master them, but crosswalks may start at them. `credits`
    are those of levels, by level id.
    """

    id: str
    title: str
    competencies: tuple[Competency, ...]
    associations: tuple[Association, ...]
    retired: tuple[Competency, ...] = ()
    outside: tuple[OutsideAssociation, ...] = ()
    credits: dict[str, LevelCredit] = {}

    @functools.cached_property
    def version(self) -> str:
        """The start of the SHA-256 of the content."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    @functools.cached_property
    def by_id(self) -> dict[str, Competency]:
        """The competencies by full id."""
        return {self.full_id(competency.code): competency for competency in self.competencies}

    @functools.cached_property
    def listed(self) -> frozenset[str]:
        """The full ids of all that the source lists, retired or not."""
        return frozenset((*self.by_id, *(self.full_id(competency.code) for competency in self.retired)))

    @functools.cached_property
    def prerequisites(self) -> dict[str, tuple[str, ...]]:
        """The direct prerequisites of every competency that has any, by full id."""
        return self._neighbours((edge.destination, edge.origin) for edge in self._edges("prerequisite"))

    @functools.cached_property
    def dependents(self) -> dict[str, tuple[str, ...]]:
        """The competencies that a competency is a direct prerequisite of, by full id."""
        return self._neighbours((edge.origin, edge.destination) for edge in self._edges("prerequisite"))

    @functools.cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """The groups that a competency lies in directly, by full id."""
        return self._neighbours(self._child_and_parent())

    @functools.cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """The competencies directly in a group, by the full id of the group; what is no key here is a leaf."""
        return self._neighbours((parent, child) for child, parent in self._child_and_parent())

    @functools.cached_property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The competencies of every level, by level id, in the order of the continuum."""
        found: dict[str, list[str]] = {}
        for full_id, competency in self.by_id.items():
            if competency.level is not None:
                found.setdefault(level_id(self.id, competency), []).append(full_id)
        return {level: tuple(members) for level, members in found.items()}

    def full_id(self, code: str) -> str:
        """Return the full id of a code."""
        return f"{self.id}:{code}"

    def _edges(self, type: str) -> list[Association]:
        return [edge for edge in self.associations if edge.type == type]

    def _child_and_parent(self) -> dict[tuple[str, str], None]:
        """Return each pair once: a competency names its first parent, edges name all."""
        named = [(c.code, c.parent) for c in self.competencies if c.parent and self.full_id(c.parent) in self.by_id]
        return dict.fromkeys([*named, *((edge.origin, edge.destination) for edge in self._edges("isChildOf"))])

    def _neighbours(self, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for here, there in pairs:
            found.setdefault(self.full_id(here), []).append(self.full_id(there))
        return {here: tuple(sorted(there)) for here, there in found.items()}


def check_id(framework: str) -> None:
    """
    Check the form of a framework id.

    Raises:
        InvalidEvent: it is not of the form.
    """
    if not FRAMEWORK_ID.fullmatch(framework):
        raise InvalidEvent("a framework id matches [A-Za-z0-9._-]{1,100}", pointer="/id")


def framework_of(competency: str) -> str:
    """Return the framework id of a competency id."""
    return competency.partition(":")[0]


def level_id(framework: str, competency: Competency) -> str:
    """Return the id of a competency's level: `<framework>#<subject>/<level>`."""
    return f"{framework}#{competency.subject or ''}/{competency.level}"


def is_level(scope: str) -> bool:
    """Tell whether a scope is a level (`<framework>#...`) and no competency (`<framework>:...`)."""
    return "#" in scope.partition(":")[0]


def framework_of_level(level: str) -> str:
    """Return the framework id of a level id."""
    return level.partition("#")[0]


def framework_of_scope(scope: str) -> str:
    """Return the framework id of a level or competency."""
    return framework_of_level(scope) if is_level(scope) else framework_of(scope)
