"""What the answer about everything that is held of a learner looks like."""

import datetime
from typing import Any

import msgspec


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
    """
    Everything that this service holds of a learner; `roster` are the facts as the roster's events tell them.

    `learner` is empty of somebody who is no learner yet.
    """

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
