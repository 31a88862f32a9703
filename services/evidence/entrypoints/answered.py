"""What answers look like of which no type of the domain is made."""

import datetime
from typing import Any, Literal

import msgspec

from services.evidence.domain.alignment import Target
from services.evidence.domain.completeness import Source
from services.evidence.handlers.taking_back import Standing


class _Piece(msgspec.Struct):
    evidence_id: str
    source: str
    id: str
    learner: str | None
    state: str
    kind: Literal["evidence", "retraction"]
    valid: bool
    position: str | None


class Piece(_Piece):
    """A piece of evidence: whether it counts, where it stands, and its content as its event tells it."""

    content: dict[str, Any]


class Parked(msgspec.Struct):
    """Why a piece waits, and for what."""

    reason: str
    pointer: str
    detail: str
    awaits: str | None


class StageReached(msgspec.Struct):
    """Whether a piece has come so far; `done` is None where the service does not answer."""

    stage: Literal["received", "accepted", "sent", "folded", "shown"]
    done: bool | None
    at: datetime.datetime | msgspec.UnsetType | None = msgspec.UNSET


class Traced(_Piece):
    """Where a piece is on its way, what it corrects, what voids it, and what it waits for."""

    received_at: datetime.datetime | None
    accepted_at: str | None
    supersedes: str | None
    retracts: str | None
    voided_by: list[str]
    parked: Parked | None
    stages: list[StageReached]


class Identity(msgspec.Struct):
    """What a source calls a learner."""

    source: str
    source_id: str


class LearnerId(msgspec.Struct):
    """A learner's opaque id."""

    learner: str


class Found(LearnerId):
    """A learner as one source knows the learner."""

    name: str | None
    source: str
    source_id: str


class Named(LearnerId):
    """A learner's name and source ids."""

    name: str | None
    identities: list[Identity]


class Key(msgspec.Struct):
    """An API key, without what is secret of it."""

    key_id: str
    name: str
    source: str
    scopes: list[str]
    created_at: datetime.datetime
    expires_at: datetime.datetime | None
    revoked_at: datetime.datetime | None


class GivenKey(Key):
    """An API key, shown this once."""

    key: str


class ClassOfRoster(msgspec.Struct):
    """A class as its source tells of it."""

    class_: str = msgspec.field(name="class")
    title: str
    school: str | None
    subject: str | None
    source: str


class Classes(msgspec.Struct):
    """A page of classes; `next` is the next `after`."""

    items: list[ClassOfRoster]
    next: str


class Kept(msgspec.Struct):
    """What is kept of what cannot be used, or not yet."""

    quarantine_id: str
    status: Literal["quarantined", "parked", "redriven", "released"]
    source: str | None
    id: str | None
    reason: str
    pointer: str
    detail: str
    awaits: str | None
    awaits_entry: str | None
    way: str
    form: str
    attempts: int
    received_at: datetime.datetime
    evidence_id: str | None


class KeptPage(msgspec.Struct):
    """A page of what is kept; `next` is the next `after`."""

    items: list[Kept]
    next: int


class KeptWhole(Kept):
    """What is kept, with its bytes in base64, and as text where they are UTF-8."""

    original: str
    text: str | None


class Reasons(msgspec.Struct):
    """The reason codes of intake, with their meaning."""

    refused: dict[str, str]
    waiting: dict[str, str]
    acknowledged: dict[str, str]


class TargetSet(Target, frozen=True):
    """A competency that an entry names, with what it was given and what it was not."""


class Aligned(msgspec.Struct):
    """A version of an entry of the alignment map."""

    id: str
    source: str
    kind: str | None
    effective_from: str
    version: int
    origin: str
    published_by: str
    published_at: datetime.datetime
    applied: bool
    competencies: list[TargetSet]


class AlignedPage(msgspec.Struct):
    """A page of the alignment map; `next` is the next `after`."""

    items: list[Aligned]
    next: str


class Noticed(msgspec.Struct):
    """Who did what of which a tenant is told, and to whom or what; `no` rises."""

    no: int
    at: datetime.datetime
    person: str
    act: str
    target: str


