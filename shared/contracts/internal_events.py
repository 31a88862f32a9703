"""
The data of the events between the services: these names are the wire format, version with care.

Those of a log of their own stand beside, in `roster_events`, `public_events` and `support_events`.
Writers fill all members; readers ignore members they do not know. Instants are text in the form of `shared.events.utc`,
which sorts. Learners are opaque ids; names, e-mail and source ids of learners never appear here.
"""

from typing import Literal, get_args

import msgspec

from shared.contracts.handed_in import UNGRADED, WorkUngraded
from shared.contracts.roster_events import ROSTER_EVENTS

EVIDENCE_RECORDED = "attain.evidence.recorded.v1"
EVIDENCE_RETRACTED = "attain.evidence.retracted.v1"
IDENTITY_MERGED = "attain.evidence.learner_merged.v1"
IDENTITY_UNMERGED = "attain.evidence.learner_unmerged.v1"
IDENTITY_ERASED = "attain.evidence.learner_erased.v1"
FRAMEWORK_PUBLISHED = "attain.framework.published.v1"
QUARANTINED = "attain.evidence.quarantined.v1"
MASTERY_UPDATED = "attain.mastery.updated.v1"
CHECKPOINT = "attain.progression.checkpoint.v1"

Kind = Literal["summative", "formative", "performance", "observation", "practice", "self"]
Status = Literal[
    "no_evidence", "insufficient_evidence", "not_yet", "provisional", "mastered", "credited", "presumed",
    "reverify_due", "overridden",
]  # fmt: skip
STATUSES: tuple[Status, ...] = get_args(Status)

WAIVED = "waived"
"""The level of a score that is none: its source gives credit instead, for the reason that the scale names."""


