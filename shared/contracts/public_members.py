"""What the data of public events is made of: who, about what, caused by what, and on what it rests; and what all have."""

from typing import Literal

import msgspec


class Ref(msgspec.Struct, frozen=True):
    """What the receiver itself calls a learner."""

    source: str
    id: str


class Learner(msgspec.Struct, frozen=True):
    """Who it is about."""

    id: str
    refs: tuple[Ref, ...] = ()


class Placement(msgspec.Struct, frozen=True):
    """Where the roster places the learner when it is delivered; `session` is the one that began last."""

    school: str | None = None
    classes: tuple[str, ...] = ()
    session: str | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What it is about: a competency, or a level (`<framework>#<subject>/<level>`) of a framework version."""

    kind: Literal["competency", "level"]
    id: str
    framework: str
    framework_version: str | None = None
    code: str | None = None
    title: str = ""
    subject: str | None = None
    ordinal: int | None = None
    power: bool = False
    external: tuple[dict[str, str], ...] = ()


class Cause(msgspec.Struct, frozen=True):
    """The input that caused it."""

    kind: Literal[
        "evidence", "retraction", "correction", "decision", "clock", "policy", "framework", "setting", "identity"
    ]
    id: str


class By(msgspec.Struct, frozen=True):
    """A person, as the role decided in and the subject of the token."""

    role: str
    ref: str


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What it rests on; at most 20 evidence ids, and a digest over them."""

    kind: Literal[
        "evidence", "sign_off", "override", "transfer", "test_out", "substitution", "placement", "policy", "identity"
    ]
    by: By | None = None
    pieces: int = 0
    occasions: int = 0
    first_at: str | None = None
    last_at: str | None = None
    evidence_ids: tuple[str, ...] = ()
    digest: str | None = None


class Policy(msgspec.Struct, frozen=True):
    """The policy version it was decided by."""

    id: str
    version: str
    hash: str


class Reason(msgspec.Struct, frozen=True):
    """Why, as a code and in words."""

    code: str
    text: str


class PublicEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    What every event has. `seq` rises per learner and scope, so that a late delivery can be dropped; `effective_at` is when it was
    shown, `decided_at` when it was decided. `batch` names the recalculation that it is part of; `replaces` is the id of the
    event that it takes the place of. `episode` counts, from 1, the times that a scope comes onto the record: one ends when it is
    withdrawn, and goes on when that is reinstated. `placement` is filled on delivery, where a roster knows it.
    """

    learner: Learner
    scope: Scope
    seq: int
    effective_at: str
    decided_at: str
    cause: Cause
    reason: Reason
    mode: Literal["live", "shadow"] = "live"
    batch: str | None = None
    replaces: str | None = None
    episode: int = 1
    placement: Placement | None = None
