"""
The envelope of every event: CloudEvents 1.0 structured JSON with Attain's extension attributes.

A log row holds the envelope without its place; `generation`, `shard` and `position` are put in front when it is read,
so a position is never stored twice and a redaction never moves one.
"""

import datetime
import unicodedata
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
NOBODY = "nobody"
"""The subject of what is about nobody, since CloudEvents has none that is empty; earlier versions wrote an empty one."""
UNTOLD = "1970-01-01T00:00:00.000000Z"
"""The time of what stands for an event that is not told; earlier versions wrote an empty one."""

decode_envelope = msgspec.json.Decoder(Envelope).decode
NO_EVENT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are no event."""


def envelope(
    *, id: str, source: str, type: str, tenant: str, subject: str, time: str, data: bytes, cause: str = ""
) -> bytes:
    """
    Return the stored envelope of an event, without its place.

    The caller warrants that `id`, `type`, `tenant`, `time` and `cause` need no JSON escaping; `subject` is escaped, told as
    `NOBODY` where it is empty, and without what CloudEvents has in no attribute.
    """
    causation = f'"causationid":"{cause}",' if cause else ""
    return (
        f'{{"specversion":"1.0","id":"{id}","source":"/attain/{source}","type":"{type}","tenant":"{tenant}",'
        f'"subject":{encode_json(_allowed(subject)).decode()},"time":"{time}",'
        f'"dataschema":"urn:{type.replace(".", ":")}",{causation}"data":'
    ).encode() + b"%s}" % data


def _allowed(subject: str) -> str:
    if not subject.isprintable():
        subject = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cn") else char for char in subject)
    return subject or NOBODY


def placed(body: bytes, generation: int, shard: int, position: int) -> bytes:
    """Return the event as it is sent: the stored envelope with its place in front."""
    return b'{"generation":%d,"shard":%d,"position":%d,%s' % (generation, shard, position, body[1:])


def without_data(event: bytes) -> bytes:
    """Return an event as it is sent but for its data: which one it is and where, so that a reader fetches it."""
    members = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
    return encode_json({name: value for name, value in members.items() if name != "data"})


def topic_of(log: str, suffix: str) -> str:
    """Return the Kafka topic of a log, in an installation whose topics end with a suffix."""
    return f"attain.{log}{suffix}"


REDACTED = ".redacted.v1"
"""How the types end that stand for what was erased."""


def redacted_type(log: str) -> str:
    """Return the type of what takes the place of an erased event of a log."""
    return f"attain.{log}{REDACTED}"


def tombstone(log: str, tenant: str, digest: str) -> bytes:
    """
    Return the envelope that takes the place of an erased event: the SHA-256 of what was there.

    It does not tell when that was, nor when it was erased: that would join all that was one learner's.
    """
    data = f'{{"sha256":"{digest}"}}'.encode()
    return envelope(
        id=digest[:32], source="erasure", type=redacted_type(log), tenant=tenant, subject="", time=UNTOLD, data=data
    )


RESHARDED = ".resharded.v1"
"""How the types end that stand for what another shard has since a re-shard."""


def resharded_type(log: str) -> str:
    """Return the type of what holds the position of an event of a log that another shard has."""
    return f"attain.{log}{RESHARDED}"


def resharded(log: str, place: str) -> bytes:
    """Return the envelope that holds a place of a log whose event another shard has: of nobody, and saying nothing."""
    return envelope(
        id=f"{log}.{place}", source="reshard", type=resharded_type(log), tenant="", subject="", time=UNTOLD, data=EMPTY
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
