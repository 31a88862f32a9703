"""
Folds of the three input logs into their read models: decode, keep a key's last state in the batch, write once a table.

A read model is a function of its log alone, and what an event says replaces what an earlier one said of the same key;
so batches of any size, and a rebuild, give the same rows.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from services.reporting.tables.schema import consumer_name
from services.reporting.tables.writes import (
    CheckpointRow,
    Unfolded,
    count_events,
    move_checkpoints,
    note_unfolded,
    publish_frameworks,
    upsert,
    upsert_states,
)
from shared.consumer import Settle, ShardBatch, Write
from shared.contracts import (
    CHECKPOINT,
    FRAMEWORK_PUBLISHED,
    MASTERY_UPDATED,
    ROSTER_CLASS,
    ROSTER_ENROLMENT,
    ROSTER_SCHOOL,
    ROSTER_STAFF,
    Checkpoint,
    FrameworkPublished,
    RosterClass,
    RosterEnrolment,
    RosterSchool,
    RosterStaff,
    Status,
)
from shared.database import Connection, columns
from shared.events import Envelope
from shared.observability import metrics

log = logging.getLogger(__name__)
Data = TypeVar("Data")


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
_decode_checkpoint = msgspec.json.Decoder(Checkpoint).decode
_decode_framework = msgspec.json.Decoder(FrameworkPublished).decode
_ROSTER: dict[str, tuple[str, int, Callable[[msgspec.Raw], Any]]] = {
    ROSTER_SCHOOL: ("school", 2, msgspec.json.Decoder(RosterSchool).decode),
    ROSTER_CLASS: ("class", 2, msgspec.json.Decoder(RosterClass).decode),
    ROSTER_STAFF: ("staff", 3, msgspec.json.Decoder(RosterStaff).decode),
    ROSTER_ENROLMENT: ("enrolment", 3, msgspec.json.Decoder(RosterEnrolment).decode),
}
"""By event type: the table, how many leading columns are its key, and the decoder; members are in column order."""


class Fold:
    """What the folds have in common: no cache, so nothing to forget; what cannot be read is kept aside and counted."""

    model: str

    def __init__(self, version: int, blocked_max: int) -> None:
        self.version = version
        self.consumer = consumer_name(self.model, version)
        self._blocked_max = blocked_max

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory; see `shared.consumer.Handler`."""
        raise NotImplementedError

    def forget(self, shards: Collection[int]) -> None:
        """Nothing is cached."""

    async def claimed(self, shards: Collection[int]) -> None:
        """Nothing is to be loaded."""

    def committed(self) -> None:
        """Nothing waits for the commit."""

    def pending(self, shards: Collection[int]) -> list[int]:
        """Nothing is to be done but what the log says."""
        return []

    async def _set_aside(self, connection: Connection, unfolded: Sequence[Unfolded]) -> None:
        """
        Keep what cannot be folded, and go on with the others.

        Raises:
            RuntimeError: so many subjects an hour that our code is wrong, not the events; the shard waits.
        """
        if not unfolded:
            return
        blocked = await note_unfolded(connection, self.consumer, unfolded)
        metrics.blocked.set(blocked)
        log.error("%s set %s events aside: %s", self.consumer, len(unfolded), unfolded[0].reason)
        if blocked > self._blocked_max:
            raise RuntimeError(f"{self.consumer}: events of {blocked} subjects cannot be read")


