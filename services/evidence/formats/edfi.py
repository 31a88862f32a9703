"""
Ed-Fi student assessments (API JSON and interchange XML): one piece an item or objective, or one of the whole.

The learning standards stand in the metadata (assessment items, objective assessments), which state the alignments. A
student assessment is overwritten at its source: the newest counts. Times have no zone: they are of the setting `time_zone`.
Source: Ed-Fi Data Standard 5, StudentAssessment, AssessmentItem, ObjectiveAssessment.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import msgspec

from services.evidence.domain.alignment import TARGETS_MAX, Entry, Target
from services.evidence.domain.evidence import RecordEvidence
from services.evidence.domain.revisions import Revision
from services.evidence.formats import members as m
from services.evidence.formats.json_text import unreadable
from services.evidence.formats.lexical import instant
from services.evidence.formats.reading import Origin, Reading, check_messages, check_values, decode_object
from shared.errors import InvalidEvent
from shared.events import utc

ITEM_POINTS = {"correct": 1.0, "incorrect": 0.0}
RETESTS = {"primary administration": 1, "1st retest": 2, "2nd retest": 3, "3rd retest": 4}
RAW = ("raw score", "number score")
POINTERS = {
    "/learner": "/studentReference/studentUniqueId", "/occurred_at": "/administrationDate",
    "/activity": "/assessmentReference/assessmentIdentifier", "/id": "/studentAssessmentIdentifier",
    "/standard": "/assessmentReference/assessmentIdentifier",
}  # fmt: skip
SEVERAL = {
    "StudentAssessment": "studentAssessments", "Assessment": "assessments", "AssessmentItem": "assessmentItems",
    "ObjectiveAssessment": "objectiveAssessments", "StudentAssessmentItem": "items", "ScoreResult": "scoreResults",
    "StudentObjectiveAssessment": "studentObjectiveAssessments", "AssessmentScore": "scores",
    "LearningStandardReference": "learningStandards", "PerformanceLevel": "performanceLevels",
}  # fmt: skip
"""XML elements that may repeat, and what holds them in JSON."""
METADATA = {"assessmentItems": "assessmentItem", "objectiveAssessments": "objectiveAssessment"}
XML_DEPTH_MAX = 30
XML_ATTRIBUTES_MAX = 100_000
"""Of one payload: ten of each message. The parser lets nothing else run until it has put them all into one table."""


def split(raw: bytes) -> list[bytes]:
    """
    Return the student assessments and the metadata of a payload: `studentAssessments`, `assessments`, ... or one alone.

    What it returned is one message when it is split again.

    What the metadata says of the greatest scores goes with each student assessment, as far as that has scores of them.

    Raises:
        InvalidEvent: it is neither JSON nor XML of this form.
    """
    payload: Mapping[str, Any] = _from_xml(raw) if raw.lstrip()[:1] == b"<" else decode_object(raw)
    if payload.keys() & {"assessmentItem", "objectiveAssessment", "studentAssessment"}:
        return [raw]
    if "studentAssessmentIdentifier" in payload:
        payload = {"studentAssessments": [payload]}
    maxima = {m.text(one, "assessmentIdentifier", f"/assessments/{n}"): _maximum(one)
              for n, one in enumerate(m.several(payload, "assessments"))}  # fmt: skip
    for place, one in enumerate(m.several(payload, "objectiveAssessments")):
        assessment, code = _identity(one, "assessmentReference", "assessmentIdentifier"), one.get("identificationCode")
        maxima[f"{assessment}:{code}"] = m.optional_number(one, "maxRawScore", f"/objectiveAssessments/{place}")
    messages: list[Mapping[str, Any]] = [
        {single: one} for many, single in METADATA.items() for one in m.several(payload, many)
    ]
    assessed = m.several(payload, "studentAssessments")
    check_messages([*messages, *assessed], "/studentAssessments")
    for one in assessed:
        known = {key: maxima[key] for key in _scored(one) if key in maxima}
        messages.append({"studentAssessment": one, "maxima": known})
    if not messages and not maxima:
        raise m.fault("/studentAssessments", "required", "missing_member")
    return [msgspec.json.encode(one) for one in messages]


def _scored(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a student assessment has scores of, up to a fault that it is refused for when it is read."""
    assessment = _identity(one, "assessmentReference", "assessmentIdentifier")
    yield assessment
    with contextlib.suppress(InvalidEvent):
        for objective in m.several(one, "studentObjectiveAssessments"):
            yield f"{assessment}:{_identity(objective, 'objectiveAssessmentReference', 'identificationCode')}"


