"""
States as OneRoster 1.2 assessment results, for a student information system: a line item a competency, a result a pair.

The score is the status: a number says nothing without the scale of the policy behind it. What rests on no evidence, and is not
on the record either, is told as `tobedeleted`, so that the receiver takes back what it may have; so is what is of another
learner since two were merged, or that was undone.
Source: OneRoster 1.2 Gradebook service, AssessmentResult and AssessmentLineItem; `CSV_COLUMNS` are those of results.csv.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from services.reporting.domain.standing import on_record
from shared.contracts.internal_events import Status
from shared.school_calendar import local_day
from shared.shards import stable_id

CSV_COLUMNS = (
    "sourcedId", "status", "dateLastModified", "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score",
    "scoreDate", "comment",
)  # fmt: skip


class State(NamedTuple):
    """A state, with what its framework says of the competency."""

    learner: str
    competency: str
    status: Status
    mastered_at: str | None
    evidence_count: int
    changed_at: str
    """
    When it last became another, by whatever: never earlier than before, since a receiver keeps what is newer. A piece that is
    taken back leaves older ones.
    """
    scored_at: str
    """When the latest piece was, or mastery was shown; of what has neither, `changed_at`."""
    title: str
    identifier: str | None
    """What CASE calls it."""


class Student(NamedTuple):
    """Whom the receiver knows a learner as since a merge or its undoing, or did until one; empty without one."""

    id: str
    since: str = ""
    until: str = ""


def line_item(state: State) -> dict[str, Any]:
    """Return the line item of a state's competency."""
    return {
        "sourcedId": state.competency,
        "status": "active",
        "dateLastModified": _milliseconds(state.changed_at),
        "title": state.title,
    }


def results(state: State, students: Sequence[Student], base: str, time_zone: str) -> Iterator[dict[str, Any]]:
    """
    Yield the result of a state for each whom the receiver knows the learner as.

    Args:
        base: what references begin with.
        time_zone: where days begin: a date of OneRoster is a local one.
    """
    for number, student in enumerate(students):
        # Whom the receiver knows by several ids has a result by each.
        own = [student.id] if number else []
        yield _result(state, stable_id(state.learner, state.competency, *own), student, base, time_zone)


def _result(state: State, sourced_id: str, student: Student, base: str, time_zone: str) -> dict[str, Any]:
    stands = not student.until and (state.evidence_count > 0 or on_record(state.status, state.mastered_at))
    objective = {"learningObjectiveId": state.identifier or state.competency, "textScore": state.status}
    return {
        "sourcedId": sourced_id,
        "status": "active" if stands else "tobedeleted",
        "dateLastModified": _milliseconds(max(state.changed_at, student.since, student.until)),
        "assessmentLineItem": _reference(base, "assessmentLineItem", state.competency),
        "student": _reference(base, "user", student.id),
        "textScore": state.status,
        "scoreDate": str(local_day(state.scored_at, time_zone)),
        "scoreStatus": "fully graded",
        "learningObjectiveSet": [
            {"source": "case" if state.identifier else "unknown", "learningObjectiveResults": [objective]}
        ],
    }


def csv_row(one: dict[str, Any]) -> list[object]:
    """Return a result as a row of `results.csv`."""
    return [
        one["sourcedId"], one["status"], one["dateLastModified"], one["assessmentLineItem"]["sourcedId"],
        one["student"]["sourcedId"], one["scoreStatus"], one["textScore"], one["scoreDate"], "",
    ]  # fmt: skip


def _reference(base: str, kind: str, id: str) -> dict[str, str]:
    return {"href": f"{base}/{kind}s/{quote(id, safe='')}", "sourcedId": id, "type": kind}


def _milliseconds(instant: str) -> str:
    """Return an instant as OneRoster writes it."""
    return f"{instant[:23]}Z"
