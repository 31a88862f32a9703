"""Values of CASE packages as they are found: texts that may be numbers, links that may be an object or a bare URI."""

from typing import Any

import msgspec

from services.progression.domain.curriculum.problems import is_code
from shared.errors import InvalidEvent

NOT_JSON = (msgspec.MsgspecError, RecursionError, UnicodeError)


def decoded(raw: msgspec.Raw | bytes, type: Any, pointer: str) -> Any:
    """
    Decode a part without which nothing can be read.

    Raises:
        InvalidEvent: it is not JSON of this type; with its pointer.
    """
    try:
        return msgspec.json.decode(raw, type=type)
    except NOT_JSON as error:
        raise InvalidEvent(f"cannot be read: {said(error)}", pointer=f"/package{pointer}") from error


def listed(raw: msgspec.Raw, pointer: str) -> list[msgspec.Raw]:
    """
    Return the members of an array, undecoded; null has none.

    Raises:
        InvalidEvent: it is no array.
    """
    found: list[msgspec.Raw] = decoded(raw, list[msgspec.Raw] | None, pointer) or []
    return found


def said(error: Exception) -> str:
    """Return what a decoder says, in few words."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def text_of(value: Any) -> str:
    """Return a text, or a number that stands for one, with all its digits; anything else is no text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def link_of(value: Any) -> tuple[str | None, str]:
    """Return identifier and URI of a link: an object with either of them, or a bare URI, which ends in the identifier."""
    uri = value.get("uri") if isinstance(value, dict) else value
    uri = uri.strip() if isinstance(uri, str) else ""
    return identifier_of(value.get("identifier") if isinstance(value, dict) else None, uri), uri


def identifier_of(identifier: Any, uri: Any) -> str | None:
    """Return what something is known by: its identifier, else the last segment of its URI."""
    if is_code(text_of(identifier)):
        return text_of(identifier)
    last = text_of(uri).rstrip("/").rpartition("/")[2]
    return last if is_code(last) else None
