"""What every adapter is given and what it returns: pure functions from the bytes of one message to commands."""

import datetime
from collections.abc import Callable, Mapping, Sized
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.evidence.domain.alignment import Entry
from services.evidence.domain.evidence import RecordEvidence
from services.evidence.domain.handed_in import HandIn
from services.evidence.domain.revisions import Revision
from services.evidence.formats import native
from services.evidence.formats.json_text import check_against, decoded
from services.evidence.formats.lexical import instant
from shared.errors import InvalidEvent
from shared.events import utc


class Origin(msgspec.Struct, frozen=True):
    """Whose message it is: `received_at` stands in for a time that it lacks, `zone` for an offset that it lacks."""

    tenant: str
    source: str
    received_at: datetime.datetime
    latest: datetime.datetime
    """The end of what may have occurred by now."""
    zone: ZoneInfo
    is_strict: bool = True
    """Whether what many producers write against the letter of a specification is refused."""

    def build(
        self, members: Mapping[str, Any], *, standard: str | None = None, pointers: Mapping[str, str] | None = None
    ) -> RecordEvidence:
        """Return the command in native members, as of this source; raises as `native.build` does."""
        told = {name: value for name, value in members.items() if value is not None}
        latest = self._latest_for(told.get("occurred_at"))
        return native.build(self.tenant, told | {"source": self.source}, latest, standard=standard, pointers=pointers)

    def stamp(self, text: str, pointer: str) -> str:
        """
        Return the instant of a message, in the form of `shared.events.utc`.

        Raises:
            InvalidEvent: it is none, or lies in the future: until then no other message could follow.
        """
        moment = instant(text, pointer, zone=self.zone)
        if moment > self._latest_for(moment):
            raise InvalidEvent("lies in the future", reason="future_time", pointer=pointer)
        return utc(moment)

    def _latest_for(self, moment: object) -> datetime.datetime:
        """Return the end of what may have occurred by now: noon for today's, which is what a date alone is read as."""
        today = self.latest.astimezone(self.zone).date()
        noon = datetime.datetime.combine(today, datetime.time(12), self.zone)
        return noon if moment == noon else self.latest


class Reading(msgspec.Struct, frozen=True):
    """What one message comes to: commands, or why it is no evidence; and entries of the alignment map that it states."""

    id: str | None = None
    commands: tuple[RecordEvidence, ...] = ()
    revision: Revision | None = None
    """What the source overwrites, instead of commands."""
    acknowledged: str | None = None
    """The reason, where the message is valid and is not evidence: it is counted."""
    entries: tuple[Entry, ...] = ()
    handed_in: HandIn | None = None
    """What it says of handed-in work: that it waits for a grade, was graded or was taken back."""


class Kept(msgspec.Struct, frozen=True):
    """An event that is no evidence, as it is kept: its own id, why it is none, the source ids of whom it names, its JSON."""

    id: str
    reason: str
    people: tuple[str, ...]
    body: bytes


MESSAGES_MAX = 10_000
"""Of one payload: what an envelope or a bulk may hold."""
VALUES_MAX = 1_000_000
"""Of one payload: as values it takes fifty times the memory of the fewest bytes that they can be written in."""
Reader = Callable[[bytes, Origin], Reading]
"""Raises `InvalidEvent` with reason and pointer."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_object(raw: bytes) -> dict[str, Any]:
    """
    Return a JSON object.

    Raises:
        InvalidEvent: not JSON, not an object, too deep, of too many values, or with a member twice.
    """
    check_values(raw, b"[", b"{", b",")
    value = decoded(_decode, raw)
    if not isinstance(value, dict):
        raise InvalidEvent("is not an object", reason="invalid", pointer="")
    check_against(raw, _encode(value))
    return value


def check_values(raw: bytes, *begins: bytes) -> None:
    """Refuse a payload of too many values before it is decoded; each begins behind one of the characters."""
    if len(raw) > VALUES_MAX and sum(map(raw.count, begins)) > VALUES_MAX:
        raise InvalidEvent(f"has over {VALUES_MAX} values", reason="too_large", pointer="")


def check_messages(messages: Sized, pointer: str) -> None:
    """Refuse a payload of too many messages, before each is gone through."""
    if len(messages) > MESSAGES_MAX:
        raise InvalidEvent(f"over {MESSAGES_MAX} items", reason="too_large", pointer=pointer)