class AccessLog(msgspec.Struct):
    """A page of the access log; `next` is the next `after`."""

    items: list[Noticed]
    next: int


class StaffName(msgspec.Struct):
    """What a person of the staff is called."""

    person: str
    name: str


class StaffPage(msgspec.Struct):
    """A page of names of staff; `next` is the next `after`."""

    items: list[StaffName]
    next: str


class IdentityLine(Identity):
    """Which learner it is that a source of a tenant calls so."""

    tenant: str
    learner: str


class MemberOf(msgspec.Struct):
    """The value that a learner has in a group."""

    learner: str
    group: str
    value: str


class Members(msgspec.Struct):
    """A page of group memberships; `next` is the next `after`."""

    items: list[MemberOf]
    next: str


class Placed(msgspec.Struct):
    """Where the roster places a learner."""

    school: str | None
    classes: list[str]
    session: str | None


class Reference(msgspec.Struct):
    """A source's own ids of a learner, and where the roster places the learner."""

    ids: list[str]
    placement: Placed | None


class Uncovered(msgspec.Struct):
    """A piece that counts again, as events tell of it."""

    learner: str
    evidence_id: str
    competencies: list[str]


class Beneath(msgspec.Struct):
    """How a piece stands, and what counts again once it is taken back."""

    standing: Standing
    uncovers: Uncovered | None


class Noted(msgspec.Struct):
    """How many activities are noted."""

    noted: int


class Discarded(msgspec.Struct):
    """How many pieces are deleted."""

    deleted: int


class Counted(msgspec.Struct):
    """How many distinct statements there were, and how many came to what."""

    statements: int
    outcomes: dict[str, int]


class About(msgspec.Struct):
    """The versions of the specification that are understood."""

    version: list[str]


class HeldName(msgspec.Struct):
    """What a source calls a learner."""

    source: str
    source_id: str
    name: str | None


class HeldPiece(msgspec.Struct):
    """A piece of evidence with its event, and what is kept of it outside of events."""

    evidence_id: str
    source: str
    id: str | None
    valid: bool
    relation: str | None
    target: str | None
    received_at: datetime.datetime | None
    private: Any
    body: Any


class HeldBack(msgspec.Struct):
    """What waits or was refused, with its text as it came."""

    quarantine_id: str
    status: str
    source: str | None
    id: str | None
    reason: str
    pointer: str
    detail: str
    received_at: datetime.datetime
    form: str
    original: str


class HeldStatement(msgspec.Struct):
    """A statement of xAPI."""

    source: str
    received_at: datetime.datetime
    body: Any


class HeldEvent(msgspec.Struct):
    """An event that is no evidence and names the learner."""

    event_key: str
    source: str
    form: str
    reason: str
    received_at: datetime.datetime
    body: Any


class HeldWork(msgspec.Struct):
    """Handed-in work, and whether it waits for a grade."""

    source: str
    activity: str
    at: str
    waits: bool


class HeldMerge(msgspec.Struct):
    """A merge of the learner with another."""

    merge_id: str
    merged: str
    kept: str
    reason: str
    merged_by: str
    merged_at: datetime.datetime
    undone_by: str | None
    undone_at: datetime.datetime | None


class HeldGroup(msgspec.Struct):
    """A group that the learner is in."""

    group: str
    value: str


class Holdings(msgspec.Struct):
    """Everything that this service holds of a learner; `roster` are the facts as the roster's events tell them."""

    learner: str
    identities: list[HeldName]
    evidence: list[HeldPiece]
    kept: list[HeldBack]
    statements: list[HeldStatement]
    events: list[HeldEvent]
    handed_in: list[HeldWork]
    merges: list[HeldMerge]
    roster: list[dict[str, Any]]
    groups: list[HeldGroup]


class Unaligned(msgspec.Struct):
    """An activity that no entry names, and how much waits for one."""

    source: str
    activity: str
    parked: int
    handed_in: int


class Sources(msgspec.Struct):
    """A page of sources; `next` is the next `after`, `school_days` says which days count."""

    today: datetime.date
    days: int
    school_days: str
    items: list[Source]
    next: str | None
