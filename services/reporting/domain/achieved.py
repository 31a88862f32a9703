"""
What a learner has achieved, by the public events: what was shown, credited or signed off, and still stands.

An achievement is one event, and its id names it for good. Newer evidence, a clock or a stricter rule takes nothing from it;
a withdrawal does, and its undoing gives it back.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.told import Person, Reason

CREDITED = "competency.credited"
SHOWS = ("competency.mastered", CREDITED, "level.advanced")
TAKES = ("competency.withdrawn", "level.withdrawn")
GIVES_BACK = ("competency.reinstated", "level.reinstated")
KINDS = (*SHOWS, *TAKES, *GIVES_BACK)
"""The kinds of events that say what is achieved."""


class Event(NamedTuple):
    """An event on a learner's competency or level, of one of `KINDS`; `data` may be left out where it gives nothing back."""

    learner: str
    scope: str
    id: str
    kind: str
    effective_at: str
    data: bytes


class Basis(msgspec.Struct, frozen=True):
    """What an achievement rests on; see `shared.contracts.public_members.Basis`."""

    kind: str = "evidence"
    by: Person | None = None
    pieces: int = 0
    occasions: int = 0
    first_at: str | None = None
    last_at: str | None = None
    evidence_ids: tuple[str, ...] = ()
    digest: str | None = None


class _Policy(msgspec.Struct, frozen=True):
    id: str
    hash: str


class _Scope(msgspec.Struct, frozen=True):
    framework: str
    code: str | None = None
    title: str = ""
    subject: str | None = None


class _Data(msgspec.Struct, frozen=True):
    scope: _Scope
    basis: Basis = Basis()
    policy: _Policy | None = None
    reason: Reason = Reason()
    provenance: str = ""


class Achieved(NamedTuple):
    """
    An achievement that stands: `id` is that of the event that told it, `told_for` the date that it had there, and `shown_at` when
    it was shown by what is known now, which late evidence dates anew.
    """

    id: str
    kind: str
    scope: str
    framework: str
    code: str
    title: str
    subject: str | None
    shown_at: str
    told_for: str
    basis: Basis
    policy: tuple[str, str] | None
    """Id and content hash of the policy that decided it."""
    reason: str
    provenance: str


class _Back(msgspec.Struct, frozen=True):
    original: str | None = None


_decode = msgspec.json.Decoder(_Data).decode
_decode_back = msgspec.json.Decoder(_Back).decode


def standing(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    """
    Return what stands by (learner, scope), the latest last; events come in the order of each learner's log.

    What was withdrawn and shown anew is another achievement: the earlier one does not come back. Credit only stands in for
    what was withdrawn. A reinstatement gives back what it names as its original, else all that was withdrawn last.
    """
    held: dict[tuple[str, str], list[Event]] = {}
    taken: dict[tuple[str, str], list[list[Event]]] = {}
    originals: dict[str, str] = {}
    for event in events:
        key = event.learner, event.scope
        if event.kind in SHOWS:
            held.setdefault(key, []).append(event)
            if event.kind != CREDITED:
                taken.pop(key, None)
        elif event.kind in TAKES:
            taken.setdefault(key, []).append(held.pop(key, []))
        elif event.kind in GIVES_BACK and key in taken:
            named = _decode_back(event.data or b"{}").original or ""
            # What was reinstated before is named by the event that did that.
            original = originals[event.id] = originals.get(named, named)
            back = [each for group in taken[key] for each in group if each.id == original] or taken[key][-1]
            taken[key] = [[each for each in group if each not in back] for group in taken[key]]
            held[key] = [*held.get(key, ()), *back]
    return held


def fallen(events: Iterable[Event]) -> set[str]:
    """Return the ids of the events that do not stand, or not any more; events come in the order of each learner's log."""
    known = list(events)
    return {event.id for event in known} - {event.id for held in standing(known).values() for event in held}


def achieved(events: Iterable[Event], shown_at: Mapping[str, str | None]) -> list[Achieved]:
    """
    Return what one learner has achieved, the latest of each scope, in the order in which it was shown.

    `shown_at` says of competencies when they were shown as the record has it: no event tells that a date alone is another.
    """
    latest = [events[-1] for events in standing(events).values()]
    found = [_achieved(event, shown_at.get(event.scope) or event.effective_at) for event in latest]
    return sorted(found, key=lambda one: (one.shown_at, one.scope))


def _achieved(event: Event, shown_at: str) -> Achieved:
    data = _decode(event.data)
    code = data.scope.code or event.scope.rpartition("/" if "#" in event.scope else ":")[2]
    return Achieved(
        id=event.id, kind=event.kind, scope=event.scope, framework=data.scope.framework, code=code,
        title=data.scope.title or code, subject=data.scope.subject, shown_at=shown_at, told_for=event.effective_at,
        basis=data.basis, policy=(data.policy.id, data.policy.hash) if data.policy is not None else None, reason=data.reason.text,
        provenance=data.provenance,
    )  # fmt: skip
