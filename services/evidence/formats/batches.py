"""Bodies of many items, split without decoding these; what is beyond the greatest number of them is not looked at."""

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import msgspec

from services.evidence.formats.json_text import NOT_JSON, unreadable
from shared.errors import TooLarge

_LINE = re.compile(rb"\S[^\n]*")
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def elements(body: bytes, items_max: int) -> list[bytes]:
    """
    Return the elements of a JSON array, undecoded.

    Raises:
        TooLarge: there are more than `items_max`.
        InvalidEvent: the body is not a JSON array.
    """
    try:
        if body.count(b",") < items_max:
            return [bytes(raw) for raw in _decode_array(body)]
        return list(itertools.takewhile(len, map(bytes, msgspec.structs.astuple(_bounded(items_max)(body)))))
    except msgspec.ValidationError as error:
        raise too_many(items_max) from error
    except NOT_JSON as error:
        raise unreadable(error) from error


def lines(body: bytes, items_max: int) -> list[bytes]:
    """Return the lines of a body that are not blank; raises `TooLarge` where there are more than `items_max`."""
    if body.count(b"\n") < items_max:
        return [line for line in body.split(b"\n") if line and not line.isspace()]
    found = [line[0] for line in itertools.islice(_LINE.finditer(body), items_max + 1)]
    if len(found) > items_max:
        raise too_many(items_max)
    return found


def too_many(items_max: int) -> TooLarge:
    """Return the error of a request with too many items."""
    return TooLarge(f"more than {items_max} items; send smaller batches", reason="too_large")


@functools.cache
def _bounded(items_max: int) -> Callable[[bytes], Any]:
    """
    Return the decoder of an array as the fields of a struct, which are counted as they come.

    A list is built whole before its length is looked at: a few bytes an element, zipped, come to gigabytes.
    """
    fields = [(f"item_{place}", msgspec.Raw, msgspec.Raw()) for place in range(items_max)]
    return msgspec.json.Decoder(msgspec.defstruct("Items", fields, array_like=True, forbid_unknown_fields=True)).decode