class Score(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was scored, as one of: `raw` with `max` (and `min`), `scaled` in -1..1, `level` on the named `scale`."""

    raw: float | None = None
    max: float | None = None
    min: float = 0.0
    scaled: float | None = None
    level: float | str | None = None
    scale: str | None = None


class Touched(msgspec.Struct, frozen=True, gc=False):
    """A piece of evidence whose validity an event changes, and the competencies it speaks to."""

    evidence_id: str
    competencies: tuple[str, ...]


Strength = Literal["full", "partial", "hint"]


class Aligned(msgspec.Struct, frozen=True, gc=False):
    """
    What the alignment map says of a piece and one competency: `weight` of the piece there, `dok` asked for there.

    A `hint` is told and never counts: it is not among the `competencies` of the piece.
    """

    competency: str
    weight: float = 1.0
    strength: Strength = "full"
    dok: int | None = None


class EvidenceRecorded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """
    A piece of evidence, validated and identified; the data of `EVIDENCE_RECORDED`.

    Pieces are ordered by (occurred_at, attempt, source, id). `valid` is False where something that came earlier
    retracts or supersedes this piece. `invalidates` and `revalidates` are pieces of the same learner, changed by this one
    at the same position. `alignment` is there where the alignment map, not the source, named the competencies; when the
    map changes the piece is recorded again, with another `evidence_id` and the same `source` and `id`. `assessor` is who
    assessed, as the source calls them; where that is a learner (peer, self) an id that only tells them apart.
    """

    evidence_id: str
    source: str
    id: str
    learner: str
    competencies: tuple[str, ...]
    occurred_at: str
    score: Score
    attempt: int = 1
    kind: Kind | None = None
    activity: str | None = None
    items: int | None = None
    assisted: bool = False
    accommodations: tuple[str, ...] = ()
    dok: int | None = None
    assessor: str | None = None
    assessor_type: str | None = None
    valid: bool = True
    invalidates: tuple[Touched, ...] = ()
    revalidates: tuple[Touched, ...] = ()
    alignment: tuple[Aligned, ...] = ()


class EvidenceRetracted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """
    Pieces of one learner that changed validity without a new piece for that learner; data of `EVIDENCE_RETRACTED`.

    `identity` is there where they are another's by now, or came from another, because learners were merged or unmerged: that
    is `decided`, or `undone` where it takes back what had been decided of the same two. `by` is of no item then.
    """

    learner: str
    by: str
    """The evidence id of the retracting item, or of another learner's that supersedes."""
    relation: Literal["retracts", "supersedes"]
    invalidates: tuple[Touched, ...] = ()
    revalidates: tuple[Touched, ...] = ()
    identity: Literal["", "decided", "undone"] = ""


class IdentityMerged(msgspec.Struct, frozen=True, gc=False):
    """`learner` turned out to be `into`, or not to be; data of `IDENTITY_MERGED` and `IDENTITY_UNMERGED`."""

    learner: str
    into: str
    merge: str


class IdentityErased(msgspec.Struct, frozen=True, gc=False):
    """The last event of a learner: whoever reads it deletes what it holds of the learner; data of `IDENTITY_ERASED`."""

    learner: str
    certificate: str


class Quarantined(msgspec.Struct, frozen=True):
    """What came in and can never be used as it is; data of `QUARANTINED`, subject = source where it could be read."""

    quarantine_id: str
    source: str
    reason: str
    pointer: str
    way: str


class Competency(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A competency of a framework; its full id is `<framework>:<code>`. `ordinal` is its place on the continuum.

    `identifier` is what its source knows it by (CASE); `grades` are the education levels that the source gives, of which
    `level` is one reading.
    """

    code: str
    title: str
    ordinal: int
    level: str | None = None
    subject: str | None = None
    parent: str | None = None
    dok: int | None = None
    power: bool = False
    identifier: str | None = None
    grades: tuple[str, ...] = ()


class Association(msgspec.Struct, frozen=True):
    """A directed edge between two codes of a framework; `prerequisite` means `origin` comes before `destination`."""

    origin: str
    destination: str
    type: str = "prerequisite"


class FrameworkPublished(msgspec.Struct, frozen=True):
    """
    One part of a framework version; data of `FRAMEWORK_PUBLISHED`, subject = framework id.

    Parts 1 .. `parts` follow each other in one shard; the version is current once its last part is folded, and
    competencies that it does not have are retired then. `retired` are codes that the source still lists, as ended.
    """

    framework: str
    version: str
    title: str
    part: int
    parts: int
    competencies: tuple[Competency, ...]
    associations: tuple[Association, ...]
    retired: tuple[str, ...] = ()


class PolicyRef(msgspec.Struct, frozen=True):
    """The policy a value was computed by; `version` is the start of its content hash."""

    id: str
    version: str


class Hold(msgspec.Struct, frozen=True):
    """By which role a competency is held since when, and the instant at which that ends by itself, where it does."""

    role: str
    since: str
    until: str | None


class MasteryUpdated(msgspec.Struct, frozen=True, gc=False):
    """
    The state of one (learner, competency) after a batch; data of `MASTERY_UPDATED`, subject = learner.

    Only a key's last state in a batch is sent; `seq` rises with every change of the standing. `why` says in plain words
    why the status is what it is; `basis` are the evidence ids under the crossing, at most 20. `counted` of the pieces count
    towards the verdict: practice, for one, may not; `first_evidence_at` is when the first of those was. `held` is there where a
    person says that it is not on the record for now.
    """

    learner: str
    competency: str
    framework: str
    status: Status
    score: float | None
    evidence_count: int
    last_evidence_at: str | None
    mastered_at: str | None
    policy: PolicyRef | None
    missing: tuple[str, ...]
    seq: int
    why: str
    basis: tuple[str, ...] = ()
    first_evidence_at: str | None = None
    counted: int = 0
    held: Hold | msgspec.UnsetType = msgspec.UNSET


class Checkpoint(msgspec.Struct, frozen=True):
    """
    The end of a committed batch of a shard; data of `CHECKPOINT`: everything up to these positions is told.

    `evidence` is the position of the evidence log, `decisions` that of the shard's inbox.
    """

    evidence: int
    evidence_generation: int
    decisions: int


EVENTS: dict[str, dict[str, type[msgspec.Struct]]] = {
    "evidence": {
        EVIDENCE_RECORDED: EvidenceRecorded,
        EVIDENCE_RETRACTED: EvidenceRetracted,
        UNGRADED: WorkUngraded,
        IDENTITY_MERGED: IdentityMerged,
        IDENTITY_UNMERGED: IdentityMerged,
        IDENTITY_ERASED: IdentityErased,
    },
    "progression": {MASTERY_UPDATED: MasteryUpdated, CHECKPOINT: Checkpoint, IDENTITY_ERASED: IdentityErased},
    "curriculum": {FRAMEWORK_PUBLISHED: FrameworkPublished},
    "roster": ROSTER_EVENTS | {IDENTITY_ERASED: IdentityErased},
}
"""The data of every event type by log, but for the public and the restricted ones."""
