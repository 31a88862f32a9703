"""
OneRoster 1.2 results and assessment results: one piece a learning objective, or one of the line item.

The whole result is overwritten at its source: the newest `dateLastModified` counts, `tobedeleted` takes back. A result that
is exempt, missing or not fully graded is no score of zero; what is submitted and not graded in full waits for a grade.
Booleans may be text; a date is that day.
Source: OneRoster 1.2 Gradebook service, Result and AssessmentResult.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.evidence.domain.evidence import RecordEvidence
from services.evidence.domain.handed_in import HandIn
from services.evidence.domain.revisions import Revision
from services.evidence.formats import members as m
from services.evidence.formats.lexical import instant
from services.evidence.formats.reading import Origin, Reading, check_messages, decode_object

CONTAINERS = {"results": "result", "assessmentResults": "assessmentResult"}
LINE_ITEMS = ("lineItems", "assessmentLineItems")
BOUNDS = ("resultValueMin", "resultValueMax")
BOUNDS_BYTES_MAX = 200
"""Of both with their names: they go with each result, and what is longer is no two numbers."""
NOT_SCORED = {
    "exempt": "exempt",
    "not submitted": "not_submitted",
    "submitted": "not_final",
    "partially graded": "not_final",
}
UNGRADED = frozenset(("submitted", "partially graded"))
POINTERS = {
    "/learner": "/student/sourcedId", "/score/raw": "/score", "/score/level": "/textScore", "/score/max": "/lineItem",
    "/score": "/score", "/occurred_at": "/scoreDate", "/activity": "/lineItem/sourcedId", "/id": "/sourcedId",
}  # fmt: skip


def split(raw: bytes) -> list[bytes]:
    """
    Return the results of a payload, each beside its line item where the payload has that.

    Raises:
        InvalidEvent: the payload is not of its form.
    """
    payload = decode_object(raw)
    line_items = {
        m.text(one, "sourcedId", f"/{name}/{place}"): _bounds(one)
        for name in LINE_ITEMS
        for place, one in enumerate(m.several(payload, name))
    }
    found: list[Mapping[str, Any]] = []
    for many, single in CONTAINERS.items():
        found += [{single: one} for one in m.several(payload, many)]
        if single in payload:
            found.append({single: m.inner(payload, single)})
    if not found and "sourcedId" in payload:
        found = [{"result": payload}]
    if not found and not line_items:
        raise m.fault("/results", "one of results, assessmentResults is required", "missing_member")
    check_messages(found, "/results")
    for one in found:
        _give_line_item(one, line_items)
    return [msgspec.json.encode(one) for one in found]


def _bounds(line_item: Mapping[str, Any]) -> Mapping[str, Any]:
    given = {bound: line_item[bound] for bound in BOUNDS if bound in line_item}
    return given if len(msgspec.json.encode(given)) <= BOUNDS_BYTES_MAX else {}


def _give_line_item(one: Mapping[str, Any], line_items: Mapping[str, Mapping[str, Any]]) -> None:
    [result] = one.values()
    for name in ("lineItem", "assessmentLineItem"):
        reference = result.get(name)
        known = line_items.get(str(reference.get("sourcedId"))) if isinstance(reference, dict) else None
        if known is not None:
            result[name] = {**reference, **known}


def read(raw: bytes, origin: Origin) -> Reading:
    """
    Return what one result comes to.

    Raises:
        InvalidEvent: it is not of its form.
    """
    payload = decode_object(raw)
    single = "assessmentResult" if "assessmentResult" in payload else "result"
    at = f"/{single}"
    result = m.inner(payload, single, needed=True)
    group = f"{single}:{m.text(result, 'sourcedId', at)}"
    stamp = origin.stamp(m.text(result, "dateLastModified", at), f"{at}/dateLastModified")
    if m.one_of(result, "status", ("active", "tobedeleted"), at) == "tobedeleted":
        return Reading(group, revision=Revision(group, stamp, {}), handed_in=_handed_in(result, stamp, waits=False))
    reason = _why_not(result, at)
    handed_in = _handed_in(result, stamp, waits=reason == "not_final" and result["scoreStatus"] in UNGRADED)
    if reason is not None:
        return Reading(group, acknowledged=reason, revision=Revision(group, stamp, {}), handed_in=handed_in)
    return Reading(group, revision=Revision(group, stamp, _pieces(result, at, group, origin)), handed_in=handed_in)


def _handed_in(result: Mapping[str, Any], stamp: str, *, waits: bool) -> HandIn | None:
    """Return what a result says of the work; None where it does not name learner and line item, as one to be deleted may."""
    name = _line_item_of(result)
    student, line_item = (m.optional_text(m.inner(result, member), "sourcedId") for member in ("student", name))
    if student is None or line_item is None:
        return None
    waits = waits and not m.flag(result, "inProgress", "") and not m.flag(result, "incomplete", "")
    return HandIn(student, f"{name}:{line_item}", stamp, waits)


def _line_item_of(result: Mapping[str, Any]) -> str:
    return "assessmentLineItem" if "assessmentLineItem" in result else "lineItem"


def _why_not(result: Mapping[str, Any], at: str) -> str | None:
    """Return why a result is no score; what it said before, if anything, does not hold any more."""
    status = m.text(result, "scoreStatus", at)
    for name in ("missing", "incomplete", "inProgress"):
        if m.flag(result, name, at):
            return {"missing": "missing"}.get(name, "not_final")
    return NOT_SCORED.get(status)


def _pieces(result: Mapping[str, Any], at: str, group: str, origin: Origin) -> dict[str, RecordEvidence]:
    name = _line_item_of(result)
    line_item = m.inner(result, name, at, needed=True)
    scale = m.inner(result, "scoreScale", at)
    common = {
        "id": group, "learner": m.text(m.inner(result, "student", at, needed=True), "sourcedId", f"{at}/student"),
        "occurred_at": instant(m.text(result, "scoreDate", at), f"{at}/scoreDate", zone=origin.zone),
        "activity": {"id": f"{name}:{m.text(line_item, 'sourcedId', f'{at}/{name}')}"},
        "extensions": {"claims": {"late": True}} if m.flag(result, "late", at) else None,
    }  # fmt: skip
    pieces: dict[str, RecordEvidence] = {}
    for place, each in enumerate(m.several(result, "learningObjectiveSet", at)):
        there = f"{at}/learningObjectiveSet/{place}"
        for number, one in enumerate(m.several(each, "learningObjectiveResults", there)):
            here = f"{there}/learningObjectiveResults/{number}"
            objective = m.text(one, "learningObjectiveId", here)
            score = _score(one, line_item, scale, here, name)
            if score is not None:
                pointers = {n: here + p if n.startswith("/score") else at + p for n, p in POINTERS.items()}
                pieces[objective] = origin.build(common | {"score": score}, standard=objective, pointers=pointers)
    if pieces:
        return pieces
    score = _score(result, line_item, scale, at, name)
    if score is None:
        return {}
    return {"": origin.build(common | {"score": score}, pointers={n: at + p for n, p in POINTERS.items()})}


def _score(
    one: Mapping[str, Any], line_item: Mapping[str, Any], scale: Mapping[str, Any], at: str, name: str
) -> dict[str, Any] | None:
    number, word = m.optional_number(one, "score", at), m.optional_text(one, "textScore", at, 256)
    if number is None and word is None:
        return None
    if number is None:
        return {"level": word, "scale": m.optional_text(scale, "sourcedId", at, 256) or "oneroster"}
    high = m.optional_number(line_item, "resultValueMax", f"/{name}")
    if high is None:
        raise m.fault(
            f"{at}/score", "its line item, with resultValueMax, has to come in the same payload", "unknown_line_item"
        )
    return {"raw": number, "max": high, "min": m.optional_number(line_item, "resultValueMin", f"/{name}") or 0.0}
