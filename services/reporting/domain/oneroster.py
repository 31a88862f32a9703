"""
States as OneRoster 1.2 assessment results, for a student information system: a line item a competency, a result a pair.

The score is the status: a number says nothing without the scale of the policy behind it. What no longer rests on any
evidence is told as `tobedeleted`, so that the receiver takes it back.
Source: OneRoster 1.2 Gradebook service, AssessmentResult and AssessmentLineItem; `CSV_COLUMNS` are those of results.csv.
"""

from typing import Any, NamedTuple
from urllib.parse import quote

from services.reporting.domain.standing import NO_EVIDENCE
from shared.contracts import Status
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
    changed_at: str
    """When the latest piece was, or mastery was shown."""
    title: str
    identifier: str | None
    """What CASE calls it."""


def line_item(state: State) -> dict[str, Any]:
    """Return the line item of a state's competency."""
    return {
        "sourcedId": state.competency,
        "status": "active",
        "dateLastModified": _milliseconds(state.changed_at),
        "title": state.title,
    }


def result(state: State, student: str, base: str) -> dict[str, Any]:
    """Return the result of a state; `student` is the receiver's own id, `base` what references begin with."""
    objective = {"learningObjectiveId": state.identifier or state.competency, "textScore": state.status}
    return {
        "sourcedId": stable_id(state.learner, state.competency),
        "status": "tobedeleted" if state.status == NO_EVIDENCE else "active",
        "dateLastModified": _milliseconds(state.changed_at),
        "assessmentLineItem": _reference(base, "assessmentLineItem", state.competency),
        "student": _reference(base, "user", student),
        "textScore": state.status,
        "scoreDate": state.changed_at[:10],
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
    return f"{instant[:19]}.000Z"
