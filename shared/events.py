"""
The envelope of every event: CloudEvents 1.0 structured JSON with Attain's extension attributes.

A log row holds the envelope without its place; `generation`, `shard` and `position` are put in front when it is read,
so a position is never stored twice and a redaction never moves one.
"""

import datetime
from typing import NamedTuple

import msgspec

from shared.errors import InvalidEvent

encode_json = msgspec.json.Encoder(order="deterministic").encode


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An event as its readers see it: tolerant of members they do not know; `data` is still undecoded JSON."""

    id: str
    type: str
    tenant: str
    subject: str
    time: str
    data: msgspec.Raw
    generation: int
    shard: int
    position: int
    causationid: str = ""


class Draft(NamedTuple):
    """An event about to be appended: where it goes, whose it is, and its envelope without the place."""

    shard: int
    tenant: str
    subject: str
    body: bytes


EMPTY = msgspec.Raw(b"{}")
"""The data of what was emptied."""

decode_envelope = msgspec.json.Decoder(Envelope).decode
NO_EVENT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are no event."""


def envelope(
    *, id: str, source: str, type: str, tenant: str, subject: str, time: str, data: bytes, cause: str = ""
) -> bytes:
    """
    Return the stored envelope of an event, without its place.

    The caller warrants that `id`, `type`, `tenant`, `time` and `cause` need no JSON escaping; `subject` is escaped.
    """
    causation = f'"causationid":"{cause}",' if cause else ""
    return (
        f'{{"specversion":"1.0","id":"{id}","source":"/attain/{source}","type":"{type}","tenant":"{tenant}",'
        f'"subject":{encode_json(subject).decode()},"time":"{time}",'
        f'"dataschema":"urn:{type.replace(".", ":")}",{causation}"data":'
    ).encode() + b"%s}" % data


def placed(body: bytes, generation: int, shard: int, position: int) -> bytes:
    """Return the event as it is sent: the stored envelope with its place in front."""
    return b'{"generation":%d,"shard":%d,"position":%d,%s' % (generation, shard, position, body[1:])


REDACTED = ".redacted.v1"
"""How the types end that stand for what was erased."""


def redacted_type(log: str) -> str:
    """Return the type of what takes the place of an erased event of a log."""
    return f"attain.{log}{REDACTED}"


def tombstone(log: str, tenant: str, digest: str) -> bytes:
    """Return the envelope that takes the place of an erased event: the SHA-256 of what was there."""
    data = f'{{"sha256":"{digest}"}}'.encode()
    return envelope(
        id=digest[:32], source="erasure", type=redacted_type(log), tenant=tenant, subject="", time="", data=data
    )


RESHARDED = ".resharded.v1"
"""How the types end that stand for what another shard has since a re-shard."""


def resharded_type(log: str) -> str:
    """Return the type of what holds the position of an event of a log that another shard has."""
    return f"attain.{log}{RESHARDED}"


def resharded(log: str) -> bytes:
    """Return the envelope that holds the position of an event which another shard has: of nobody, and saying nothing."""
    return envelope(
        id="resharded", source="reshard", type=resharded_type(log), tenant="", subject="", time="", data=EMPTY
    )


def utc(moment: datetime.datetime) -> str:
    """
    Return an instant in the one form that sorts as text: UTC, microseconds, `Z`.

    Raises:
        InvalidEvent: in UTC it lies outside of the years 1 to 9999.
    """
    try:
        # A third of the cost of strftime; an offset of UTC is written in six characters.
        return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    except OverflowError as error:
        raise InvalidEvent("an instant lies outside of the years 1 to 9999 in UTC") from error


def now() -> str:
    """Return the current instant in the form of `utc`."""
    return utc(datetime.datetime.now(datetime.UTC))


class Position(NamedTuple):
    """A place in a log: `<log>.<generation>.<shard>.<pos>` in tokens and cursors."""

    log: str
    generation: int
    shard: int
    pos: int

    def __str__(self) -> str:
        return f"{self.log}.{self.generation}.{self.shard}.{self.pos}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """
        Read a position token.

        Raises:
            InvalidEvent: the text is not of the form.
        """
        parts = text.rsplit(".", 3)
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts[1:]):
            raise InvalidEvent(f"not a position of the form <log>.<generation>.<shard>.<pos>: {text[:80]!r}")
        return cls(parts[0], int(parts[1]), int(parts[2]), int(parts[3]))
