"""A strict check of CloudEvents 1.0 in structured JSON, by the specification and its JSON schema."""

import json
import re
from typing import Any

import jsonschema_rs

_NOT_EMPTY = {"type": "string", "minLength": 1}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": _NOT_EMPTY,
        "source": _NOT_EMPTY | {"format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": _NOT_EMPTY,
        "subject": _NOT_EMPTY,
        # RFC 3339; the format checkers that are installed know no instants.
        "time": _NOT_EMPTY
        | {"pattern": r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d(\.\d+)?(Z|[+-][0-2]\d:[0-5]\d)$"},
        "datacontenttype": _NOT_EMPTY,
        "dataschema": _NOT_EMPTY | {"format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:."},
        "data": {},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
    "not": {"required": ["data", "data_base64"]},
    # An extension is a boolean, an integer of 32 bits, or a string, which all other types are written as.
    "additionalProperties": {
        "anyOf": [
            {"type": ["boolean", "string"]},
            {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        ]
    },
}
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]")


def check_cloudevent(body: bytes | str) -> dict[str, Any]:
    """Return an event, which the specification has to allow."""
    event: dict[str, Any] = json.loads(body)
    _VALIDATOR.validate(event)
    for name, value in event.items():
        assert re.fullmatch("[a-z0-9]+|data_base64", name), name
        assert name == "data" or not isinstance(value, str) or not _CONTROL.search(value), (name, value)
    return event
