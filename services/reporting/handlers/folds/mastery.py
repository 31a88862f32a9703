"""The fold of the log `progression`: the state of every (tenant, learner, competency), and the checkpoints."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from services.reporting.handlers.folds.base import Fold, in_turns, set_aside
from services.reporting.tables.terms import keep_as_closed
from services.reporting.tables.writes import CheckpointRow, Unfolded, count_events, forget, move_checkpoints, upsert
from shared.contracts.internal_events import CHECKPOINT, IDENTITY_ERASED, MASTERY_UPDATED, Checkpoint, Status
from shared.contracts.snapshots import TERM_CLOSED, TermClosed
from shared.database import Connection
from shared.events import Envelope
from shared.handling import Settle, ShardBatch, Write


class _State(msgspec.Struct, frozen=True, gc=False):
    """The members of `MasteryUpdated` that queries select and count by; the data is stored whole beside them."""

    learner: str
    competency: str
    status: Status
    evidence_count: int
    seq: int
    score: float | None = None
    last_evidence_at: str | None = None
    mastered_at: str | None = None


_decode_state = msgspec.json.Decoder(_State).decode
_States = dict[tuple[str, str, str, int], tuple[Any, ...]]
"""Rows by tenant, learner, competency and the shard of the learner."""
_decode_closing = msgspec.json.Decoder(TermClosed).decode
_decode_checkpoint = msgspec.json.Decoder(Checkpoint).decode


class MasteryFold(Fold):
    """Folds the log `progression`: the state of every (tenant, learner, competency), and the checkpoints."""

    model = "mastery"
    edition = 2

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory; the last state of a key is written."""
        states: _States = {}
        terms: list[tuple[_States, tuple[Any, ...]]] = []
        """The states before each closing of a term, and its row."""
        erased: set[tuple[str, str]] = set()
        checkpoints: list[CheckpointRow] = []
        unfolded: list[Unfolded] = []
        for batch in batches:
            told: Envelope | None = None
            async for some in in_turns(batch.events):
                for event in some:
                    if event.type == MASTERY_UPDATED:
                        try:
                            state = _decode_state(event.data)
                        except msgspec.DecodeError as error:
                            unfolded.append(set_aside(event, error))
                            continue
                        states[event.tenant, state.learner, state.competency, event.shard] = _row(event, state)
                    elif event.type == TERM_CLOSED:
                        try:
                            terms.append((states, _term_row(event)))
                        except msgspec.DecodeError as error:
                            unfolded.append(set_aside(event, error))
                            continue
                        states = {}
                    elif event.type == CHECKPOINT:
                        told = event
                    elif event.type == IDENTITY_ERASED:
                        erased.add((event.tenant, event.subject))
            if told is not None:
                checkpoints += _checkpoint(told, unfolded)
        # Events of nobody hold the positions of what another shard has, and are not counted there either.
        counts = Counter((batch.shard, event.tenant) for batch in batches for event in batch.events if event.tenant)

        async def write(connection: Connection) -> None:
            for before, term in terms:
                await self._save_states(connection, before, erased)
                await upsert(connection, "term", self.version, [term])
            await self._save_states(connection, states, erased)
            await forget(connection, self.model, erased)
            if counts:
                await count_events(connection, self.consumer, counts)
            if checkpoints:
                await move_checkpoints(connection, self.consumer, checkpoints)
            await self._keep_aside(connection, unfolded)

        return write

    async def _save_states(self, connection: Connection, states: _States, erased: Collection[tuple[str, str]]) -> None:
        """Write states but those of the erased; where a term is closed, what was there then is kept first."""
        keys = sorted(key for key in states if key[:2] not in erased)
        await keep_as_closed(connection, self.version, keys)
        await upsert(connection, "mastery", self.version, [states[key] for key in keys])


def _row(event: Envelope, state: _State) -> tuple[Any, ...]:
    return (
        event.tenant, state.learner, state.competency, state.status, state.score, state.evidence_count,
        state.last_evidence_at, state.mastered_at, state.seq, bytes(event.data), event.time,
    )  # fmt: skip


def _term_row(event: Envelope) -> tuple[Any, ...]:
    """Return the row of a term that is closed in a shard."""
    told = _decode_closing(event.data)
    return (event.tenant, told.term, event.shard, told.of_shards, event.position, told.closed_at, told.closed_by)


def _checkpoint(event: Envelope, unfolded: list[Unfolded]) -> list[CheckpointRow]:
    try:
        told = _decode_checkpoint(event.data)
    except msgspec.DecodeError as error:
        unfolded.append(set_aside(event, error))
        return []
    return [CheckpointRow(event.shard, told.evidence_generation, told.evidence, told.decisions)]
