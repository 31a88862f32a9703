"""
Intake: bytes to commands, to identified and aligned submissions, to the writer; one result an item.

Everything up to the writer is done while an earlier batch commits. Nothing here differs between HTTP and Kafka.
"""

import asyncio
import contextlib
import datetime
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from services.evidence.domain.alignment import Alignment
from services.evidence.domain.decisions import Outcome
from services.evidence.domain.evidence import (
    CONTENT,
    NATIVE,
    Evidence,
    ItemStatus,
    Park,
    RecordEvidence,
    Submission,
    restored,
)
from services.evidence.domain.telling import recorded
from services.evidence.formats import native
from services.evidence.handlers.alignment import Alignments
from services.evidence.handlers.curriculum import Competencies
from services.evidence.handlers.learners import Learners
from services.evidence.handlers.writer import AGAIN, ErasedLearner, MovedLearners, StaleAlignment, Writer
from services.evidence.tables.statements import Row as StatementRow
from shared import tracing
from shared.clock import Clock
from shared.errors import InvalidEvent, Unavailable
from shared.events import now
from shared.observability import metrics
from shared.settings import Settings

ITEMS_A_SLICE = 250
"""Items validated before other requests get their turn: about 5 ms."""
CHANGES_MET_MAX = 5
APPENDED = ("accepted", "corrected")

Read = Callable[[bytes, str, datetime.datetime], RecordEvidence]

READERS: dict[str, Read] = {NATIVE: native.read, CONTENT: restored}
"""How what is kept for later is read again, by its form."""


class Item(msgspec.Struct):
    """What became of one item; the members are the wire format."""

    index: int
    id: str | None
    status: ItemStatus
    evidence_id: str | None = None
    position: str | None = None
    reason: str | None = None
    pointer: str | None = None
    detail: str | None = None

    @classmethod
    def refused(cls, index: int, id: str | None, error: InvalidEvent) -> "Item":
        """Return the item that cannot be used, for the reason that the error has."""
        return cls(index, id, "rejected", None, None, error.members["reason"], error.pointer, error.detail)


