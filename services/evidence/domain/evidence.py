"""A piece of evidence as it is taken in, its identity and its fingerprint, and the events that tell of it."""

import datetime
import enum
import functools
import hashlib
from typing import Any, Literal

import msgspec

from services.evidence.domain.alignment import Alignment
from shared.contracts.internal_events import (
    Kind,
    Score,
)
from shared.events import Draft, encode_json
from shared.shards import NAMESPACE, uuid5_text

Relation = Literal["supersedes", "retracts"]
ItemStatus = Literal["accepted", "duplicate", "corrected", "parked", "acknowledged", "rejected"]
"""`acknowledged`: valid in its format, understood, and not evidence; it is counted and judges nothing."""


NATIVE = "native"
CONTENT = "content"
"""The form of a piece that came in another format than the native: its content, encoded."""


class State(enum.IntEnum):
    """What is known of an evidence id. These numbers are stored."""

    AWAITED = 0
    """Something names it as its target, but it has not come yet."""
    PARKED = 1
    ACCEPTED = 2
    ERASED = 3


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """
    The validated content of an item.

    The fingerprint covers its encoding, so order and defaults of the members are storage format: a member added later
    must have a default, so that old fingerprints hold.
    """

    source: str
    id: str
    occurred_at: str
    learner: str | None = None
    competencies: tuple[str, ...] = ()
    score: Score | None = None
    attempt: int = 1
    kind: Kind | None = None
    activity: str | None = None
    items: int | None = None
    assisted: bool = False
    accommodations: tuple[str, ...] = ()
    dok: int | None = None
    assessor: str | None = None
    assessor_type: str | None = None
    supersedes: str | None = None
    retracts: str | None = None
    activity_name: str | None = None
    activity_kind: str | None = None
    extensions: dict[str, Any] | None = None
    standard: str | None = None
    """The id that the alignment map is asked for, where it is not the activity: an outcome, criterion or objective."""

    @property
    def align_by(self) -> str | None:
        """The id that names the competencies through the alignment map; None where the item names them itself."""
        return None if self.competencies or self.retracts is not None else self.standard or self.activity


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept with the evidence and never goes into an event: free text may name people."""

    activity_name: str | None = None
    activity_kind: str | None = None
    extensions: dict[str, Any] | None = None
    dok: int | None = None
    """The item's own depth, where the alignment map may say another."""


class RecordEvidence(msgspec.Struct, frozen=True, gc=False):
    """The command to take in one item; with `retracts` it only withdraws another, and its own score is not evidence."""

    tenant: str
    evidence_id: str
    digest: bytes
    content: Evidence
    original: bytes
    form: str = NATIVE
    """How `original` is written."""
    dates_grade: bool = True
    """Whether it tells when handed-in work was graded; not where its message says so itself."""

    @property
    def relation(self) -> Relation | None:
        """How the item concerns another one, if it does."""
        if self.content.retracts is not None:
            return "retracts"
        return None if self.content.supersedes is None else "supersedes"

    @property
    def target(self) -> str | None:
        """The evidence id of the item that this one concerns."""
        named = self.content.retracts or self.content.supersedes
        return None if named is None else evidence_id(self.tenant, self.content.source, named)

    @property
    def private(self) -> bytes | None:
        """The encoding of `Private`, or None where there is nothing to keep."""
        content = self.content
        dok = None if content.align_by is None else content.dok
        if content.activity_name is None and content.activity_kind is None and not content.extensions and dok is None:
            return None
        return encode_json(Private(content.activity_name, content.activity_kind, content.extensions, dok))


class Park(msgspec.Struct, frozen=True):
    """
    Why a piece has to wait, and what would let it flow.

    `awaits` is a competency, by id or identifier; `awaits_entry` an id that the alignment map has to name, or name anew:
    the map was asked in its version `seen`.
    """

    reason: Literal["unknown_competency", "retired_competency", "unaligned"]
    pointer: str
    awaits: str | None
    awaits_entry: str | None = None
    seen: int = 0

    @property
    def detail(self) -> str:
        """What it waits for, in words."""
        if self.reason == "unaligned":
            return f"no alignment names a competency for {self.awaits_entry}"
        if self.reason == "retired_competency":
            return f"{self.awaits} is retired: the framework version in force does not have it"
        return f"no framework has {self.awaits}"


class Submission(msgspec.Struct, frozen=True, gc=False):
    """
    A command that is ready to be decided: identified, or to be parked.

    `draft` is the event of the common case (valid, changes nothing else), encoded ahead of the transaction. `learner`
    and `draft` are None for retractions and for pieces to be parked.
    """

    command: RecordEvidence
    learner: str | None
    shard: int
    draft: Draft | None
    received_at: datetime.datetime
    park: Park | None = None
    alignment: Alignment | None = None
    """What the alignment map says, where it was asked and knew."""

    moves: int = 0
    """How often identities of the tenant had moved when the learner was looked up."""

    @property
    def competencies(self) -> tuple[str, ...]:
        """The competencies that the piece counts for."""
        return self.command.content.competencies if self.alignment is None else self.alignment.competencies

    @property
    def map_seen(self) -> int | None:
        """The version of the alignment map that this rests on; None where it was not asked."""
        if self.alignment is not None:
            return self.alignment.seen
        return self.park.seen if self.park is not None and self.park.awaits_entry is not None else None


@functools.lru_cache(maxsize=4096)
def _hasher(tenant: str, source: str) -> Any:
    return hashlib.sha1(NAMESPACE.bytes + f"{tenant}\x1f{source}\x1f".encode(), usedforsecurity=False)


def evidence_id(tenant: str, source: str, id: str) -> str:
    """Return `stable_id(tenant, source, id)`, at a third of its cost: the hash of tenant and source is kept."""
    hasher = _hasher(tenant, source).copy()
    hasher.update(id.encode())
    return uuid5_text(hasher.hexdigest())


def command(
    tenant: str, content: Evidence, original: bytes | None = None, *, encoded: bytes | None = None
) -> RecordEvidence:
    """
    Return the command for validated content, with its id and its fingerprint.

    `original` is native, if given; `encoded` is the encoding of the content, where there is one already.
    """
    if encoded is None:
        encoded = encode_json(content)
    digest = hashlib.sha256(encoded).digest()
    id = evidence_id(tenant, content.source, content.id)
    if original is None:
        return RecordEvidence(tenant, id, digest, content, encoded, CONTENT)
    return RecordEvidence(tenant, id, digest, content, original)


_decode_content = msgspec.json.Decoder(Evidence).decode


def restored(raw: bytes, tenant: str, _: datetime.datetime) -> RecordEvidence:
    """Return the command of the form `CONTENT`, as `command` made it."""
    return command(tenant, _decode_content(raw))
