"""What a reader passes over is named, with a bound on how much is said; texts are made safe to store."""

import re
from collections.abc import Sequence

from shared.errors import InvalidEvent

TEXTS_A_KIND = 3
MEMBERS_NAMED = 8
"""Of a cycle."""
CODE_CHARS_MAX = 200
TITLE_CHARS_MAX = 2_000
"""The longest standards have some 1,500 characters; the source keeps what is cut."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ANY_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Problems:
    """Collects problems by kind: the first of each kind in full, the others counted."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, text: str) -> None:
        """Note a problem; `text` says where, and what was done about it."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        texts = self._texts.setdefault(kind, [])
        if len(texts) < TEXTS_A_KIND:
            texts.append(text)

    def lines(self) -> list[str]:
        """Return what is to be told, in the order in which the kinds were met."""
        found: list[str] = []
        for kind, texts in self._texts.items():
            found += texts
            if self._counts[kind] > len(texts):
                found.append(f"{kind}: {self._counts[kind]} in all")
        return found


def clean(text: str, limit: int = TITLE_CHARS_MAX) -> str:
    """Return a text for people as it can be stored: without control characters, cut at the limit."""
    text = _CONTROL.sub("", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_code(text: str) -> bool:
    """Tell whether a text can name a competency."""
    return 0 < len(text) <= CODE_CHARS_MAX and _ANY_CONTROL.search(text) is None


def some_of(members: Sequence[str]) -> str:
    """Return members in a sentence: the first `MEMBERS_NAMED`, and how many more there are."""
    rest = f" and {len(members) - MEMBERS_NAMED} more" if len(members) > MEMBERS_NAMED else ""
    return ", ".join(members[:MEMBERS_NAMED]) + rest


def too_many(count: int, limit: int, what: str, pointer: str) -> None:
    """
    Check a number against its limit.

    Raises:
        InvalidEvent: it is over.
    """
    if count > limit:
        raise InvalidEvent(f"a framework has at most {limit:,} {what}, not {count:,}", pointer=pointer)
