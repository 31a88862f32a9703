"""
Rows of anything else (CSV, NDJSON) as native items, by a small mapping.

A mapping says for each native member where it comes from: a text with braces is a template of columns, a text without is
a column, and `{"constant": …}` is that value. `competencies` splits its text at `separator` (`;`). Times without a zone,
and dates, are of `time_zone`.

    id: "{student}-{quiz}"
    learner: student
    occurred_at: date
    activity: {id: quiz}
    score: {raw: points, max: {constant: 10}}
"""

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.evidence.formats import members as m
from services.evidence.formats.lexical import instant
from shared.events import utc

_COLUMN = re.compile(r"\{([^{}]+)\}")
NUMBERS = frozenset(("raw", "max", "min", "scaled"))
WHOLES = frozenset(("attempt", "dok", "items"))
TEXTS = frozenset(("id", "source", "learner", "kind", "supersedes", "retracts"))
INNER: dict[str, frozenset[str]] = {
    "activity": frozenset(("id", "name", "kind", "items")), "score": frozenset((*NUMBERS, "level", "scale")),
    "assessor": frozenset(("id", "type")),
}  # fmt: skip
MEMBERS = TEXTS | WHOLES | frozenset(("competencies", "occurred_at", "assisted", *INNER)) - {"items"}
OPTIONS = frozenset(("separator", "time_zone"))
NO_COLUMN = "missing_member"
"""Why a row is refused that does not have a column of the mapping."""
Row = Mapping[str, Any]


class RowMapping(msgspec.Struct, frozen=True):
    """A checked mapping."""

    members: dict[str, Any]
    separator: str
    zone: ZoneInfo


def read_mapping(given: Any) -> RowMapping:
    """
    Return a mapping, checked.

    Raises:
        InvalidEvent: with the pointer of the member that is not known or not of its form.
    """
    if not isinstance(given, dict):
        raise m.fault("", "a mapping is an object of native members")
    for name, value in given.items():
        if name in OPTIONS:
            continue
        if name not in MEMBERS:
            raise m.fault(f"/{name}", f"there are {', '.join(sorted(MEMBERS | OPTIONS))}", "unknown_member")
        if name in INNER and isinstance(value, dict):
            for inner, where in value.items():
                if inner not in INNER[name]:
                    raise m.fault(f"/{name}/{inner}", f"there are {', '.join(sorted(INNER[name]))}", "unknown_member")
                _check_where(where, f"/{name}/{inner}")
        else:
            _check_where(value, f"/{name}")
    try:
        zone = ZoneInfo(str(given.get("time_zone", "UTC")))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise m.fault("/time_zone", "is no time zone of the IANA database") from error
    members = {name: value for name, value in given.items() if name not in OPTIONS}
    return RowMapping(members, str(given.get("separator", ";")), zone)


def native_item(row: Row, mapping: RowMapping) -> bytes:
    """
    Return a row as a native object, encoded; members whose columns are empty are left out.

    Raises:
        InvalidEvent: a column is missing, or not of its form; the pointer is `/<column>`.
    """
    item: dict[str, Any] = {}
    for name, where in mapping.members.items():
        if name in INNER and not ("constant" in where if isinstance(where, dict) else True):
            inner = {one: _value(one, at, row) for one, at in where.items()}
            value: Any = {one: found for one, found in inner.items() if found is not None} or None
        else:
            value = _value(name, where, row)
        if name == "competencies" and isinstance(value, str):
            value = [one.strip() for one in value.split(mapping.separator) if one.strip()]
        elif name == "occurred_at" and isinstance(value, str):
            value = utc(instant(value.strip(), _pointer(where), zone=mapping.zone))
        if value is not None:
            item[name] = value
    return msgspec.json.encode(item)


def _check_where(where: Any, at: str) -> None:
    if isinstance(where, dict) and where.keys() == {"constant"}:
        return
    if not isinstance(where, str) or not where:
        raise m.fault(at, 'is a column, a template "{column}…", or {"constant": …}')


def _value(name: str, where: Any, row: Row) -> Any:
    if isinstance(where, dict):
        return where["constant"]
    columns = _COLUMN.findall(where) or [where]
    for column in columns:
        if column not in row:
            raise m.fault(f"/{column}", "there is no such column", NO_COLUMN)
    value = row[where] if columns == [where] else _COLUMN.sub(lambda match: str(row[match[1]]), where)
    if value is None or value == "":
        return None
    at = {where: value}
    if name in NUMBERS:
        return m.optional_number(at, where)
    if name in WHOLES:
        return m.whole(at, where)
    if name == "assisted":
        return m.flag(at, where)
    return str(value) if name in TEXTS or not isinstance(value, list) else value


def _pointer(where: Any) -> str:
    columns = _COLUMN.findall(where) if isinstance(where, str) else []
    return f"/{columns[0] if columns else where}"