class MasteryFold(Fold):
    """Folds the log `progression`: the state of every (tenant, learner, competency), and the checkpoints."""

    model = "mastery"

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory; the last state of a key is written."""
        states: dict[tuple[str, str, str], tuple[Any, ...]] = {}
        checkpoints: list[CheckpointRow] = []
        unfolded: list[Unfolded] = []
        for batch in batches:
            told: Envelope | None = None
            for event in batch.events:
                if event.type == MASTERY_UPDATED:
                    try:
                        state = _decode_state(event.data)
                    except msgspec.DecodeError as error:
                        unfolded.append(_unfolded(event, error))
                        continue
                    tenant, learner, competency = event.tenant, state.learner, state.competency
                    states[tenant, learner, competency] = (
                        tenant, learner, competency, state.status, state.score, state.evidence_count,
                        state.last_evidence_at, state.mastered_at, state.seq, event.data,
                    )  # fmt: skip
                elif event.type == CHECKPOINT:
                    told = event
            if told is not None:
                checkpoints += _checkpoint(told, unfolded)
        # The key comes first in a row, so rows sort by it and never beyond it.
        rows = sorted(states.values())
        counts = Counter((batch.shard, event.tenant) for batch in batches for event in batch.events)

        async def write(connection: Connection) -> None:
            await upsert_states(connection, self.version, rows)
            if counts:
                await count_events(connection, self.consumer, counts)
            if checkpoints:
                await move_checkpoints(connection, self.consumer, checkpoints)
            await self._set_aside(connection, unfolded)

        return write


class CurriculumFold(Fold):
    """Folds the log `curriculum`: a framework version is current once its last part is folded; earlier ones stay."""

    model = "curriculum"

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        competencies: dict[tuple[str, ...], tuple[Any, ...]] = {}
        associations: set[tuple[str, ...]] = set()
        current: dict[tuple[str, str], tuple[str, str]] = {}
        unfolded: list[Unfolded] = []
        for event, part in _decoded(batches, {FRAMEWORK_PUBLISHED: _decode_framework}, unfolded):
            place = (event.tenant, part.framework, part.version)
            for c in part.competencies:
                competencies[*place, c.code] = (
                    *place, c.code, c.title, c.ordinal, c.level, c.subject, c.parent, c.dok, c.power, event.position,
                )  # fmt: skip
            associations.update((*place, edge.origin, edge.destination, edge.type) for edge in part.associations)
            if part.part == part.parts:
                current[event.tenant, part.framework] = (part.title, part.version)

        async def write(connection: Connection) -> None:
            rows = [competencies[key] for key in sorted(competencies)]
            await upsert(connection, "competency", self.version, columns(rows, 12))
            await upsert(connection, "association", self.version, columns(sorted(associations), 6))
            await publish_frameworks(connection, self.version, current)
            await self._set_aside(connection, unfolded)

        return write


class RosterFold(Fold):
    """Folds the log `roster`: schools, classes, staff and enrolments, each with its last word."""

    model = "roster"

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        rows: dict[str, dict[tuple[str, ...], tuple[Any, ...]]] = {}
        unfolded: list[Unfolded] = []
        decoders = {type_: decode for type_, (_, _, decode) in _ROSTER.items()}
        for event, data in _decoded(batches, decoders, unfolded):
            table, key_length, _ = _ROSTER[event.type]
            row = (event.tenant, *msgspec.structs.astuple(data))
            rows.setdefault(table, {})[row[:key_length]] = row

        async def write(connection: Connection) -> None:
            for table, by_key in rows.items():
                in_order = [by_key[key] for key in sorted(by_key)]
                await upsert(connection, table, self.version, columns(in_order, 0))
            await self._set_aside(connection, unfolded)

        return write


FOLDS: dict[str, type[Fold]] = {fold.model: fold for fold in (MasteryFold, CurriculumFold, RosterFold)}


def _decoded(
    batches: Sequence[ShardBatch], decoders: dict[str, Callable[[msgspec.Raw], Any]], unfolded: list[Unfolded]
) -> Iterator[tuple[Envelope, Any]]:
    """Yield the events of the types that have a decoder, with their data; other types are not for this read model."""
    for batch in batches:
        for event in batch.events:
            decode = decoders.get(event.type)
            if decode is None:
                continue
            try:
                data = decode(event.data)
            except msgspec.DecodeError as error:
                unfolded.append(_unfolded(event, error))
                continue
            yield event, data


def _checkpoint(event: Envelope, unfolded: list[Unfolded]) -> list[CheckpointRow]:
    try:
        told = _decode_checkpoint(event.data)
    except msgspec.DecodeError as error:
        unfolded.append(_unfolded(event, error))
        return []
    return [CheckpointRow(event.shard, told.evidence_generation, told.evidence, told.decisions)]


def _unfolded(event: Envelope, error: Exception) -> Unfolded:
    return Unfolded(event.shard, event.position, event.tenant, event.subject, str(error)[:500], bytes(event.data))
