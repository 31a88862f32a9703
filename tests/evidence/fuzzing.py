"""Payloads for fuzzing: good ones of each format, broken in their structure or in their bytes."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from tests.evidence.builders import item
from tests.evidence.test_formats_read import grade_event, live, result, roster_result, score, student_assessment

STATEMENT: dict[str, Any] = {
    "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa1", "actor": {"account": {"homePage": "https://x.org", "name": "a"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en": "passed"}}, "timestamp": "2026-01-01T00:00:00Z",
    "object": {"id": "x:q", "definition": {"name": {"en": "Q"}, "extensions": {"x:e": [1, {"a": None}]}}},
    "result": {"score": {"raw": 1, "min": 0, "max": 2}, "success": True, "duration": "PT1M"},
    "context": {"instructor": {"mbox": "mailto:t@x.org"}, "contextActivities": {"parent": [{"id": "x:c"}]},
                "extensions": {"https://w3id.org/xapi/cmi5/context/extensions/masteryscore": 0.7}},
}  # fmt: skip
OBJECTIVES = [{"learningObjectiveResults": [{"learningObjectiveId": "g", "score": 4}, {"learningObjectiveId": "h",
                                                                                       "textScore": "A"}]}]  # fmt: skip
ASSESSMENT = {
    "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2", "id": "x:quiz", "type": "Assessment",
    "items": [{"id": "x:q1", "type": "AssessmentItem", "learningObjectives": [{"id": "x:lo", "type": "LearningObjective"}]}],
}  # fmt: skip
EDFI_XML = (
    b"<InterchangeStudentAssessment><StudentAssessment><StudentAssessmentIdentifier>s</StudentAssessmentIdentifier>"
    b"<AdministrationDate>2026-01-15T15:00:00</AdministrationDate><StudentReference><StudentIdentity><StudentUniqueId>6"
    b"</StudentUniqueId></StudentIdentity></StudentReference><AssessmentReference><AssessmentIdentity>"
    b"<AssessmentIdentifier>a</AssessmentIdentifier></AssessmentIdentity></AssessmentReference><StudentAssessmentItem>"
    b"<AssessmentItemResult>uri://x#Correct</AssessmentItemResult><AssessmentItemReference><AssessmentItemIdentity>"
    b"<IdentificationCode>1</IdentificationCode></AssessmentItemIdentity></AssessmentItemReference>"
    b"</StudentAssessmentItem></StudentAssessment></InterchangeStudentAssessment>"
)
_GOOD: dict[str, list[Any]] = {
        "native": [item(activity={"id": "q", "items": 3}, extensions={"a": [1]}, assessor={"id": "t"}), item(retracts="x")],
        "xapi": [STATEMENT],
        "caliper": [grade_event(profile="GradingProfile"), ASSESSMENT,
                    {"sensor": "x:s", "sendTime": "2026-03-05T10:00:01.000Z", "data": [grade_event()],
                     "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2"}],
        "canvas": [live("learning_outcome_result_updated", **result()),
                   live("grade_change", submission_id="7", student_id="5", score=3, points_possible=4, assignment_id="3"),
                   live("learning_outcome_created", learning_outcome_id="1", vendor_guid="g")],
        "ags": [score(), {"id": "r", "scoreOf": "l", "userId": "u", "resultScore": 0.5}],
        "oneroster": [roster_result(), roster_result(learningObjectiveSet=OBJECTIVES)],
        "edfi": [student_assessment(), EDFI_XML],
}  # fmt: skip
GOOD: dict[str, list[bytes]] = {
    form: [one if isinstance(one, bytes) else json.dumps(one).encode() for one in several]
    for form, several in _GOOD.items()
}
ODD: list[Any] = [
    None, True, 0, -1, 1e308, 10**400, 2**63, 0.1, "", "x", "\x00", "a" * 3000, "2026-02-30", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59", "NaN", "1e999", "-0", [], {}, [[]], [None], {"": {}}, "uri://x#", "mailto:", "\ud7ff",
    "2026-03-04T10:15:00.123456789-23:59", "active", "🎓", "-" * 300, {"type": "Person"}, [{"id": 1}], "١٢",
]  # fmt: skip

broken_bytes = st.lists(
    st.tuples(st.sampled_from(("flip", "cut", "copy", "put")), st.floats(0, 0.999), st.integers(0, 255)), max_size=5
)
broken_members = st.lists(
    st.tuples(st.floats(0, 0.999), st.sampled_from(ODD), st.sampled_from(("set", "drop", "add", "wrap"))), max_size=4
)


def broken(payload: bytes, bytes_: list[tuple[str, float, int]], members: list[tuple[float, Any, str]]) -> bytes:
    """Return a payload with some members, and some bytes, replaced."""
    if members and payload[:1] == b"{":
        thing = json.loads(payload)
        for where, value, how in members:
            _break(thing, where, copy.deepcopy(value), how)
        payload = json.dumps(thing, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for how, where, value in bytes_:
        at = int(where * len(payload))
        payload = _BYTES[how](payload, at, value)
    return payload


def broken_at_random(form: str) -> Iterator[bytes]:
    """Yield payloads of a format without end, about four of five of them broken; the same ones each time."""
    chosen = random.Random(form)
    while True:
        bytes_ = [(chosen.choice(("flip", "cut", "copy", "put")), chosen.random() * 0.999, chosen.randrange(256))
                  for _ in range(chosen.choice((0, 0, 1, 3)))]  # fmt: skip
        members = [(chosen.random() * 0.999, chosen.choice(ODD), chosen.choice(("set", "drop", "add", "wrap")))
                   for _ in range(chosen.randrange(4))]  # fmt: skip
        yield broken(chosen.choice(GOOD[form]), bytes_, members)


def _break(thing: Any, where: float, value: Any, how: str) -> None:
    places = list(_places(thing))
    if not places:
        return
    holder, name = places[int(where * len(places))]
    if how == "drop":
        del holder[name]
    elif how == "add" and isinstance(holder, dict):
        holder[f"{name}x"] = value
    else:
        holder[name] = [holder[name]] if how == "wrap" else value


def _places(thing: Any) -> Any:
    names = thing if isinstance(thing, dict) else range(len(thing)) if isinstance(thing, list) else ()
    for name in names:
        yield thing, name
        yield from _places(thing[name])


_BYTES: dict[str, Callable[[bytes, int, int], bytes]] = {
    "flip": lambda raw, at, value: raw[:at] + bytes([value]) + raw[at + 1 :],
    "cut": lambda raw, at, value: raw[:at] + raw[at + value :],
    "copy": lambda raw, at, value: raw[:at] + raw[at : at + value] + raw[at:],
    "put": lambda raw, at, value: raw[:at] + bytes([value]) + raw[at:],
}
