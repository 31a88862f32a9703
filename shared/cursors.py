"""Cursors: the key of a page's last row, as text that a caller sends back."""

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

from shared.errors import InvalidEvent

Key = TypeVar("Key")
Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A page of a list; `next` is the `after` of the one that follows, None where this is the last."""

    items: list[Item]
    next: str | None


def write_cursor(*key: object) -> str:
    """Return the cursor behind a row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_cursor(text: str, of: type[Key]) -> Key | None:
    """
    Return the key of a cursor, None for the empty one, which is the beginning.

    Raises:
        InvalidEvent: it is no cursor of this list.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=of)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise InvalidEvent("the cursor is not one of this list", pointer="/after") from error
