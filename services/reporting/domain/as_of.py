"""
A learner's states at an instant in the past, by the public events that had been told by then.

An event says what status came of it, so the last one on a competency is its status; of what no event had told, such as
evidence that was not yet enough, the record as of then says nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from services.reporting.domain.achieved import GIVES_BACK, SHOWS, TAKES, Basis
from services.reporting.domain.standing import on_record
from services.reporting.domain.told import Reason
from shared.contracts.internal_events import MasteryUpdated, PolicyRef, Status


class Event(NamedTuple):
    """A row of the log of what happened."""

    scope: str
    kind: str
    framework: str
    seq: int
    effective_at: str
    data: bytes


class _Policy(msgspec.Struct, frozen=True):
    id: str
    version: str


class _Data(msgspec.Struct, frozen=True):
    after: Status | None = None
    basis: Basis = Basis()
    policy: _Policy | None = None
    reason: Reason = Reason()


_decode = msgspec.json.Decoder(_Data).decode


def states_at(learner: str, events: Iterable[Event]) -> list[MasteryUpdated]:
    """Return the states after these events, which come in the order of the learner's log; scores are not told in events."""
    states: dict[str, MasteryUpdated] = {}
    for event in events:
        data = _decode(event.data)
        if data.after is not None:
            before = states.get(event.scope)
            states[event.scope] = _state(learner, event, data, before.mastered_at if before is not None else None)
    return list(states.values())


def _state(learner: str, event: Event, data: _Data, shown_before: str | None) -> MasteryUpdated:
    """
    Return the state that an event leaves. What is set by hand keeps since when it was shown, unless it is held and so taken off
    the record; credit was not shown.
    """
    status = data.after or "no_evidence"
    shown_at = event.effective_at if event.kind in (*SHOWS, *GIVES_BACK) or status != "overridden" else shown_before
    if event.kind in TAKES:
        shown_at = None
    basis = data.basis
    return MasteryUpdated(
        learner=learner, competency=event.scope, framework=event.framework, status=status, score=None,
        evidence_count=basis.pieces, last_evidence_at=basis.last_at,
        mastered_at=shown_at if status != "credited" and on_record(status, shown_at) else None,
        policy=PolicyRef(data.policy.id, data.policy.version) if data.policy is not None else None, missing=(),
        seq=event.seq, why=data.reason.text, basis=basis.evidence_ids, first_evidence_at=basis.first_at,
    )  # fmt: skip
