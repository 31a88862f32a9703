"""What pydantic finds wrong with a value, said in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

INSTANT = "must be an instant with its offset, such as 2026-03-04T10:15:00Z"
DAY = "must be a day, such as 2026-03-04"
_BY_TYPE = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "is empty or has characters that are not allowed here",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "json_invalid": "is not JSON: {error}",
    "union_tag_invalid": "must have as {discriminator} one of {expected_tags}, not '{tag}'",
    "union_tag_not_found": "must have {discriminator}",
}
_BY_BEGINNING = {
    "int_": "must be a whole number",
    "float_": "must be a number",
    "bool_": "must be true or false",
    "datetime_": INSTANT,
    "timezone_": INSTANT,
    "date_": DAY,
    "uuid_": "must be a UUID",
    "list_": "must be a list",
    "tuple_": "must be a list",
    "dict_": "must be an object",
    "model_": "must be an object",
    "dataclass_": "must be an object",
}


def in_words(error: Mapping[str, Any], name: str) -> str:
    """Return a sentence about the value `name` of one of a `ValidationError`'s errors; validators' own words stay as they are."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return f"{name} must not be empty"
    said = _BY_TYPE.get(kind) or next((words for start, words in _BY_BEGINNING.items() if kind.startswith(start)), None)
    return f"{name} {said.format_map(context)}" if said else f"{name}: {error['msg']}"


def named(place: Sequence[str | int]) -> str:
    """Return how people call the value at a place of a body or query."""
    return ".".join(str(part) for part in place) or "the body"
