"""The events that tell of evidence, and of who its learners are, each for the shard that it is appended to."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.evidence.domain.alignment import Alignment
from services.evidence.domain.evidence import Evidence, RecordEvidence
from shared.contracts.internal_events import (
    EVIDENCE_RECORDED,
    EVIDENCE_RETRACTED,
    IDENTITY_ERASED,
    IDENTITY_MERGED,
    IDENTITY_UNMERGED,
    Aligned,
    EvidenceRecorded,
    EvidenceRetracted,
    IdentityErased,
    IdentityMerged,
    Touched,
)
from shared.events import Draft, encode_json, envelope
from shared.shards import stable_id

LEARNER_ASSESSOR = "urn:attain:assessor:"
"""How events call learners who assess; a piece that is sent on, as where it is moved, has it already."""
Identity = Literal["decided", "undone"]
"""Whether learners are told to be the same, or not, for the first time, or that takes back what was decided of them."""


def recorded(
    command: RecordEvidence,
    learner: str,
    shard: int,
    time: str,
    *,
    alignment: Alignment | None = None,
    valid: bool = True,
    invalidates: Sequence[Touched] = (),
    revalidates: Sequence[Touched] = (),
) -> Draft:
    """Return the event that a piece was recorded, for its learner's shard."""
    content = command.content
    assert content.score is not None
    competencies, dok = content.competencies, content.dok
    targets: tuple[Aligned, ...] = ()
    if alignment is not None:
        competencies, dok, targets = alignment.competencies, alignment.dok(content.dok), alignment.targets
    data = EvidenceRecorded(
        command.evidence_id, content.source, content.id, learner, competencies, content.occurred_at,
        content.score, content.attempt, content.kind, content.activity, content.items, content.assisted,
        content.accommodations, dok, _assessor(content, command.tenant), content.assessor_type, valid,
        tuple(invalidates), tuple(revalidates), targets,
    )  # fmt: skip
    return _told(data, command.tenant, shard, time)


def _assessor(content: Evidence, tenant: str) -> str | None:
    """Return who assessed; of a learner, by whom another's evidence is to name nobody, what tells assessors apart alone."""
    named = content.assessor
    if named is None or content.assessor_type not in ("peer", "self") or named.startswith(LEARNER_ASSESSOR):
        return named
    return f"{LEARNER_ASSESSOR}{stable_id(tenant, content.source, named, 'assessor')}"


def realigned(
    told: EvidenceRecorded, own_dok: int | None, tenant: str, shard: int, time: str, to: Alignment
) -> tuple[str, Draft]:
    """
    Return the event that records a piece anew, as `told` but by another alignment, in the place of `told`; and its id.

    The id is a function of the piece's history, so that telling it again is the same event.
    """
    anew = stable_id(tenant, told.source, told.id, "alignment", told.evidence_id, str(to.seen))
    before = (Touched(told.evidence_id, told.competencies),) if told.valid else ()
    data = msgspec.structs.replace(
        told, evidence_id=anew, competencies=to.competencies, dok=to.dok(own_dok), invalidates=before, revalidates=(),
        alignment=to.targets,
    )  # fmt: skip
    return anew, _told(data, tenant, shard, time, cause=told.evidence_id)


def moved_in(told: EvidenceRecorded, tenant: str, learner: str, shard: int, time: str, by: str) -> tuple[str, Draft]:
    """
    Return the event that records a piece, as `told`, for another learner; and its id, by which `by` moved it.

    It does not count until `changed_hands` says so: by pieces that count one after the other, some show what all do not.
    """
    anew = stable_id(tenant, told.source, told.id, "moved", told.evidence_id, by)
    data = msgspec.structs.replace(
        told, evidence_id=anew, learner=learner, valid=False, invalidates=(), revalidates=()
    )  # fmt: skip
    return anew, _told(data, tenant, shard, time, cause=told.evidence_id)


def changed_hands(
    tenant: str, learner: str, shard: int, time: str, by: str, identity: Identity, *,
    gone: Sequence[Touched] = (), come: Sequence[Touched] = (),
) -> Draft:  # fmt: skip
    """Return the event by which pieces count no more for a learner, being another's, or count since they came from another."""
    event = EvidenceRetracted(learner, by, "retracts", tuple(gone), tuple(come), identity)
    return retracted(tenant, shard, time, event)


def merged(tenant: str, shard: int, time: str, event: IdentityMerged, *, undone: bool) -> Draft:
    """Return the event that a learner was merged into another, or that this was undone, for the learner's shard."""
    type = IDENTITY_UNMERGED if undone else IDENTITY_MERGED
    body = envelope(
        id=stable_id(event.merge, type), source="evidence", type=type, tenant=tenant, subject=event.learner, time=time,
        data=encode_json(event),
    )  # fmt: skip
    return Draft(shard, tenant, event.learner, body)


def erased(tenant: str, learner: str, shard: int, time: str, certificate: str) -> Draft:
    """Return the event that a learner is forgotten, for the learner's shard."""
    body = envelope(
        id=stable_id(tenant, learner, IDENTITY_ERASED), source="evidence", type=IDENTITY_ERASED, tenant=tenant,
        subject=learner, time=time, data=encode_json(IdentityErased(learner, certificate)),
    )  # fmt: skip
    return Draft(shard, tenant, learner, body)


def _told(data: EvidenceRecorded, tenant: str, shard: int, time: str, cause: str = "") -> Draft:
    body = envelope(
        id=data.evidence_id, source="evidence", type=EVIDENCE_RECORDED, tenant=tenant, subject=data.learner, time=time,
        data=encode_json(data), cause=cause,
    )  # fmt: skip
    return Draft(shard, tenant, data.learner, body)


def retracted(tenant: str, shard: int, time: str, event: EvidenceRetracted) -> Draft:
    """Return the event that pieces of a learner changed validity by an item that is not a new piece of that learner."""
    body = envelope(
        id=stable_id(event.by, event.learner, event.relation), source="evidence", type=EVIDENCE_RETRACTED,
        tenant=tenant, subject=event.learner, time=time, data=encode_json(event), cause=event.by,
    )  # fmt: skip
    return Draft(shard, tenant, event.learner, body)
