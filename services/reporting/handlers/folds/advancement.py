"""The fold of the log `advancement`: what happened to every learner, and what waits for somebody."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from services.reporting.domain.achieved import Event, fallen
from services.reporting.domain.told import Told, kind_of
from services.reporting.domain.waiting import Entry, waits
from services.reporting.handlers.folds.base import Fold, in_turns, set_aside
from services.reporting.tables.advancement import WaitingKey, save_waiting
from services.reporting.tables.credentials import forget_holders, withdrawn_events
from services.reporting.tables.reads import Snapshot
from services.reporting.tables.writes import Unfolded, forget, upsert
from shared.contracts.public_events import (
    ERASED,
    MERGED,
    SNAPSHOT_AMENDED,
    SNAPSHOT_CLOSED,
    UNMERGED,
    Identified,
    SnapshotAmended,
    SnapshotClosed,
)
from shared.database import Connection
from shared.events import Envelope
from shared.handling import Settle, ShardBatch, Write

_decode = msgspec.json.Decoder(Told).decode
_decode_closed = msgspec.json.Decoder(SnapshotClosed).decode
_decode_identified = msgspec.json.Decoder(Identified).decode
_decode_amended = msgspec.json.Decoder(SnapshotAmended).decode


class AdvancementFold(Fold):
    """
    Folds the public events: a row each into the advancement log, and the last word on each entry of a queue; those on terms
    into tables of their own, and into whom a learner is merged.
    """

    model = "advancement"
    edition = 3

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        rows: list[tuple[Any, ...]] = []
        waiting: dict[WaitingKey, list[tuple[str, Entry | None]]] = {}
        unfolded: list[Unfolded] = []
        erased: set[tuple[str, str]] = set()
        snapshots: list[tuple[Any, ...]] = []
        amendments: list[tuple[Any, ...]] = []
        merged: dict[tuple[str, str], str | None] = {}
        for batch in batches:
            async for some in in_turns(batch.events):
                for event in some:
                    kind = kind_of(event.type)
                    if event.type == ERASED:
                        erased.add((event.tenant, event.subject))
                    try:
                        if event.type == SNAPSHOT_CLOSED:
                            snapshots.append(_snapshot(event))
                        elif event.type == SNAPSHOT_AMENDED:
                            amendments.append(_amendment(event))
                        elif event.type in (MERGED, UNMERGED):
                            into = _decode_identified(event.data).into
                            merged[event.tenant, event.subject] = into if event.type == MERGED else None
                        if kind is None:
                            continue
                        told = _decode(event.data)
                    except msgspec.DecodeError as error:
                        unfolded.append(set_aside(event, error))
                        continue
                    rows.append(_row(event, kind, told))
                    for scope, queue, entry in waits(kind, told):
                        key = (event.tenant, told.learner.id, scope, queue)
                        waiting.setdefault(key, []).append((told.decided_at, entry))
        for each in (rows, snapshots, amendments):
            each.sort()

        async def write(connection: Connection) -> None:
            await upsert(connection, "advancement", self.version, rows)
            await upsert(connection, "term_snapshot", self.version, snapshots)
            await upsert(connection, "term_amendment", self.version, amendments)
            await upsert(connection, "merged", self.version, [(*key, merged[key]) for key in sorted(merged)])
            await save_waiting(connection, self.version, waiting)
            await self._forget_holders(connection, erased)
            await forget(connection, self.model, erased)
            await self._keep_aside(connection, unfolded)

        return write

    async def _forget_holders(self, connection: Connection, erased: Collection[tuple[str, str]]) -> None:
        """Note which credentials of who is erased are revoked, while the events that say so are still here."""
        view = Snapshot(connection, {self.model: self.version})
        for tenant, learner in sorted(erased):
            events = [Event(*row) for row in await withdrawn_events(view, tenant, [learner])]
            await forget_holders(connection, [(tenant, learner)], fallen(events))


def _row(event: Envelope, kind: str, told: Told) -> tuple[Any, ...]:
    scope = told.scope
    return (
        event.tenant, told.learner.id, event.position, event.id, kind, scope.kind, scope.id, scope.framework, told.seq,
        told.effective_at or told.decided_at, told.decided_at, bytes(event.data),
    )  # fmt: skip


def _snapshot(event: Envelope) -> tuple[Any, ...]:
    told = _decode_closed(event.data)
    return (event.tenant, told.learner.id, told.session, event.position, event.id, told.digest, told.standings)


def _amendment(event: Envelope) -> tuple[Any, ...]:
    told = _decode_amended(event.data)
    scope = told.scope
    return (
        event.tenant, told.learner.id, told.session, event.position, event.id, scope.kind, scope.id, scope.title or None,
        told.before, told.after, told.effective_at, told.decided_at, told.cause.kind, told.cause.id,
        # What a person wrote is all of an event that may have a NUL in a log, and no table can hold one.
        told.reason.text.replace("\0", "\ufffd"), told.digest,
    )  # fmt: skip