def read(raw: bytes, origin: Origin) -> Reading:
    """
    Return what one student assessment, or one piece of metadata, comes to.

    Raises:
        InvalidEvent: it is not of its form.
    """
    message = decode_object(raw)
    for single, kind in (("assessmentItem", "item"), ("objectiveAssessment", "objective")):
        if single in message:
            return _metadata(m.inner(message, single), kind, origin)
    return _student_assessment(m.inner(message, "studentAssessment", needed=True), m.inner(message, "maxima"), origin)


def _metadata(one: Mapping[str, Any], kind: str, origin: Origin) -> Reading:
    assessment = _identity(one, "assessmentReference", "assessmentIdentifier")
    id = f"{kind}:{assessment}:{m.text(one, 'identificationCode')}"
    names = [
        m.text(m.inner(each, "learningStandardReference") or m.inner(each, "learningStandardIdentity") or each,
               "learningStandardId", f"/learningStandards/{place}")
        for place, each in enumerate(m.several(one, "learningStandards"))
    ]  # fmt: skip
    targets = tuple(Target(name) for name in dict.fromkeys(names) if len(name) <= 256)[:TARGETS_MAX]
    entries = (Entry(id, targets, origin.source, "criterion"),) if targets else ()
    return Reading(id, acknowledged="metadata", entries=entries)


def _student_assessment(one: Mapping[str, Any], maxima: Mapping[str, Any], origin: Origin) -> Reading:
    assessment = _identity(one, "assessmentReference", "assessmentIdentifier")
    student = _identity(one, "studentReference", "studentUniqueId")
    group = f"edfi:{assessment}:{student}:{m.text(one, 'studentAssessmentIdentifier')}"
    at = instant(m.text(one, "administrationDate"), "/administrationDate", zone=origin.zone)
    modified = m.optional_text(one, "_lastModifiedDate")
    stamp = utc(origin.received_at) if modified is None else origin.stamp(modified, "/_lastModifiedDate")
    retest = _descriptor(one.get("retestIndicatorDescriptor") or one.get("retestIndicator"))
    common = {
        "id": group, "learner": student, "occurred_at": at, "activity": {"id": f"assessment:{assessment}"},
        "attempt": RETESTS.get(retest, 1),
    }  # fmt: skip
    pieces = _items(one, common, assessment, origin) or _objectives(one, common, assessment, maxima, origin)
    if not pieces:
        pieces = _whole(one, common, maxima.get(assessment), origin)
    reason = None if pieces else "no_score"
    return Reading(group, acknowledged=reason, revision=Revision(group, stamp, pieces))


def _items(
    one: Mapping[str, Any], common: Mapping[str, Any], assessment: str, origin: Origin
) -> dict[str, RecordEvidence]:
    pieces: dict[str, RecordEvidence] = {}
    for place, item in enumerate(m.several(one, "items")):
        at = f"/items/{place}"
        code = _identity(item, "assessmentItemReference", "identificationCode", at)
        result = item.get("assessmentItemResultDescriptor") or item.get("assessmentItemResult")
        points = ITEM_POINTS.get(_descriptor(result))
        if points is None:
            continue
        name = f"item:{assessment}:{code}"
        pieces[name] = origin.build(
            {**common, "score": {"raw": points, "max": 1.0}}, standard=name, pointers=POINTERS | {"/score": at}
        )
    return pieces


