"""A piece of evidence as it is taken in, its identity and its fingerprint, and the events that tell of it."""

import datetime
import enum
import functools
import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from shared.contracts import (
    EVIDENCE_RECORDED,
    EVIDENCE_RETRACTED,
    EvidenceRecorded,
    EvidenceRetracted,
    Kind,
    Score,
    Touched,
)
from shared.events import Draft, encode_json, envelope
from shared.shards import NAMESPACE, stable_id, uuid5_text

Relation = Literal["supersedes", "retracts"]
ItemStatus = Literal["accepted", "duplicate", "corrected", "parked", "rejected"]


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


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept with the evidence and never goes into an event: free text may name people."""

    activity_name: str | None = None
    activity_kind: str | None = None
    extensions: dict[str, Any] | None = None


class RecordEvidence(msgspec.Struct, frozen=True, gc=False):
    """The command to take in one item; with `retracts` it only withdraws another, and its own score is not evidence."""

    tenant: str
    evidence_id: str
    digest: bytes
    content: Evidence
    original: bytes

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
        if content.activity_name is None and content.activity_kind is None and not content.extensions:
            return None
        return encode_json(Private(content.activity_name, content.activity_kind, content.extensions))


class Park(msgspec.Struct, frozen=True):
    """Why a piece has to wait; `awaits` is the competency that would let it flow, where there is one."""

    reason: Literal["unknown_competency", "retired_competency", "unaligned"]
    pointer: str
    awaits: str | None

    @property
    def detail(self) -> str:
        """What it waits for, in words."""
        if self.awaits is None:
            return "no alignment names a competency for the activity"
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


@functools.lru_cache(maxsize=4096)
def _hasher(tenant: str, source: str) -> Any:
    return hashlib.sha1(NAMESPACE.bytes + f"{tenant}\x1f{source}\x1f".encode(), usedforsecurity=False)


def evidence_id(tenant: str, source: str, id: str) -> str:
    """Return `stable_id(tenant, source, id)`, at a third of its cost: the hash of tenant and source is kept."""
    hasher = _hasher(tenant, source).copy()
    hasher.update(id.encode())
    return uuid5_text(hasher.hexdigest())


def command(tenant: str, content: Evidence, original: bytes) -> RecordEvidence:
    """Return the command for validated content, with its id and its fingerprint."""
    digest = hashlib.sha256(encode_json(content)).digest()
    return RecordEvidence(tenant, evidence_id(tenant, content.source, content.id), digest, content, original)


def recorded(
    command: RecordEvidence,
    learner: str,
    shard: int,
    time: str,
    *,
    valid: bool = True,
    invalidates: Sequence[Touched] = (),
    revalidates: Sequence[Touched] = (),
) -> Draft:
    """Return the event that a piece was recorded, for its learner's shard."""
    content = command.content
    assert content.score is not None
    data = EvidenceRecorded(
        command.evidence_id, content.source, content.id, learner, content.competencies, content.occurred_at,
        content.score, content.attempt, content.kind, content.activity, content.items, content.assisted,
        content.accommodations, content.dok, content.assessor, content.assessor_type, valid,
        tuple(invalidates), tuple(revalidates),
    )  # fmt: skip
    body = envelope(
        id=command.evidence_id, source="evidence", type=EVIDENCE_RECORDED, tenant=command.tenant,
        subject=learner, time=time, data=encode_json(data),
    )  # fmt: skip
    return Draft(shard, command.tenant, learner, body)


def retracted(tenant: str, shard: int, time: str, event: EvidenceRetracted) -> Draft:
    """Return the event that pieces of a learner changed validity by an item that is not a new piece of that learner."""
    body = envelope(
        id=stable_id(event.by, event.learner, event.relation), source="evidence", type=EVIDENCE_RETRACTED,
        tenant=tenant, subject=event.learner, time=time, data=encode_json(event), cause=event.by,
    )  # fmt: skip
    return Draft(shard, tenant, event.learner, body)
