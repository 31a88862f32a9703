"""The fold of the log `advancement`: what happened to every learner, and what waits for somebody."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.reporting.domain.told import ERASED, Told, kind_of
from services.reporting.domain.waiting import Entry, waits
from services.reporting.handlers.folds.base import Fold, in_turns, set_aside
from services.reporting.tables.advancement import WaitingKey, save_waiting
from services.reporting.tables.writes import Unfolded, forget, upsert_many
from shared.consumer import Settle, ShardBatch, Write
from shared.database import Connection
from shared.events import Envelope
from shared.public_events import SNAPSHOT_CLOSED, SnapshotClosed

_decode = msgspec.json.Decoder(Told).decode
_decode_closing = msgspec.json.Decoder(SnapshotClosed).decode


class AdvancementFold(Fold):
    """Folds the public events: a row each into the advancement log, and the last word on each entry of a queue."""

    model = "advancement"

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        rows: list[tuple[Any, ...]] = []
        waiting: dict[WaitingKey, list[tuple[str, Entry | None]]] = {}
        unfolded: list[Unfolded] = []
        erased: set[tuple[str, str]] = set()
        terms: dict[tuple[str, str, int], int] = {}
        for batch in batches:
            async for some in in_turns(batch.events):
                for event in some:
                    kind = kind_of(event.type)
                    if event.type == ERASED:
                        erased.add((event.tenant, event.subject))
                    if kind is None and event.type != SNAPSHOT_CLOSED:
                        continue
                    try:
                        if kind is None:
                            terms[event.tenant, _decode_closing(event.data).session, event.shard] = event.position
                            continue
                        told = _decode(event.data)
                    except msgspec.DecodeError as error:
                        unfolded.append(set_aside(event, error))
                        continue
                    rows.append(_row(event, kind, told))
                    for queue, entry in waits(kind, told):
                        key = (event.tenant, told.learner.id, told.scope.id, queue)
                        waiting.setdefault(key, []).append((told.decided_at, entry))
        rows.sort()

        async def write(connection: Connection) -> None:
            await upsert_many(connection, "advancement", self.version, rows)
            await upsert_many(connection, "term_told", self.version, [(*key, terms[key]) for key in sorted(terms)])
            await save_waiting(connection, self.version, waiting)
            await forget(connection, self.model, self.consumer, erased)
            await self._keep_aside(connection, unfolded)

        return write


def _row(event: Envelope, kind: str, told: Told) -> tuple[Any, ...]:
    scope = told.scope
    return (
        event.tenant, told.learner.id, event.position, event.id, kind, scope.kind, scope.id, scope.framework, told.seq,
        told.effective_at or told.decided_at, told.decided_at, bytes(event.data),
    )  # fmt: skip
