"""
What every JSON text has to be: UTF-8, well-formed, not too deep, and no object with a member twice.

Parsers differ in which of two members they take (RFC 8259, 4), so none is taken. Decoders drop all but the last without a
word; that one was dropped is seen by counting colons, in the text and in what was decoded, encoded again: a third of a
microsecond. Only where the counts differ are the objects gone through.

What msgspec says of a text, or of a value that is not of its type, is said here in our words: reason, pointer, detail.
"""

import functools
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from services.evidence.domain import text_forms
from services.evidence.formats.members import escaped
from shared.errors import InvalidEvent

DEPTH_MAX = 40
"""Deeper than anything real. What a parser takes depends on the interpreter: some of what one keeps, another could not read."""
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of a text that is no JSON, or not of the type asked for; `unreadable` says it in our words."""

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], raw: bytes) -> T:
    """
    Return what a decoder of msgspec makes of a text that is nested at most `DEPTH_MAX` deep.

    Raises:
        InvalidEvent: as `unreadable` says.
    """
    try:
        value = decode(raw)
    except NOT_JSON as error:
        raise unreadable(error) from error
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX and _is_deep(raw):
        raise InvalidEvent(f"is nested deeper than {DEPTH_MAX}", reason="too_deep", pointer="")
    return value


def unreadable(error: Exception) -> InvalidEvent:
    """Return the error of a text that cannot be decoded: as `misfit` does, or `too_deep`, `not_utf8`, `malformed_json`."""
    if isinstance(error, msgspec.ValidationError):
        return misfit(error)
    if isinstance(error, RecursionError):
        return InvalidEvent("is nested too deep", reason="too_deep", pointer="")
    if isinstance(error, UnicodeDecodeError):
        return InvalidEvent(f"not UTF-8: {error.reason} at byte {error.start}", reason="not_utf8", pointer="")
    return InvalidEvent(f"not JSON: {error}", reason="malformed_json", pointer="")


def misfit(error: msgspec.ValidationError) -> InvalidEvent:
    """Return the error of JSON that is not of its type: `unknown_member`, `missing_member` or `invalid`, with the pointer."""
    reason, pointer, detail = _fault(str(error))
    return InvalidEvent(detail[:300], reason=reason, pointer=pointer[:300])


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def _is_deep(raw: bytes) -> bool:
    """Tell whether valid JSON is nested deeper than `DEPTH_MAX`: take away the innermost as often."""
    brackets = _STRING.sub(b"", raw).translate(_AS_ARRAYS, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def check_against(raw: bytes, encoded: bytes, more: int = 0) -> None:
    """
    Refuse valid JSON that has a member twice; `encoded` is what it was decoded to, with `more` colons in the text.

    Raises:
        InvalidEvent: `duplicate_member`, with the pointer of the member.
    """
    # A colon may also be written as an escape, which is none in the encoding.
    if raw.count(b":") != encoded.count(b":") + more or (b"\\" in raw and b"\\u003" in raw):
        check(raw)


def check(raw: bytes) -> None:
    """Refuse valid JSON that has a member twice, by going through all of it; raises as `check_against` does."""
    try:
        value = json.loads(
            raw, object_pairs_hook=_members, parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing
        )
    except (ValueError, RecursionError) as error:
        raise unreadable(error) from error
    _walk(value)


class _Members(list[tuple[str, Any]]):
    """The members of an object, in order."""


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    # In Python, so that other threads get their turn between the objects of a large text.
    return _Members(pairs)


def _nothing(_: str) -> None:
    """Numbers are not looked at: Python refuses some that are long."""


def _walk(whole: Any) -> None:
    waiting = [("", whole)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, _Members):
            _check_names(value, at)
            waiting += [(f"{at}/{escaped(name)}", inner) for name, inner in value if isinstance(inner, list)]
        elif isinstance(value, list):
            waiting += [(f"{at}/{place}", inner) for place, inner in enumerate(value) if isinstance(inner, list)]


def _check_names(members: _Members, at: str) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            pointer = f"{at}/{escaped(name)}"[:300]
            raise InvalidEvent(f"the member {name[:60]!r} comes twice", reason="duplicate_member", pointer=pointer)
        seen.add(name)


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_OTHER_FORM = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_FORMS = {repr(pattern): said for pattern, said in text_forms.IN_WORDS.items()}
_INSTANT = "expected an instant with its offset, such as 2026-03-04T10:15:00Z"
_STEP = re.compile(r"\.([A-Za-z_0-9]+)|\[(\d+|\.\.\.)\]")


@functools.lru_cache(maxsize=256)
def _fault(message: str) -> tuple[str, str, str]:
    """Return reason, pointer and detail of a msgspec error; its path leaves out unknown and missing members."""
    detail, _, path = message.rpartition(" - at `$")
    if not detail:
        detail, path = message, ""
    pointer = "".join("/" + (name or index) for name, index in _STEP.findall(path.rstrip("`")))
    for reason, pattern, said in (
        ("unknown_member", _UNKNOWN, "there is no such member here"),
        ("missing_member", _MISSING, "required"),
    ):
        match = pattern.fullmatch(detail)
        if match:
            return reason, f"{pointer}/{escaped(match[1])}", f"{match[1]}: {said}"
    if "`datetime" in detail or "RFC3339" in detail:
        return "invalid", pointer, _INSTANT
    form = _OTHER_FORM.fullmatch(detail)
    return "invalid", pointer, _FORMS.get(form[1], detail) if form else detail
