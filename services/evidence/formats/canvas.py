"""
Canvas Live Events: outcome results and grades are evidence, outcomes state alignments, submissions say what waits for a grade;
the rest is acknowledged.

A result and a grade are overwritten at Canvas, so the newest event of each counts: `updated` replaces, a null score
takes back. `percent` is rescaled by custom scales and `mastery` is a flag of the cut row only; neither is read.
Source: Canvas data services, Live Events, "learning" and "grade" categories.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from services.evidence.domain.alignment import Entry, Target
from services.evidence.domain.handed_in import HandIn
from services.evidence.domain.revisions import Revision
from services.evidence.formats import members as m
from services.evidence.formats.json_text import NOT_JSON
from services.evidence.formats.reading import Origin, Reading, decode_object
from shared.errors import InvalidEvent

HUMAN = frozenset(("RubricAssessment",))
AUTO = frozenset(("Quizzes::QuizSubmission", "LiveAssessments::Submission"))
WAITS = {"submitted": True, "pending_review": True, "graded": False, "unsubmitted": False, "deleted": False}
"""Whether a submission waits for a grade, by its `workflow_state`."""
RESULT = {
    "/learner": "/body/user_uuid", "/score/raw": "/body/score", "/score/max": "/body/possible", "/score": "/body/score",
    "/occurred_at": "/body/assessed_at", "/attempt": "/body/attempt", "/standard": "/body/learning_outcome_id",
    "/activity": "/body/associated_asset_id", "/id": "/body",
}  # fmt: skip
GRADE = {
    "/learner": "/body/student_id", "/score/raw": "/body/score", "/score/max": "/body/points_possible",
    "/score": "/body/score", "/occurred_at": "/metadata/event_time", "/activity": "/body/assignment_id",
    "/assessor": "/body/grader_id", "/id": "/body",
}  # fmt: skip
LEARNER = ("user_uuid", "student_id", "user_id")
"""How results, grades and submissions call the learner."""


class _Named(msgspec.Struct):
    body: dict[str, Any]


_decode_body = msgspec.json.Decoder(_Named).decode


def read(raw: bytes, origin: Origin) -> Reading:
    """
    Return what one event comes to.

    Raises:
        InvalidEvent: it is not of its form.
    """
    event = decode_object(raw)
    metadata = m.inner(event, "metadata", needed=True)
    name = m.text(metadata, "event_name", "/metadata")
    m.text(metadata, "event_time", "/metadata")
    handler = EVENTS.get(name)
    if handler is None:
        return Reading(acknowledged="other_event")
    return handler(metadata, m.inner(event, "body", needed=True), origin)


def whose(raw: bytes) -> str | None:
    """Return the learner whom an event names that cannot be used, as far as it can be read."""
    try:
        body = _decode_body(raw).body
    except NOT_JSON:
        return None
    for name in LEARNER:
        with contextlib.suppress(InvalidEvent):  # what is no text names nobody
            if (named := m.optional_text(body, name)) is not None:
                return named
    return None


def _result(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    learner, outcome = m.text(body, "user_uuid", "/body"), m.text(body, "learning_outcome_id", "/body")
    asset = f"{m.text(body, 'associated_asset_type', '/body')}:{m.text(body, 'associated_asset_id', '/body')}".lower()
    # Not by the id of the result, which `created` may lack; a result is one of a learner, outcome and asset.
    group = f"{_account(metadata)}result:{learner}:{outcome}:{asset}"
    changed = next((name for name in ("updated_at", "created_at") if body.get(name)), None)
    stamp = _time(body, changed, "/body", origin) if changed else _time(metadata, "event_time", "/metadata", origin)
    shown = next((name for name in ("submitted_at", "assessed_at") if body.get(name)), None)
    at = _time(body, shown, "/body", origin) if shown else stamp
    score, possible = m.optional_number(body, "score", "/body"), m.optional_number(body, "possible", "/body")
    if score is None:
        return Reading(group, revision=Revision(group, stamp, {}))
    if not possible:
        return Reading(group, acknowledged="no_points_possible")
    kind = m.optional_text(body, "artifact_type", "/body")
    assessed = "human" if kind in HUMAN else "auto" if kind in AUTO else None
    native = {
        "id": group, "learner": learner, "occurred_at": at, "score": {"raw": score, "max": possible},
        "attempt": m.whole(body, "attempt", "/body"), "activity": {"id": asset},
        "assessor": {"type": assessed} if assessed else None,
    }  # fmt: skip
    piece = origin.build(native, standard=f"outcome:{outcome}", pointers=RESULT)
    return Reading(group, revision=Revision(group, stamp, {"": piece}))


def _grade(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    group = f"{_account(metadata)}grade:{m.text(body, 'submission_id', '/body')}"
    stamp = _time(metadata, "event_time", "/metadata", origin)
    score = m.optional_number(body, "score", "/body")
    if score is None:
        return Reading(group, revision=Revision(group, stamp, {}))
    learner, activity = m.text(body, "student_id", "/body"), _assignment(body)
    is_partial = body.get("grading_complete") is False
    handed_in = HandIn(learner, activity, stamp, waits=is_partial)
    if is_partial:
        return Reading(group, acknowledged="not_final", handed_in=handed_in)
    possible = m.optional_number(body, "points_possible", "/body")
    if not possible:
        return Reading(group, acknowledged="no_points_possible", handed_in=handed_in)
    grader = m.optional_text(body, "grader_id", "/body")
    native = {
        "id": group, "learner": learner, "occurred_at": stamp, "score": {"raw": score, "max": possible},
        "activity": {"id": activity},
        "assessor": {"type": "human", "id": grader} if grader else {"type": "auto"},
    }  # fmt: skip
    piece = origin.build(native, pointers=GRADE)
    return Reading(group, revision=Revision(group, stamp, {"": piece}), handed_in=handed_in)


def _submission(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    """Return whether a submission waits for a grade, by its state; one that does not tell its state says nothing."""
    waits = WAITS.get(str(body.get("workflow_state")))
    if waits is None or not body.get("assignment_id") or not body.get("user_id"):
        return Reading(acknowledged="no_score")
    stamp = _time(metadata, "event_time", "/metadata", origin)
    handed_in = HandIn(m.text(body, "user_id", "/body"), _assignment(body), stamp, waits)
    return Reading(acknowledged="pending_manual" if waits else "no_score", handed_in=handed_in)


def _assignment(body: Mapping[str, Any]) -> str:
    return f"assignment:{m.text(body, 'assignment_id', '/body')}"


def _outcome(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    outcome = m.text(body, "learning_outcome_id", "/body")
    standard = m.optional_text(body, "vendor_guid", "/body", 256)
    entries: tuple[Entry, ...] = ()
    if standard is not None:
        entries = (Entry(f"outcome:{outcome}", (Target(standard),), origin.source, "outcome"),)
    return Reading(f"outcome:{outcome}", acknowledged="outcome", entries=entries)


def _no_score(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    return Reading(acknowledged="no_score")


def _scale(metadata: Mapping[str, Any], body: Mapping[str, Any], origin: Origin) -> Reading:
    return Reading(acknowledged="scale")


EVENTS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Origin], Reading]] = {
    "learning_outcome_result_created": _result, "learning_outcome_result_updated": _result,
    "learning_outcome_created": _outcome, "learning_outcome_updated": _outcome, "grade_change": _grade,
    "rubric_assessed": _no_score, "quiz_submitted": _no_score, "submission_created": _submission,
    "submission_updated": _submission, "outcome_proficiency_created": _scale, "outcome_proficiency_updated": _scale,
}  # fmt: skip


def _account(metadata: Mapping[str, Any]) -> str:
    account = m.optional_text(metadata, "root_account_uuid", "/metadata", 128)
    return f"{account}:" if account else ""


def _time(thing: Mapping[str, Any], name: str, at: str, origin: Origin) -> str:
    return origin.stamp(m.text(thing, name, at), f"{at}/{name}")
