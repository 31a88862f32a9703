"""The roster as it is kept: its facts, by which an import tells what is news, and the events that tell them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from services.evidence.domain.roster import Assignment, Enrolment, Identities, Roster
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

_decode_assignment = msgspec.json.Decoder(RosterAssignment).decode


class Fact(NamedTuple):
    """A row of the roster as it is stored: its kind and key, and the encoded data of its event."""

    kind: str
    key: str
    subject: str
    data: bytes


def facts(roster: Roster, whose: Identities, learner_of: Mapping[tuple[str, str], str]) -> list[Fact]:
    """
    Return what the import says, the last row of a key ruling; `learner_of` knows (source, source id).

    A learner of two source ids is in a class, and has a guardian, where any row of the import says so: the other id's place there
    has ended.
    """
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
    said += _enrolments(roster, whose, learner_of)
    said += _assignments(roster, whose, learner_of)
    return list({(fact.kind, fact.key): fact for fact in said}.values())


def _enrolments(roster: Roster, whose: Identities, learner_of: Mapping[tuple[str, str], str]) -> list[Fact]:
    places: dict[tuple[str, str], dict[tuple[str, str], bool]] = {}
    for row in roster.enrolments:
        by = whose.of(row.learner, row.source)
        places.setdefault((row.class_id, learner_of[by]), {})[by] = row.status == "active"
    return [enrolment(*place, active=any(by_id.values())) for place, by_id in places.items()]


def _assignments(roster: Roster, whose: Identities, learner_of: Mapping[tuple[str, str], str]) -> list[Fact]:
    assigned: dict[tuple[str, str], dict[tuple[str, str], RosterAssignment]] = {}
    for row in roster.assignments:
        target, subject, by = row.target, roster.source, ("", "")
        if row.kind == "learner":
            by = whose.of(row.target, row.source)
            target = subject = learner_of[by]
        told = RosterAssignment(row.person, row.role, row.kind, target, row.status == "active", row.starts, row.ends)
        assigned.setdefault((place_key(_beside(row), target), subject), {})[by] = told
    facts = []
    for (key, subject), by_id in assigned.items():
        *_, holds = sorted(by_id.values(), key=lambda one: one.active)
        facts.append(Fact(ROSTER_ASSIGNMENT, key, subject, encode_json(holds)))
    return facts


def places_said(roster: Roster, whose: Identities) -> list[tuple[str, tuple[str, str]]]:
    """Return the places of learners that an import says hold, each with the (source, source id) of whom it says so."""
    rows: list[tuple[str, str, Enrolment | Assignment]] = [
        *((each.class_id, each.learner, each) for each in roster.enrolments),
        *((_beside(each), each.target, each) for each in roster.assignments if each.kind == "learner"),
    ]  # fmt: skip
    return [(place, whose.of(id, row.source)) for place, id, row in rows if row.status == "active"]


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
