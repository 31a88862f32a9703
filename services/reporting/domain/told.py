"""The public events as reporting reads them: tolerant of members it does not use; `PREFIX` + kind + `.v1` is a type."""

import msgspec

PREFIX = "attain."
SUFFIX = ".v1"
_KINDS = ("competency.", "level.", "goal.")


class Learner(msgspec.Struct, frozen=True, gc=False):
    """Whom an event is about."""

    id: str


class Scope(msgspec.Struct, frozen=True, gc=False):
    """What an event is about: a competency, or a level `<framework>#<subject>/<level>`."""

    kind: str
    id: str
    framework: str
    title: str | None = None
    subject: str | None = None


class Person(msgspec.Struct, frozen=True, gc=False):
    """Who decided something."""

    role: str = ""
    ref: str = ""


class _By(msgspec.Struct, frozen=True, gc=False):
    """Of an override, or of what something rests on, who decided it."""

    by: Person | None = None


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why something happened, in words."""

    text: str = ""


class Told(msgspec.Struct, frozen=True, gc=False):
    """The data of a public event, as far as a read model uses it; instants are those of `shared.events.utc`."""

    learner: Learner
    scope: Scope
    decided_at: str
    seq: int = 0
    effective_at: str | None = None
    after: str | None = None
    reason: Reason | None = None
    confirms_by: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    levels_affected: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    approver_roles: tuple[str, ...] = ()
    owner: str | None = None
    why: str | None = None
    smallest_check: str | None = None
    waiting_since: str | None = None
    due_by: str | None = None
    decide_by: str | None = None
    escalate_at: str | None = None
    review_at: str | None = None
    decided_by: Person | None = None
    by: Person | None = None
    override: _By | None = None
    basis: _By | None = None


def kind_of(type: str) -> str | None:
    """Return the kind of a public event on a learner's competency, level or goal, such as `level.ready`; else None."""
    kind = type.removeprefix(PREFIX).removesuffix(SUFFIX)
    return kind if type.endswith(SUFFIX) and kind.startswith(_KINDS) else None
