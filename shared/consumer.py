"""
The consumer of a shard log: exactly-once effects from repeated, reordered, lost or late deliveries.

A record is accepted by position only (a Kafka offset is a hint for seek): at or below the last one it is skipped, last + 1
is folded, and a hole is fetched from the producer's feed first. The first statement of every batch transaction is a
compare-and-set of the shards' positions under their epochs; then the handler writes; one commit. One batch commits while
the next is folded. Callbacks of the group protocol only say what may be claimed; safety is the compare-and-set alone.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from shared.database import Connection, Database, columns
from shared.errors import Conflict, Unavailable
from shared.events import Envelope, decode_envelope
from shared.feed import FeedClient
from shared.observability import metrics
from shared.settings import Settings

log = logging.getLogger(__name__)
RETRY_S = 1.0
OFFSET_COMMIT_S = 5.0
REVOKE_S = 20.0
HOLE_ROWS = 2000


class InboxEntry(NamedTuple):
    """A decision that waits in a shard's inbox: its dense position and its JSON."""

    shard: int
    pos: int
    body: bytes


class Inbox(Protocol):
    """The second input of a consumer: decisions with their own dense positions."""

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the entries behind the given positions, in shard and position order."""


@dataclasses.dataclass(slots=True)
class ShardBatch:
    """What one shard has to fold, in this order: decisions, then events with consecutive positions."""

    shard: int
    decisions: list[InboxEntry]
    events: list[Envelope]
    last: int
    """The position of the producer's log that is folded once this batch is."""
    generation: int


Settle = Callable[[], Awaitable[None]]
Write = Callable[[Connection], Awaitable[None]]


class Handler(Protocol):
    """Folds batches; may cache state, because a shard has one owner."""

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """
        Fold in memory and return what writes the outcome, inside the transaction, after the compare-and-set.

        Must call `settle` before it reads the database: the previous batch may still be committing. Touches nothing
        outside; when the write fails, `forget` follows and the same records come again.
        """

    def forget(self, shards: Collection[int]) -> None:
        """Drop everything cached for the shards: another owner may have moved them, or a commit failed."""

    async def claimed(self, shards: Collection[int]) -> None:
        """Load what is needed to fold the shards; called after they became ours and before their first batch."""

    def committed(self) -> None:
        """The last write is durable."""

    def pending(self, shards: Collection[int]) -> list[int]:
        """Return the shards with work of their own to go on with: each is given an empty batch."""


@dataclasses.dataclass(slots=True)
class _Owned:
    epoch: int
    generation: int
    pos: int
    inbox_pos: int
    next_offset: int
    heard_at: float
    stalled_until: float = 0.0


class _Move(NamedTuple):
    shard: int
    epoch: int
    old: int
    new: int
    old_inbox: int
    new_inbox: int
    next_offset: int


