"""
LTI Assignment and Grade Services 2.0: scores that a tool posts, and results that are pulled from a platform.

A score is a piece of its own, known by line item, user and timestamp: the order of the fold decides, not that of arrival.
Only `FullyGraded` is evidence; work that is handed in and whose grading is pending waits for a grade. A result is
overwritten at its platform, so the newest counts. Scores may exceed the maximum. Source: LTI AGS 2.0, Score and Result
services.
"""

from collections.abc import Mapping
from typing import Any

from services.evidence.domain.handed_in import HandIn
from services.evidence.domain.revisions import Revision
from services.evidence.formats import members as m
from services.evidence.formats.lexical import instant
from services.evidence.formats.reading import Origin, Reading, decode_object
from shared.events import utc

ACTIVITY_PROGRESS = frozenset(("Initialized", "Started", "InProgress", "Submitted", "Completed"))
GRADING_PROGRESS = frozenset(("NotReady", "Failed", "Pending", "PendingManual", "FullyGraded"))
HANDED_IN = frozenset(("Submitted", "Completed"))
WAITS = {"Pending": True, "PendingManual": True, "Initialized": False}
"""What the grading of handed-in work, or the activity before that, says of it: `Initialized` takes back what was handed in."""
SCORE = {
    "/learner": "/userId", "/score/raw": "/scoreGiven", "/score/max": "/scoreMaximum", "/score": "/scoreGiven",
    "/occurred_at": "/timestamp", "/activity": "/lineItem", "/id": "/timestamp", "/assessor": "/scoringUserId",
}  # fmt: skip
RESULT = {
    "/learner": "/userId", "/score/raw": "/resultScore", "/score/max": "/resultMaximum", "/score": "/resultScore",
    "/activity": "/scoreOf", "/id": "/id", "/assessor": "/scoringUserId",
}  # fmt: skip


def read(raw: bytes, origin: Origin, line_item: str | None = None) -> Reading:
    """
    Return what a score or result comes to; a score that does not name its `lineItem` is of `line_item`.

    Raises:
        InvalidEvent: it is not of its form.
    """
    thing = decode_object(raw)
    return _result(thing, origin) if "scoreOf" in thing else _score(thing, origin, line_item)


def _score(thing: Mapping[str, Any], origin: Origin, line_item: str | None) -> Reading:
    user = m.text(thing, "userId")
    at = instant(m.text(thing, "timestamp"), "/timestamp")
    activity = m.one_of(thing, "activityProgress", ACTIVITY_PROGRESS)
    progress = m.one_of(thing, "gradingProgress", GRADING_PROGRESS)
    given, maximum = m.optional_number(thing, "scoreGiven"), m.optional_number(thing, "scoreMaximum")
    if given is not None and maximum is None:
        raise m.fault("/scoreMaximum", "required with scoreGiven", "missing_member")
    item = m.optional_text(thing, "lineItem") or line_item
    if item is None:
        raise m.fault("/lineItem", "required", "missing_member")
    stamp = utc(at)
    id = f"{item}|{user}|{stamp}"
    waits = WAITS.get(progress if activity in HANDED_IN else activity)
    handed_in = None if waits is None else HandIn(user, item, stamp, waits)
    if progress != "FullyGraded":
        reason = "pending_manual" if progress == "PendingManual" else "not_final"
        return Reading(id, acknowledged=reason, handed_in=handed_in)
    handed_in = HandIn(user, item, stamp, waits=False)
    if given is None:
        return Reading(id, acknowledged="no_score", handed_in=handed_in)
    native = {
        "id": id, "learner": user, "occurred_at": at, "score": {"raw": given, "max": maximum}, "activity": {"id": item},
        "assessor": _assessor(thing),
    }  # fmt: skip
    return Reading(id, (origin.build(native, pointers=SCORE),), handed_in=handed_in)


def _result(thing: Mapping[str, Any], origin: Origin) -> Reading:
    id, item, user = m.text(thing, "id"), m.text(thing, "scoreOf"), m.text(thing, "userId")
    score, maximum = m.optional_number(thing, "resultScore"), m.optional_number(thing, "resultMaximum")
    stamp = utc(origin.received_at)
    if score is None:
        return Reading(id, revision=Revision(id, stamp, {}))
    native = {
        "id": id, "learner": user, "occurred_at": origin.received_at,
        "score": {"raw": score, "max": 1.0 if maximum is None else maximum}, "activity": {"id": item},
        "assessor": _assessor(thing),
    }  # fmt: skip
    return Reading(id, revision=Revision(id, stamp, {"": origin.build(native, pointers=RESULT)}, is_undated=True))


def _assessor(thing: Mapping[str, Any]) -> dict[str, str] | None:
    by = m.optional_text(thing, "scoringUserId", chars_max=256)
    return None if by is None else {"id": by, "type": "human"}