def _objectives(
    one: Mapping[str, Any], common: Mapping[str, Any], assessment: str, maxima: Mapping[str, Any], origin: Origin
) -> dict[str, RecordEvidence]:
    pieces: dict[str, RecordEvidence] = {}
    for place, objective in enumerate(m.several(one, "studentObjectiveAssessments")):
        at = f"/studentObjectiveAssessments/{place}"
        code = _identity(objective, "objectiveAssessmentReference", "identificationCode", at)
        score = _score(objective, maxima.get(f"{assessment}:{code}"), at)
        if score is not None:
            name = f"objective:{assessment}:{code}"
            pieces[name] = origin.build(
                {**common, "score": score}, standard=name, pointers=POINTERS | {"/score": f"{at}/scoreResults"}
            )
    return pieces


def _whole(
    one: Mapping[str, Any], common: Mapping[str, Any], maximum: Any, origin: Origin
) -> dict[str, RecordEvidence]:
    score = _score(one, maximum, "")
    if score is None:
        return {}
    return {"": origin.build({**common, "score": score}, pointers=POINTERS | {"/score": "/scoreResults"})}


def _score(one: Mapping[str, Any], maximum: Any, at: str) -> dict[str, Any] | None:
    """Return the raw score; `result` is text, and a number only where its reporting method says so."""
    for place, result in enumerate(m.several(one, "scoreResults", at)):
        method = _descriptor(
            result.get("assessmentReportingMethodDescriptor") or result.get("assessmentReportingMethod")
        )
        if method not in RAW:
            continue
        raw = m.optional_number(result, "result", f"{at}/scoreResults/{place}")
        if raw is None:
            continue
        if maximum is None:
            raise m.fault(
                f"{at}/scoreResults/{place}/result",
                "the greatest score has to come with it, in assessments or objectiveAssessments", "unknown_assessment",
            )  # fmt: skip
        return {"raw": raw, "max": maximum}
    return None


def _maximum(assessment: Mapping[str, Any]) -> float | None:
    own = m.optional_number(assessment, "maxRawScore", "/assessments")
    if own is not None:
        return own
    for score in m.several(assessment, "scores", "/assessments"):
        method = _descriptor(score.get("assessmentReportingMethodDescriptor") or score.get("assessmentReportingMethod"))
        if method in RAW:
            return m.optional_number(score, "maximumScore", "/assessments")
    return None


def _descriptor(uri: Any) -> str:
    """Return the value of a descriptor, `uri://…Descriptor#Value`, in lower case."""
    return str(uri or "").rpartition("#")[2].strip().lower()


def _identity(one: Mapping[str, Any], reference: str, name: str, at: str = "") -> str:
    """Return a member of a reference; in XML an identity stands between."""
    found = m.inner(one, reference, at, needed=True)
    for between in found.values():
        if name not in found and isinstance(between, dict):
            found = between
    return m.text(found, name, f"{at}/{reference}")


def _from_xml(raw: bytes) -> dict[str, Any]:
    """
    Return an interchange as the JSON of the API has it; a document type, and so any entity, is refused.

    It has to be UTF-8, whatever it declares: in another encoding a document type would not be seen.
    """
    check_values(raw, b"<")
    if raw.count(b"=") > XML_ATTRIBUTES_MAX:
        raise InvalidEvent(f"has over {XML_ATTRIBUTES_MAX} attributes", reason="too_large", pointer="")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(error) from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "\0" in text:
        raise InvalidEvent("has a document type, or NUL", reason="malformed_xml", pointer="")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise InvalidEvent(f"not XML: {error}", reason="malformed_xml", pointer="") from error
    value = _element(root, 0)
    return value if isinstance(value, dict) else {}


def _element(element: ElementTree.Element, depth: int) -> Any:
    if depth > XML_DEPTH_MAX:
        raise InvalidEvent(f"is nested deeper than {XML_DEPTH_MAX}", reason="too_deep", pointer="")
    if len(element) == 0:
        return (element.text or "").strip()
    value: dict[str, Any] = {}
    for child in element:
        tag = str(child.tag).rpartition("}")[2]
        inner = _element(child, depth + 1)
        if tag in SEVERAL and isinstance(inner, dict):
            value.setdefault(SEVERAL[tag], []).append(inner)
        else:
            value[tag[:1].lower() + tag[1:]] = inner
    return value
