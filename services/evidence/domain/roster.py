"""The roster: what an import says, which rows of it are news, and the events that tell them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from services.evidence.domain import text_forms
from shared.contracts.roster_events import (
    ROSTER_ASSIGNED_ANEW,
    ROSTER_ASSIGNMENT,
    ROSTER_CLASS,
    ROSTER_ENROLMENT,
    ROSTER_SCHOOL,
    ROSTER_STAFF,
    RosterAssignedAnew,
    RosterAssignment,
    RosterClass,
    RosterEnrolment,
    RosterSchool,
    RosterStaff,
)
from shared.events import Draft, encode_json, envelope
from shared.shards import shard_of, stable_id

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

    def learner_source(self) -> dict[str, str]:
        """Return the source that each source id of a learner belongs to, as the import's own learners say."""
        return {learner.source_id: learner.source or self.source for learner in self.learners}


_decode_assignment = msgspec.json.Decoder(RosterAssignment).decode


class Fact(NamedTuple):
    """A row of the roster as it is stored: its kind and key, and the encoded data of its event."""

    kind: str
    key: str
    subject: str
    data: bytes


def facts(roster: Roster, learner_of: Mapping[tuple[str, str], str]) -> list[Fact]:
    """
    Return what the import says, the last row of a key ruling; `learner_of` knows (source, source id).

    A learner of two source ids is in a class, and has a guardian, where any row of the import says so: the other id's place there
    has ended.
    """
    sources = roster.learner_source()
    said: list[Fact] = []
    for school in roster.schools:
        event = RosterSchool(school.school, school.title, school.district)
        said.append(Fact(ROSTER_SCHOOL, school.school, roster.source, encode_json(event)))
    for row in roster.classes:
        told = RosterClass(row.class_id, row.title, row.school, row.subject)
        said.append(Fact(ROSTER_CLASS, row.class_id, roster.source, encode_json(told)))
    for member in roster.staff:
        teaches = RosterStaff(member.class_id, member.staff, member.role, member.status == "active",
                              member.starts, member.ends)  # fmt: skip
        said.append(Fact(ROSTER_STAFF, f"{member.class_id}\x1f{member.staff}", roster.source, encode_json(teaches)))
    places: dict[tuple[str, str], dict[str, bool]] = {}
    for place in roster.enrolments:
        source = place.source or sources.get(place.learner, roster.source)
        of_learner = places.setdefault((place.class_id, learner_of[source, place.learner]), {})
        of_learner[f"{source}\x1f{place.learner}"] = place.status == "active"
    said += [enrolment(*place, active=any(by_id.values())) for place, by_id in places.items()]
    assigned: dict[tuple[str, str], dict[str, RosterAssignment]] = {}
    for each in roster.assignments:
        target, subject, by = each.target, roster.source, ""
        if each.kind == "learner":
            source = each.source or sources.get(each.target, roster.source)
            target = subject = learner_of[source, each.target]
            by = f"{source}\x1f{each.target}"
        is_active = each.status == "active"
        told_of = RosterAssignment(each.person, each.role, each.kind, target, is_active, each.starts, each.ends)
        assigned.setdefault((place_key(_beside(each), target), subject), {})[by] = told_of
    for (key, subject), by_ids in assigned.items():
        *_, holds = sorted(by_ids.values(), key=lambda one: one.active)
        said.append(Fact(ROSTER_ASSIGNMENT, key, subject, encode_json(holds)))
    return list({(fact.kind, fact.key): fact for fact in said}.values())


def places_said(roster: Roster) -> list[tuple[str, tuple[str, str]]]:
    """Return the places of learners that an import says hold, each with the (source, source id) of whom it says so."""
    sources = roster.learner_source()
    rows: list[tuple[str, str, Enrolment | Assignment]] = [
        *((each.class_id, each.learner, each) for each in roster.enrolments),
        *((_beside(each), each.target, each) for each in roster.assignments if each.kind == "learner"),
    ]  # fmt: skip
    return [
        (place, (row.source or sources.get(id, roster.source), id)) for place, id, row in rows if row.status == "active"
    ]


def _beside(assignment: Assignment) -> str:
    """Return the place of somebody who is something to another: who, and what."""
    return "\x1f".join((assignment.person, assignment.role, assignment.kind))


def place_key(place: str, of: str) -> str:
    """Return the key of the fact that a learner, or a school, has a place; `place_of` takes it apart."""
    return f"{place}\x1f{of}"


def place_of(fact: Fact) -> str:
    """Return what a fact of a learner is without the learner: a class, or who is what to the learner."""
    return fact.key.rpartition("\x1f")[0]


def placed(fact: Fact, learner: str, *, active: bool) -> Fact:
    """Return the fact that a learner has the place of another's fact, or has it no longer."""
    if fact.kind == ROSTER_ENROLMENT:
        return enrolment(place_of(fact), learner, active=active)
    told = msgspec.structs.replace(_decode_assignment(fact.data), target=learner, active=active)
    return Fact(fact.kind, place_key(place_of(fact), learner), learner, encode_json(told))


def enrolment(class_id: str, learner: str, *, active: bool) -> Fact:
    """Return the fact that a learner is in a class, or is no longer."""
    told = RosterEnrolment(class_id, learner, active)
    return Fact(ROSTER_ENROLMENT, place_key(class_id, learner), learner, encode_json(told))


def assigned_anew(tenant: str, learner: str, said: Sequence[Fact], time: str, by: str, shards: int) -> list[Draft]:
    """Return the events that forget who was told to be assigned to a learner, and tell those that the roster `said` anew."""
    anew = Fact(ROSTER_ASSIGNED_ANEW, "", learner, encode_json(RosterAssignedAnew(learner)))
    told = [anew, *said]
    return events(tenant, told, [stable_id(by, learner, fact.kind, fact.key) for fact in told], time, shards)


def events(tenant: str, news: Sequence[Fact], ids: Sequence[str], time: str, shards: int) -> list[Draft]:
    """Return the events of the rows that changed."""
    return [
        Draft(
            shard_of(tenant, fact.subject, shards), tenant, fact.subject,
            envelope(id=id, source="evidence", type=fact.kind, tenant=tenant, subject=fact.subject, time=time,
                     data=fact.data),
        )
        for fact, id in zip(news, ids, strict=True)
    ]  # fmt: skip
