import json

import pytest

from services.evidence.formats import reading
from services.evidence.formats.batches import elements, lines
from services.evidence.handlers.formats import FORMS
from shared.errors import InvalidEvent, TooLarge


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_an_array_is_split_as_it_is_written(count: int) -> None:
    written = [b'{"a": [1, 2]}', b" 3", b'"x,y"', b"null", b"{}"][:count]

    assert elements(b"[" + b",".join(written) + b"]\n", 5) == [each.strip() for each in written]


def test_what_is_beyond_the_limit_is_not_looked_at() -> None:
    with pytest.raises(TooLarge, match="more than 3 items"):
        elements(b"[" + b"0," * 4 + b"this is no JSON", 3)
    with pytest.raises(InvalidEvent, match="not JSON"):
        elements(b"[0,0,0,this is no JSON", 5)
    # Where one ends that is nested so deep is not found in every interpreter; none finds an end that is not there.
    with pytest.raises(InvalidEvent, match=r"nested too deep|not JSON"):
        elements(b"[0,0," + b"[" * 100_000, 3)


def test_lines_that_are_blank_are_none() -> None:
    assert lines(b"\n \r\n1\n\t\n  {}\n", 2) == [b"1", b"{}"]
    with pytest.raises(TooLarge, match="more than 2 items"):
        lines(b"1\n2\n3\n", 2)


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        ("caliper", {"sensor": "urn:x", "sendTime": "2026-03-04T10:15:00.000Z",
                     "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2", "data": [{}] * 3}),
        ("oneroster", {"results": [{}] * 3}),
        ("edfi", {"studentAssessments": [{}] * 2, "assessmentItems": [{}]}),
    ],
)  # fmt: skip
def test_a_payload_holds_a_number_of_messages(form: str, payload: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MESSAGES_MAX", 2)
    with pytest.raises(InvalidEvent, match="over 2 items") as refused:
        FORMS[form].split(json.dumps(payload).encode())

    assert refused.value.members["reason"] == "too_large"


@pytest.mark.parametrize(
    ("form", "payload"),
    [("oneroster", b'{"results": [' + b"{}," * 50 + b"this is no JSON"), ("edfi", b"<Interchange>" + b"<a/>" * 101)],
)
def test_a_payload_of_too_many_values_is_refused_before_it_is_decoded(
    form: str, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "VALUES_MAX", 100)
    with pytest.raises(InvalidEvent, match="over 100 values"):
        FORMS[form].split(payload)


def test_xml_of_too_many_attributes_is_refused_before_it_is_parsed() -> None:
    attributes = b" ".join(b'a%d="1"' % number for number in range(100_001))

    with pytest.raises(InvalidEvent, match="over 100000 attributes"):
        FORMS["edfi"].split(b"<Interchange " + attributes + b"/>")
