"""What happened to learners, as a list that a person reads: the latest first."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from services.reporting.domain.needs import level_title
from services.reporting.domain.told import Told

_decode = msgspec.json.Decoder(Told).decode


class Row(NamedTuple):
    """A row of the advancement log."""

    learner: str
    position: int
    id: str
    kind: str
    scope_kind: str
    scope: str
    framework: str
    seq: int
    effective_at: str
    decided_at: str
    data: bytes


class Happened(msgspec.Struct, frozen=True):
    """
    One thing that happened: `kind` is the event type without prefix and version; `reason` is in plain words.

    `by` is the subject of who decided it, None where the evidence did.
    """

    id: str
    learner: str
    kind: str
    scope: str
    title: str | None
    effective_at: str
    decided_at: str
    reason: str
    seq: int
    by: str | None = None


def events_of(rows: Iterable[Row], titles: Mapping[str, str]) -> list[Happened]:
    """Return rows as they are told; `titles` are those of competencies by full id."""
    return [_event(row, titles) for row in rows]


def _event(row: Row, titles: Mapping[str, str]) -> Happened:
    told = _decode(row.data)
    return Happened(
        id=row.id, learner=row.learner, kind=row.kind, scope=row.scope,
        title=titles.get(row.scope) or level_title(row.scope) or told.scope.title, effective_at=row.effective_at,
        decided_at=row.decided_at, reason=told.reason.text if told.reason is not None else "", seq=row.seq,
        by=_decided_by(told),
    )  # fmt: skip


def _decided_by(told: Told) -> str | None:
    person = told.decided_by or told.by or (told.basis.by if told.basis is not None else None)
    return (person.ref or None) if person is not None else None
