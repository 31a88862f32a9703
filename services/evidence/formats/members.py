"""Reading members of decoded JSON, each refused by its pointer where it is not of its type."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from shared.errors import InvalidEvent

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def fault(pointer: str, detail: str, reason: str = "invalid") -> InvalidEvent:
    """Return the error of one member."""
    return InvalidEvent(detail[:300], reason=reason, pointer=pointer[:300])


def optional_text(thing: Mapping[str, Any], name: str, at: str = "", chars_max: int = 512) -> str | None:
    """Return a text, or a whole number as one; None where it is missing, null or empty."""
    value = thing.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise fault(f"{at}/{name}", "is not a text")
    if len(value) > chars_max:
        raise fault(f"{at}/{name}", f"is over {chars_max} characters", "too_large")
    if CONTROL.search(value):
        raise fault(f"{at}/{name}", "contains a control character")
    return value


def text(thing: Mapping[str, Any], name: str, at: str = "") -> str:
    """Return a text that has to be there."""
    value = optional_text(thing, name, at)
    if value is None:
        raise fault(f"{at}/{name}", "required", "missing_member")
    return value


def one_of(thing: Mapping[str, Any], name: str, values: Collection[str], at: str = "") -> str:
    """Return one of the texts."""
    value = text(thing, name, at)
    if value not in values:
        raise fault(f"{at}/{name}", f"{value[:60]!r} is not one of {', '.join(sorted(values))}")
    return value


def optional_number(thing: Mapping[str, Any], name: str, at: str = "") -> float | None:
    """Return a number, also one that is written as text; None where it is missing, null or empty."""
    value = thing.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise fault(f"{at}/{name}", "is not a number") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fault(f"{at}/{name}", "is not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise fault(f"{at}/{name}", "is too large a number") from error
    if not math.isfinite(number):
        raise fault(f"{at}/{name}", "is not a finite number")
    return number


def flag(thing: Mapping[str, Any], name: str, at: str = "") -> bool:
    """Return a boolean, also one that is written as text; False where it is missing or null."""
    value = thing.get(name)
    if isinstance(value, str) and value.lower() in ("true", "false", ""):
        return value.lower() == "true"
    if value is None:
        return False
    if not isinstance(value, bool):
        raise fault(f"{at}/{name}", "is not true or false")
    return value


def whole(thing: Mapping[str, Any], name: str, at: str = "") -> int | None:
    """Return a whole number from 1; None where it is missing or null."""
    value = optional_number(thing, name, at)
    if value is None:
        return None
    if value != int(value) or value < 1:
        raise fault(f"{at}/{name}", "is not a whole number from 1")
    return int(value)


def inner(thing: Mapping[str, Any], name: str, at: str = "", *, needed: bool = False) -> Mapping[str, Any]:
    """Return an object; empty where it is missing or null, unless it is needed."""
    value = thing.get(name)
    if value is None and not needed:
        return {}
    if value is None:
        raise fault(f"{at}/{name}", "required", "missing_member")
    if not isinstance(value, dict):
        raise fault(f"{at}/{name}", "is not an object")
    return value


def several(thing: Mapping[str, Any], name: str, at: str = "") -> list[Mapping[str, Any]]:
    """Return an array of objects; empty where it is missing or null."""
    value = thing.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise fault(f"{at}/{name}", "is not an array")
    for place, one in enumerate(value):
        if not isinstance(one, dict):
            raise fault(f"{at}/{name}/{place}", "is not an object")
    return value


def escaped(name: str) -> str:
    """Return a member name as a step of a JSON Pointer (RFC 6901), bounded."""
    return name[:200].replace("~", "~0").replace("/", "~1")