class Intake:
    """Takes in items of a format, as one tenant, and answers when they are durable."""

    def __init__(
        self, writer: Writer, learners: Learners, competencies: Competencies, alignments: Alignments, clock: Clock,
        settings: Settings,
    ) -> None:  # fmt: skip
        self._writer = writer
        self._clock = clock
        self._alignments = alignments
        self._learners = learners
        self._competencies = competencies
        self._settings = settings

    async def take(
        self,
        items: Sequence[bytes],
        tenant: str,
        *,
        way: str,
        only_source: str | None = None,
        read: Read = native.read,
    ) -> list[Item]:
        """
        Return one result an item, in order; a bad item harms no other.

        Raises:
            Unavailable: nothing was stored.
        """
        with self.expecting():
            results, commands, sources = await self._read(items, tenant, only_source, read)
        stored = await self.store(commands, tenant, way=way)
        for source, number in Counter(sources).items():
            self.refused(tenant, source, number, way)
        for index, item in stored.items():
            results[index] = item
        answered = [item for item in results if item is not None]
        count(answered, way)
        return answered

    def refused(self, tenant: str, source: str, items: int, way: str) -> None:
        """Count items that were refused before they could be stored; `source` is empty where it is not known."""
        self._writer.counts.refused(tenant, None if way in AGAIN else source, items)

    def latest(self, now: datetime.datetime) -> datetime.datetime:
        """
        Return the end of what may have occurred by `now`.

        Raises:
            Unavailable: the clock is not believed.
        """
        self._clock.require()
        return now + datetime.timedelta(seconds=self._settings.clock_skew_s)

    def expecting(self) -> contextlib.AbstractContextManager[None]:
        """Tell that items are being read which `store` will be given; see `Writer.expecting`."""
        return self._writer.expecting()

    async def store(
        self, commands: Mapping[int, RecordEvidence], tenant: str, *, way: str, statements: Sequence[StatementRow] = ()
    ) -> dict[int, Item]:
        """
        Return what becomes of commands, by their index; they are taken in the order of the mapping.

        `statements` are stored with them: all or nothing.

        Raises:
            Unavailable: nothing was stored.
            KnownStatements: nothing was stored; one of them is not new.
        """
        received_at, began_ns = datetime.datetime.now(datetime.UTC), time.time_ns()
        for _ in range(CHANGES_MET_MAX):
            with self.expecting():
                submissions = await self._prepare(list(commands.values()), tenant, received_at)
            try:
                outcomes = await self._writer.write(submissions, way, statements)
                break
            except ErasedLearner as erased:
                self._learners.forget(erased.learners)
            except MovedLearners as moved:
                self._learners.refresh(moved.moves)
            except StaleAlignment as stale:
                self._alignments.forget(stale.tenants)
        else:
            raise Unavailable("learners are being erased, or alignments published; send it again")
        tracing.taken((outcome.evidence_id for outcome, _ in outcomes if outcome.status in APPENDED), began_ns, way)
        return {
            index: _item(index, command.content.id, outcome, position)
            for index, command, (outcome, position) in zip(commands, commands.values(), outcomes, strict=True)
        }

    async def _read(
        self, items: Sequence[bytes], tenant: str, only_source: str | None, read: Read
    ) -> tuple[list[Item | None], dict[int, RecordEvidence], list[str]]:
        """Return the results of what is refused at once, the commands in the rest, by index, and the sources of the former."""
        results: list[Item | None] = [None] * len(items)
        sources: list[str] = []
        commands: dict[int, RecordEvidence] = {}
        latest = self.latest(datetime.datetime.now(datetime.UTC))
        bytes_max = self._settings.item_bytes_max
        for index, raw in enumerate(items):
            await breathe(index)
            try:
                check_size(raw, bytes_max)
                command = read(raw, tenant, latest)
                if only_source is not None and command.content.source != only_source:
                    raise InvalidEvent(
                        f"the token may write as {only_source} only", reason="forbidden_source", pointer="/source"
                    )
                commands[index] = command
            except InvalidEvent as error:
                id, source, _ = native.peek(raw)
                results[index] = Item.refused(index, id, error)
                sources.append(only_source or _named(source))
        return results, commands, sources

    async def _prepare(
        self, commands: Sequence[RecordEvidence], tenant: str, received_at: datetime.datetime
    ) -> list[Submission]:
        """Park what is not aligned, identify the learners of the rest, encode their events."""
        moves = self._learners.moves(tenant)
        parks = await self._parks(commands, tenant)
        aligned = await self._align(commands, tenant)
        parks |= {index: found for index, found in aligned.items() if isinstance(found, Park)}
        people = await self._identify(commands, tenant, parks)
        submissions: list[Submission] = []
        told_at = now()
        for index, (command, person) in enumerate(zip(commands, people, strict=True)):
            await breathe(index)
            if person is None:
                submissions.append(Submission(command, None, 0, None, received_at, parks.get(index), moves=moves))
            else:
                learner, shard = person
                found = aligned.get(index)
                alignment = found if isinstance(found, Alignment) else None
                draft = recorded(command, learner, shard, told_at, alignment=alignment)
                submissions.append(
                    Submission(command, learner, shard, draft, received_at, alignment=alignment, moves=moves)
                )
        return submissions

    async def _parks(self, commands: Sequence[RecordEvidence], tenant: str) -> dict[int, Park]:
        """Return why items have to wait, by index."""
        known = self._competencies.known
        suspects = [
            index
            for index, command in enumerate(commands)
            if command.content.retracts is None
            and not all((tenant, competency) in known for competency in command.content.competencies)
        ]
        if not suspects:
            return {}
        named = {(tenant, competency) for index in suspects for competency in commands[index].content.competencies}
        found = await self._competencies.find(named)
        parks = {index: _park(tenant, commands[index].content, found) for index in suspects}
        return {index: park for index, park in parks.items() if park is not None}

    async def _align(self, commands: Sequence[RecordEvidence], tenant: str) -> dict[int, Alignment | Park]:
        """Return what the alignment map says of items that name no competency, by index."""
        contents = {
            index: command.content for index, command in enumerate(commands) if command.content.align_by is not None
        }
        return await self._alignments.align(tenant, contents) if contents else {}

    async def _identify(
        self, commands: Sequence[RecordEvidence], tenant: str, parks: dict[int, Park]
    ) -> list[tuple[str, int] | None]:
        """Return learner and shard of each item; None for retractions and for what is parked."""
        known = self._learners.known
        people: list[tuple[str, int] | None] = []
        missing: dict[int, tuple[str, str, str]] = {}
        for index, command in enumerate(commands):
            content = command.content
            if content.retracts is not None or content.learner is None or index in parks:
                people.append(None)
                continue
            key = (tenant, content.source, content.learner)
            person = known.get(key)
            people.append(person)
            if person is None:
                missing[index] = key
        if missing:
            found = await self._learners.identify(set(missing.values()))
            for index, key in missing.items():
                people[index] = found[key]
        return people


def check_size(raw: bytes, bytes_max: int) -> None:
    """Refuse an item that is too large; raises `InvalidEvent`."""
    if len(raw) > bytes_max:
        raise InvalidEvent(f"over {bytes_max} bytes", reason="too_large", pointer="")


async def breathe(index: int) -> None:
    """Give other requests their turn, once for so many items."""
    if index % ITEMS_A_SLICE == ITEMS_A_SLICE - 1:
        await asyncio.sleep(0)


def count(items: Sequence[Item], way: str) -> None:
    """Count what became of items."""
    for status, number in Counter(item.status for item in items).items():
        metrics.received.labels(way=way, status=status).inc(number)


def _named(source: str | None) -> str:
    """Return the source of an item that was refused; nothing where it is none that evidence could have."""
    return source if source and len(source) <= native.NAME_CHARS_MAX and source.isprintable() else ""


def _park(tenant: str, content: Evidence, known: Mapping[tuple[str, str], bool]) -> Park | None:
    """Return why a piece has to wait; one that corrects another does not wait for a retired competency to come back."""
    for place, competency in enumerate(content.competencies):
        retired = known.get((tenant, competency))
        if retired is None:
            return Park("unknown_competency", f"/competencies/{place}", competency)
        if retired and content.supersedes is None:
            return Park("retired_competency", f"/competencies/{place}", competency)
    return None


def _item(index: int, id: str, outcome: Outcome, position: str | None) -> Item:
    return Item(
        index, id, outcome.status, outcome.evidence_id, position, outcome.reason, outcome.pointer, outcome.detail
    )
