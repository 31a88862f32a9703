"""What has a member twice is refused by every way in that takes JSON, and what has not is not."""

import contextlib
import functools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.domain.roster import Class, Staff
from services.evidence.formats import alignments, json_text
from services.evidence.formats.json_text import DEPTH_MAX, check, check_against, decoded
from services.evidence.formats.native import Native
from shared.errors import InvalidEvent
from tests.evidence.builders import item
from tests.evidence.fuzzing import GOOD
from tests.evidence.test_fuzz import read

JSON = [(form, payload) for form, several in GOOD.items() for payload in several if payload.startswith(b"{")]
ENTRY = b'{"id": "quiz-1", "competencies": [{"competency": "m:1", "weight": 1, "weight": 2}]}'


def twice(payload: bytes, *path: str) -> tuple[bytes, str]:
    """Return a payload with the first member of the object at a path repeated, as other parsers would let it; and where."""
    inner: Any = json.loads(payload)
    for step in path:
        inner = inner[step]
    name, value = next(iter(inner.items()))
    marked = f'"{name}": {json.dumps(value)}, '
    written = json.dumps(json.loads(payload))
    at = written.index(json.dumps(inner)) + 1
    return (written[:at] + marked + written[at:]).encode(), "".join(f"/{step}" for step in (*path, name))


@pytest.mark.parametrize(("form", "payload"), JSON)
def test_a_member_that_comes_twice_is_refused_in_every_format(form: str, payload: bytes) -> None:
    thing = json.loads(payload)
    paths = [(), *([(name,)] for name, value in thing.items() if isinstance(value, dict) and value)]
    for path in paths:
        broken, pointer = twice(payload, *(path[0] if path else ()))
        with pytest.raises(InvalidEvent) as refusal:
            read(form, broken)

        assert (refusal.value.members["reason"], refusal.value.pointer) == ("duplicate_member", pointer)


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":"a","id":"a"}',
        b'{"id" : "a", "\\u0069d"\t:\n"a"}',
        b'{"x":[{"y":{"z":1,"z":1}}]}',
        b'{"x":["\\u003a"],"x":1}',
        b'{"a:b":1,"a:b":"c"}',
        b'{"":1,"":2}',
    ],
)
def test_however_it_is_written(text: bytes) -> None:
    with pytest.raises(InvalidEvent, match="comes twice"):
        check_against(text, json.dumps(json.loads(text)).encode())


@given(st.recursive(st.text() | st.floats(allow_nan=False) | st.none(), lambda inner: st.dictionaries(st.text(), inner)
                    | st.lists(inner)), st.booleans(), st.sampled_from((None, 2)))  # fmt: skip
def test_what_has_each_member_once_passes(value: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    check_against(text, text)
    check(text)


_LEVELS: list[Callable[[Any], Any]] = [
    lambda inner: [inner], lambda inner: ["]}", {}, inner], lambda inner: {'[\\"{': inner}, lambda inner: {"a": [], "b": inner},
]  # fmt: skip


@given(st.lists(st.sampled_from(_LEVELS), min_size=DEPTH_MAX - 5, max_size=DEPTH_MAX + 3), st.sampled_from((None, 2)))
def test_what_is_nested_deeper_than_the_limit_is_refused(
    levels: list[Callable[[Any], Any]], indent: int | None
) -> None:
    text = json.dumps(functools.reduce(lambda inner, level: level(inner), levels, []), indent=indent).encode()

    with pytest.raises(InvalidEvent, match="deeper") if 1 + len(levels) > DEPTH_MAX else contextlib.nullcontext():
        decoded(msgspec.json.decode, text)


def test_usual_items_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone_through(_: bytes) -> None:
        pytest.fail("the objects were gone through")

    monkeypatch.setattr(json_text, "check", gone_through)
    usual = item(
        attempt=1, assisted=False, activity={"id": "q"}, assessor={"type": "auto"}, extensions={"a": {"b": ":"}}
    )
    for score in ({"raw": 1, "max": 4}, {"raw": 1, "min": 0, "max": 4}, {"scaled": 0.5}, {"level": 3, "scale": "s"}):
        read("native", json.dumps(usual | {"score": score}).encode())
    for form, payload in JSON:
        if form != "native":
            read(form, payload)


def test_an_entry_of_the_alignment_map_with_a_member_twice_is_refused() -> None:
    with pytest.raises(InvalidEvent) as refusal:
        alignments.read_json(ENTRY)

    assert (refusal.value.members["reason"], refusal.value.pointer) == ("duplicate_member", "/competencies/0/weight")


@pytest.mark.parametrize(
    ("type_", "text", "pointer", "said"),
    [
        (Native, json.dumps(item(competencies=["add"])), "/competencies/0", "a framework and a code, such as math:add"),
        (Class, '{"class": "a\\nb", "title": "A"}', "/class", "text without line breaks or other control characters"),
        (Class, '{"class": "a", "title": "\\u0000"}', "/title", "text without NUL characters"),
        (Staff, '{"class": "c", "staff": "t", "starts": "tomorrow"}', "/starts", "a day, such as 2026-03-04"),
    ],
)
def test_a_text_of_another_form_is_refused_in_words(type_: type, text: str, pointer: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.json.decode(text, type=type_)
    refused = json_text.misfit(error.value)

    assert (refused.members["reason"], refused.pointer, str(refused)) == ("invalid", pointer, f"expected {said}")
