"""The data of the events on the log `roster`: the same contract as `contracts`. Names of people are in none of them."""

from typing import Literal

import msgspec

ROSTER_SCHOOL = "attain.roster.school.v1"
ROSTER_CLASS = "attain.roster.class.v1"
ROSTER_ENROLMENT = "attain.roster.enrolment.v1"
ROSTER_STAFF = "attain.roster.staff.v1"
ROSTER_ASSIGNMENT = "attain.roster.assignment.v1"
ROSTER_ASSIGNED_ANEW = "attain.roster.assigned_anew.v1"


class RosterSchool(msgspec.Struct, frozen=True):
    """A school or district; data of `ROSTER_SCHOOL`, subject = roster source. `district` groups schools."""

    school: str
    title: str
    district: str | None = None


class RosterClass(msgspec.Struct, frozen=True):
    """A class; data of `ROSTER_CLASS`, subject = roster source."""

    class_id: str
    title: str
    school: str | None = None
    subject: str | None = None


class RosterStaff(msgspec.Struct, frozen=True):
    """
    Who teaches a class: `staff` equals the `sub` of their tokens; data of `ROSTER_STAFF`, subject = roster source.

    `starts` and `ends` are the first and last day, as of a substitute; None is open.
    """

    class_id: str
    staff: str
    role: str = "teacher"
    active: bool = True
    starts: str | None = None
    ends: str | None = None


class RosterAssignment(msgspec.Struct, frozen=True):
    """
    What else a person is to a learner, school or district; data of `ROSTER_ASSIGNMENT`, subject = the learner, else the
    roster source. `person` equals the `sub` of their tokens.
    """

    person: str
    role: str
    kind: Literal["learner", "school", "district"]
    target: str
    active: bool = True
    starts: str | None = None
    ends: str | None = None


class RosterAssignedAnew(msgspec.Struct, frozen=True):
    """
    Who is assigned to a learner, or was, is forgotten as it was told before, and told anew behind this; data of
    `ROSTER_ASSIGNED_ANEW`, subject = learner.
    """

    learner: str


class RosterEnrolment(msgspec.Struct, frozen=True):
    """A learner's place in a class; data of `ROSTER_ENROLMENT`, subject = learner."""

    class_id: str
    learner: str
    active: bool = True


ROSTER_EVENTS: dict[str, type[msgspec.Struct]] = {
    ROSTER_SCHOOL: RosterSchool,
    ROSTER_CLASS: RosterClass,
    ROSTER_STAFF: RosterStaff,
    ROSTER_ASSIGNMENT: RosterAssignment,
    ROSTER_ASSIGNED_ANEW: RosterAssignedAnew,
    ROSTER_ENROLMENT: RosterEnrolment,
}
"""The data of every event type of the roster."""
