"""What answers about pieces of evidence look like: where they stand, what is kept of others, and what they are evidence of."""

import datetime
from typing import Annotated, Any, Literal

import msgspec

from services.evidence.domain.alignment import Target
from services.evidence.domain.completeness import Source
from services.evidence.handlers.taking_back import Standing


class _Piece(msgspec.Struct):
    evidence_id: str
    source: str
    id: Annotated[str, msgspec.Meta(description="null once its learner is erased")] | None
    learner: str | None
    state: Literal["parked", "accepted", "erased"]
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
