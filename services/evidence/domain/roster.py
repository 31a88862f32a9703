"""The roster as an import says it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.evidence.domain import text_forms

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=text_forms.NO_CONTROLS)]
Title = Annotated[str, Meta(max_length=512, pattern=text_forms.NO_NUL)]
Day = Annotated[str, Meta(pattern=text_forms.DAY)]


class School(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A school, and the district that it belongs to."""

    school: Name
    title: Title
    district: Name | None = None


class Class(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_id": "class"}):
    """A class; ids are unique in a tenant."""

    class_id: Name
    title: Title
    school: Name | None = None
    subject: Title | None = None


class Learner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A learner as a source knows them; `source` defaults to that of the roster. An empty name takes back the one before."""

    source_id: Name
    name: Title | None = None
    source: Name | None = None


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_id": "class"}):
    """A learner's place in a class; `learner` is a source id."""

    class_id: Name
    learner: Name
    status: Name = "active"
    source: Name | None = None


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_id": "class"}):
    """Who teaches a class, from its first to its last day where these are given, as of a substitute."""

    class_id: Name
    staff: Name
    role: Name = "teacher"
    status: Name = "active"
    starts: Day | None = None
    ends: Day | None = None


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a person is to a learner (a guardian, a case manager), a school or a district (a leader, a registrar).

    `target` is a school or district id, or the source id of a learner.
    """

    person: Name
    role: Name
    kind: Literal["learner", "school", "district"]
    target: Name
    status: Name = "active"
    starts: Day | None = None
    ends: Day | None = None
    source: Name | None = None


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person of the staff is called, by the subject of the person's tokens; without a name it is forgotten."""

    person: Name
    name: Title = ""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A learner's membership of a group; kept here only, for reports on equity, and never in an event."""

    group: Name
    learner: Name
    value: Title = ""
    source: Name | None = None


class Roster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One import: rows to add or change; what it does not name stays as it is."""

    source: Name
    schools: tuple[School, ...] = ()
    classes: tuple[Class, ...] = ()
    learners: tuple[Learner, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    staff: tuple[Staff, ...] = ()
    groups: tuple[Group, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    people: tuple[Person, ...] = ()


class Identities:
    """
    Whom the rows of an import name, as (source, source id).

    The source is the row's own, else that of the import's learner of that id, else the import's.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._sources = {learner.source_id: learner.source or roster.source for learner in roster.learners}

    def of(self, source_id: str, source: str | None) -> tuple[str, str]:
        """Return whom a row names by a source id, with the source that the row has."""
        return source or self._sources.get(source_id, self._roster.source), source_id

    def all(self) -> set[tuple[str, str]]:
        """Return all whom the import names."""
        named = {(learner.source or self._roster.source, learner.source_id) for learner in self._roster.learners}
        named |= {self.of(row.learner, row.source) for row in self._roster.enrolments}
        named |= {self.of(row.learner, row.source) for row in self._roster.groups}
        return named | {self.of(row.target, row.source) for row in self._roster.assignments if row.kind == "learner"}