def define_tables(metadata: sa.MetaData) -> None:
    """Add the consumer's table to a service's schema."""
    sa.Table(
        "consumer_shard",
        metadata,
        sa.Column("consumer", sa.Text(collation="C"), primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("log", sa.Text(collation="C"), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
        sa.Column("pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("inbox_pos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("next_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
    )


class ShardConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """
    Feeds one handler from one log. Give `on_records` to the transport's subscriber, `self` as its listener, and run
    `tick` as a task beside it. `consumer` is set by the transport once it has started.
    """

    def __init__(
        self,
        name: str,
        log_name: str,
        database: Database,
        handler: Handler,
        feed: FeedClient,
        settings: Settings,
        inbox: Inbox | None = None,
    ) -> None:
        self.name = name
        self.log_name = log_name
        self.topic = f"attain.{log_name}{settings.topic_suffix}"
        self.kafka: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._database = database
        self._handler = handler
        self._feed = feed
        self._settings = settings
        self._inbox = inbox
        self._busy = asyncio.Lock()
        self._owned: dict[int, _Owned] = {}
        self._may_claim: dict[int, float] = {}
        self._commit: asyncio.Task[None] | None = None
        self._offsets_due = 0.0
        self._heads_due = 0.0
        self.last_progress = time.monotonic()

    async def prepare(self) -> None:
        """Make the position rows; safe to repeat."""
        async with self._database.connection() as connection:
            await connection.execute(
                "insert into consumer_shard (consumer, shard, log) select $1, s, $2 from generate_series(0, $3 - 1) s"
                " on conflict do nothing",
                self.name,
                self.log_name,
                self._settings.shards,
            )

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Remember what may be claimed. Synchronous on purpose: no window of our own."""
        self._may_claim = {partition.partition: 0.0 for partition in assigned}

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the batch and the commit in flight finish, for a bounded time, then forget the shards."""
        try:
            async with asyncio.timeout(REVOKE_S), self._busy:
                await self._settle()
        except (TimeoutError, Conflict, Unavailable):
            pass
        finally:
            self._may_claim = {}
            self._forget(list(self._owned))

    async def on_records(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Fold what a poll brought. Never raises: what cannot be folded now comes again."""
        async with self._busy:
            await self._guarded(self._fold_records(records))

    async def tick(self) -> None:
        """Run until cancelled: claim idle shards, drain the inbox, notice lost tails, commit offsets for lag tools."""
        while True:
            await asyncio.sleep(self._settings.inbox_poll_ms / 1000)
            async with self._busy:
                await self._guarded(self._tick_once())

    async def stop(self) -> None:
        """Wait for the commit in flight."""
        async with self._busy:
            with contextlib.suppress(Exception):
                await self._settle()

    def owned(self) -> dict[int, int]:
        """Return the shards this process owns and the position each is folded to (perhaps not yet committed)."""
        return {shard: owned.pos for shard, owned in self._owned.items()}

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Run a step; on failure drop every cache and read the rows again, so nothing is stepped over."""
        try:
            await work
        except Conflict as error:
            metrics.fences_lost.labels(consumer=self.name).inc()
            log.warning("%s: %s", self.name, error)
            await self._read_rows_again()
        except Unavailable as error:
            log.warning("%s waits: %s", self.name, error)
            await self._read_rows_again()
            await asyncio.sleep(RETRY_S)
        except Exception:
            metrics.consumer_failures.labels(consumer=self.name).inc()
            log.exception("%s cannot fold; the shards wait", self.name)
            await self._read_rows_again()
            await asyncio.sleep(RETRY_S)

    async def _fold_records(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        by_shard: dict[int, list[ConsumerRecord[bytes, bytes]]] = {}
        for record in records:
            by_shard.setdefault(record.partition, []).append(record)
        just_claimed = await self._claim(by_shard)
        batches = []
        for shard, run in by_shard.items():
            owned = self._owned.get(shard)
            if owned is None or shard in just_claimed or owned.stalled_until:
                continue
            owned.heard_at = time.monotonic()
            before = owned.pos
            try:
                events = await self._accept(shard, owned, run)
            except Unavailable as error:
                self._stall(shard, owned, before, error)
                continue
            owned.next_offset = run[-1].offset + 1
            if events:
                batches.append(ShardBatch(shard, [], events, owned.pos, owned.generation))
        await self._fold(batches)

    async def _accept(
        self, shard: int, owned: _Owned, run: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> list[Envelope]:
        """Return the run's events that come next, in order, with holes filled from the feed."""
        accepted: list[Envelope] = []
        for record in run:
            try:
                event = decode_envelope(record.value or b"")
            except msgspec.DecodeError:
                # Without a readable position it is a hole, and the feed has the original.
                metrics.undecodable.labels(consumer=self.name).inc()
                continue
            if not self._same_generation(shard, owned, event.generation):
                break
            if event.position <= owned.pos:
                continue
            if event.position > owned.pos + 1:
                accepted += await self._fill(shard, owned, event.position - 1)
            accepted.append(event)
            owned.pos = event.position
        return accepted

    def _same_generation(self, shard: int, owned: _Owned, generation: int) -> bool:
        if generation > owned.generation:
            owned.stalled_until = float("inf")
            self._pause(shard)
            log.error(
                "%s: shard %s continues in generation %s, this consumer accepted %s; it waits until that is accepted",
                self.name, shard, generation, owned.generation,
            )  # fmt: skip
        return generation == owned.generation

    async def _fill(self, shard: int, owned: _Owned, until: int) -> list[Envelope]:
        """Fetch the positions up to `until` from the producer's feed."""
        metrics.holes.labels(consumer=self.name).inc()
        events: list[Envelope] = []
        while owned.pos < until:
            page = await self._feed.read(self.log_name, shard, owned.pos, min(HOLE_ROWS, until - owned.pos))
            if not page or page[0].position != owned.pos + 1:
                raise Unavailable(f"the feed of {self.log_name} does not have {owned.pos + 1} of shard {shard}")
            events += page
            owned.pos = page[-1].position
        return events

    def _stall(self, shard: int, owned: _Owned, pos: int, error: Unavailable) -> None:
        """Pause one shard whose hole cannot be filled yet; the others go on."""
        log.warning("%s: shard %s waits at %s: %s", self.name, shard, pos, error)
        owned.pos = pos
        owned.stalled_until = time.monotonic() + RETRY_S
        self._seek(shard, owned.next_offset)
        self._pause(shard)

    async def _fold(self, batches: list[ShardBatch]) -> None:
        """Fold, wait for the previous commit, start this one."""
        if not batches:
            return
        started = time.perf_counter()
        write = await self._handler.fold(batches, self._settle)
        metrics.fold_seconds.labels(consumer=self.name).observe(time.perf_counter() - started)
        await self._settle()
        self._commit = asyncio.create_task(self._commit_batch(self._plan_moves(batches), write))

    def _plan_moves(self, batches: list[ShardBatch]) -> list[_Move]:
        moves = []
        for batch in batches:
            owned = self._owned[batch.shard]
            old = batch.last - len(batch.events)
            new_inbox = owned.inbox_pos
            moves.append(
                _Move(
                    batch.shard, owned.epoch, old, batch.last,
                    new_inbox - len(batch.decisions), new_inbox, owned.next_offset,
                )  # fmt: skip
            )
        return moves

    async def _commit_batch(self, moves: list[_Move], write: Write) -> None:
        started = time.perf_counter()
        async with self._database.transaction() as connection:
            moved = await connection.fetch(
                "with mine as (select shard from consumer_shard where consumer = $1 and shard = any($2::int[])"
                "   order by shard for update)"
                " update consumer_shard c set pos = k.new, inbox_pos = k.new_inbox, next_offset = k.next_offset"
                " from mine, unnest($2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],"
                "   $8::bigint[]) k (shard, epoch, old, new, old_inbox, new_inbox, next_offset)"
                " where c.consumer = $1 and c.shard = k.shard and mine.shard = k.shard and c.epoch = k.epoch"
                "   and c.pos = k.old and c.inbox_pos = k.old_inbox returning c.shard",
                self.name,
                *columns(moves, 7),
            )
            if len(moved) != len(moves):
                lost = {move.shard for move in moves} - {row["shard"] for row in moved}
                raise Conflict(f"shards {sorted(lost)} were moved by someone else or by a commit whose answer was lost")
            await write(connection)
        self._handler.committed()
        self.last_progress = time.monotonic()
        metrics.commit_seconds.labels(consumer=self.name).observe(time.perf_counter() - started)
        metrics.folded.labels(consumer=self.name).inc(sum(move.new - move.old for move in moves))

    async def _settle(self) -> None:
        """
        Wait for the commit in flight.

        Raises:
            Conflict, Unavailable: it failed; everything folded since is to be dropped.
        """
        if self._commit is not None:
            task, self._commit = self._commit, None
            await task

    async def _claim(self, shards: Iterable[int]) -> set[int]:
        """Claim those of the shards that are assigned and not owned; seek each to its stored place."""
        now = time.monotonic()
        wanted = sorted(s for s in shards if s not in self._owned and self._may_claim.get(s, float("inf")) <= now)
        if not wanted:
            return set()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "update consumer_shard set epoch = epoch + 1, owner = $3 where consumer = $1 and shard = any($2::int[])"
                " returning shard, epoch, generation, pos, inbox_pos, next_offset",
                self.name,
                wanted,
                self._settings.slot,
            )
        await self._handler.claimed(wanted)
        for row in rows:
            self._adopt(row)
        log.info("%s claimed shards %s", self.name, wanted)
        return set(wanted)

    def _adopt(self, row: Any) -> None:
        shard = row["shard"]
        self._owned[shard] = _Owned(
            row["epoch"], row["generation"], row["pos"], row["inbox_pos"], row["next_offset"], time.monotonic()
        )
        self._seek(shard, row["next_offset"])

    async def _read_rows_again(self) -> None:
        """
        After a failed step: drop caches, then read what is stored.

        Where the epoch is still ours, an earlier commit may have succeeded with its answer lost: go on from the stored
        position. Where it is higher, someone else owns the shard: forget it, and if it is still assigned here one
        session later, claim it again, because by then a zombie has been evicted.
        """
        with contextlib.suppress(Exception):
            await self._settle()
        shards = list(self._owned)
        epochs = {shard: owned.epoch for shard, owned in self._owned.items()}
        self._forget(shards)
        try:
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    "select shard, epoch, generation, pos, inbox_pos, next_offset from consumer_shard"
                    " where consumer = $1 and shard = any($2::int[])",
                    self.name,
                    shards,
                )
            mine = [row for row in rows if row["epoch"] == epochs[row["shard"]]]
            await self._handler.claimed([row["shard"] for row in mine])
        except Unavailable:
            # Ownership is unknown: claim again once the database answers.
            for shard in shards:
                if shard in self._may_claim:
                    self._may_claim[shard] = 0.0
            return
        for row in mine:
            self._adopt(row)
        for row in rows:
            if row["epoch"] != epochs[row["shard"]] and row["shard"] in self._may_claim:
                self._may_claim[row["shard"]] = time.monotonic() + self._settings.session_timeout_s

    def _forget(self, shards: Collection[int]) -> None:
        for shard in shards:
            self._owned.pop(shard, None)
        self._handler.forget(shards)

    async def _tick_once(self) -> None:
        await self._claim(list(self._may_claim))
        waiting = self._handler.pending(list(self._owned))
        await self._fold([ShardBatch(s, [], [], self._owned[s].pos, self._owned[s].generation) for s in waiting])
        now = time.monotonic()
        for shard, owned in self._owned.items():
            if owned.stalled_until and owned.stalled_until <= now:
                owned.stalled_until = 0.0
                self._resume(shard)
        if self._inbox is not None:
            await self._fold_inbox(self._inbox)
        if now >= self._heads_due:
            self._heads_due = now + self._settings.head_check_s
            await self._fold_lost_tails(now)
        if now >= self._offsets_due:
            self._offsets_due = now + OFFSET_COMMIT_S
            await self._commit_offsets()
        if self._commit is not None and self._commit.done():
            await self._settle()

    async def _fold_inbox(self, inbox: Inbox) -> None:
        after = {shard: owned.inbox_pos for shard, owned in self._owned.items()}
        if not after:
            return
        async with self._database.connection() as connection:
            entries = await inbox.read(connection, after, self._settings.batch_records)
        batches: dict[int, ShardBatch] = {}
        for entry in entries:
            owned = self._owned[entry.shard]
            batch = batches.setdefault(entry.shard, ShardBatch(entry.shard, [], [], owned.pos, owned.generation))
            batch.decisions.append(entry)
            owned.inbox_pos = entry.pos
        await self._fold(list(batches.values()))

    async def _fold_lost_tails(self, now: float) -> None:
        """Ask the producer how far it is, for shards that Kafka has been silent about, and fold what is missing."""
        idle = [s for s, owned in self._owned.items() if now - owned.heard_at >= self._settings.head_check_s]
        if not idle:
            return
        try:
            heads = await self._feed.heads(self.log_name)
        except Unavailable:
            return
        batches = []
        for shard in idle:
            owned, head = self._owned[shard], heads.get(shard)
            if head is None or owned.stalled_until or not self._same_generation(shard, owned, head.generation):
                continue
            if head.pos > owned.pos:
                before = owned.pos
                try:
                    events = await self._fill(shard, owned, min(head.pos, before + self._settings.batch_records))
                except Unavailable as error:
                    self._stall(shard, owned, before, error)
                    continue
                batches.append(ShardBatch(shard, [], events, owned.pos, owned.generation))
        await self._fold(batches)

    async def _commit_offsets(self) -> None:
        consumer = self.kafka()
        offsets = {
            TopicPartition(self.topic, shard): owned.next_offset
            for shard, owned in self._owned.items()
            if owned.next_offset
        }
        if consumer is not None and offsets:
            # Only lag tools read these; our own positions rule.
            with contextlib.suppress(Exception):
                await consumer.commit(offsets)

    def _seek(self, shard: int, offset: int) -> None:
        self._on_consumer(shard, lambda consumer, partition: consumer.seek(partition, offset))

    def _pause(self, shard: int) -> None:
        self._on_consumer(shard, lambda consumer, partition: consumer.pause(partition))

    def _resume(self, shard: int) -> None:
        self._on_consumer(shard, lambda consumer, partition: consumer.resume(partition))

    def _on_consumer(self, shard: int, act: Callable[[AIOKafkaConsumer, TopicPartition], object]) -> None:
        consumer, partition = self.kafka(), TopicPartition(self.topic, shard)
        if consumer is not None and partition in consumer.assignment():
            act(consumer, partition)


async def accept_generation(connection: Connection, consumer: str, generation: int) -> None:
    """Let a stopped consumer go on with a producer that was restored or re-sharded under a higher generation."""
    await connection.execute(
        "update consumer_shard set generation = $2, epoch = epoch + 1 where consumer = $1 and generation < $2",
        consumer,
        generation,
    )
