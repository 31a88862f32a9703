"""
The consumer of a shard log: exactly-once effects from repeated, reordered, lost or late deliveries.

A record is accepted by position only (a Kafka offset is a hint for seek): at or below the last one it is skipped,
last + 1 is folded, and a hole is fetched from the producer's feed, while that partition is paused and the others go on.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from aiokafka import ConsumerRecord, TopicPartition

from shared import ownership
from shared.crash_points import reach
from shared.database import Database
from shared.errors import Unavailable
from shared.events import NO_EVENT, Envelope, decode_envelope
from shared.feed import FeedClient
from shared.folding import RETRY_S, Owned, ShardFolder
from shared.handling import Handler, Inbox, ShardBatch
from shared.observability import metrics
from shared.settings import Settings
from shared.tasks import Easing, Pulse, raise_if_cancelled, run_together

log = logging.getLogger(__name__)
OFFSET_COMMIT_S = 5.0


class ShardConsumer(ShardFolder):
    """
    Feeds one handler from one log. Give `on_records` to the transport's subscriber, `self` as its listener, and run
    `tick` as a task beside it. `kafka` is set by the transport; it returns None until the consumer has started.
    """

    def __init__(
        self, name: str, log_name: str, database: Database, handler: Handler, feed: FeedClient, settings: Settings,
        inbox: Inbox | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, log_name, database, handler, settings)
        self._feed = feed
        self._inbox = inbox
        self._behind = asyncio.Event()
        self._easing = Easing()
        self.polling = Pulse()
        """Beats at every poll; the transport gives it its beats."""
        self.pulses = self._ticking, self._watching = Pulse(), Pulse()
        """The loops of `tick`, which must go round; a dependency that is away does not stop them."""

    async def on_records(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Fold what a poll brought. Never raises: what cannot be folded now comes again."""
        if records:
            self._easing.found()
        async with self._busy:
            done = await self._guarded(self._fold_records(records))
        if not done:
            await asyncio.sleep(RETRY_S)

    async def tick(self) -> None:
        """Run until cancelled: claim idle shards, drain the inbox, notice lost tails, commit offsets for lag tools."""
        await run_together(self._tick(), self._watch())

    async def _tick(self) -> None:
        while True:
            raise_if_cancelled()
            self._ticking.beat()
            pause_s = self._easing.rest_s(self._settings.inbox_poll_ms / 1000)
            if self._has_own_work:
                pause_s = min(pause_s, max(0.0, self._own_work_at - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            self._woken.clear()
            async with self._busy:
                done = await self._guarded(self._tick_once())
            if not done:
                await asyncio.sleep(RETRY_S)

    async def _tick_once(self) -> None:
        await self._claim(list(self._may_claim))
        now = time.monotonic()
        for shard, owned in self._owned.items():
            if 0.0 < owned.waits_until <= now:
                owned.waits_until = 0.0
                self._go_on(shard)
        await self._fold_own_work()
        if self._inbox is not None:
            await self._fold_inbox(self._inbox)
        if self._commit is not None and self._commit.done():
            await self._settle()
        self._measure(now)

    def _measure(self, now: float) -> None:
        standing, hole_s = 0, 0.0
        for owned in self._owned.values():
            missing = owned.missing_to > owned.pos
            owned.missing_since = (owned.missing_since or now) if missing else 0.0
            hole_s = max(hole_s, now - owned.missing_since if missing else 0.0)
            standing += missing or owned.waits_until > 0.0
        metrics.hole_seconds.labels(consumer=self.name).set(hole_s)
        metrics.shards_owned.labels(consumer=self.name).set(len(self._owned))
        metrics.shards_waiting.labels(consumer=self.name).set(standing)

    async def _fold_records(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        runs: dict[int, list[ConsumerRecord[bytes, bytes]]] = {}
        for record in records:
            runs.setdefault(record.partition, []).append(record)
        just_claimed = await self._claim(runs)
        batches = []
        for shard, run in runs.items():
            owned = self._owned.get(shard)
            if owned is not None and not owned.waits_until and shard not in just_claimed:
                events = self._accept_run(shard, owned, run)
                if events:
                    batches.append(ShardBatch(shard, [], events, owned.pos, owned.generation))
        await self._fold(batches)

    def _accept_run(self, shard: int, owned: Owned, run: Sequence[ConsumerRecord[bytes, bytes]]) -> list[Envelope]:
        """Return the events of a poll that come next, up to a hole, and remember where to go on reading."""
        events: list[Envelope] = []
        for record in run:
            try:
                events.append(decode_envelope(record.value or b""))
            except NO_EVENT:
                # Without a readable envelope it is a hole, and the feed has the original.
                metrics.undecodable.labels(consumer=self.name).inc()
        accepted, barrier = _next(events, owned)
        if accepted:
            owned.heard_at = time.monotonic()
        if barrier is None:
            owned.next_offset = run[-1].offset + 1
            return accepted
        # What lies behind the barrier is read again once that is gone.
        owned.next_offset = run[0].offset
        self._pause(shard)
        if not self._stopped(shard, owned, barrier.generation):
            metrics.holes.labels(consumer=self.name).inc()
            owned.missing_to = barrier.position - 1
            self._behind.set()
        return accepted

    def _stopped(self, shard: int, owned: Owned, generation: int) -> bool:
        """Stop the shard if the log goes on in a generation that is not accepted yet; tell whether it does."""
        if generation <= owned.generation:
            return False
        owned.waits_until = float("inf")
        self._pause(shard)
        log.error(
            "%s: shard %s continues in generation %s, accepted is %s: it waits until that is accepted",
            self.name,
            shard,
            generation,
            owned.generation,
            extra=self._at(shard, owned.pos),
        )
        return True

    async def _fold_inbox(self, inbox: Inbox) -> None:
        after = {shard: owned.inbox_pos for shard, owned in self._owned.items() if not owned.waits_until}
        if not after:
            return
        async with self._database.connection() as connection:
            entries = await inbox.read(connection, after, self._settings.batch_records)
        if entries:
            self._easing.found()
        batches: dict[int, ShardBatch] = {}
        for entry in entries:
            owned = self._owned[entry.shard]
            batch = batches.setdefault(entry.shard, ShardBatch(entry.shard, [], [], owned.pos, owned.generation))
            batch.decisions.append(entry)
            owned.inbox_pos = entry.pos
        await self._fold(list(batches.values()))

    async def _watch(self) -> None:
        """Beside the folding, which never waits for it: lost tails, holes, acceptance, offsets."""
        heads_due = offsets_due = 0.0
        while True:
            raise_if_cancelled()
            self._watching.beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(RETRY_S, self._settings.head_check_s)):
                    await self._behind.wait()
            self._behind.clear()
            now = time.monotonic()
            try:
                if now >= heads_due:
                    heads_due = now + self._settings.head_check_s
                    await self._look_for_acceptance()
                    await self._look_for_lost_tails()
                if await self._catch_up():
                    # The next page at once, behind what else is due by then.
                    self._behind.set()
                if now >= offsets_due:
                    await self._commit_offsets()
                    offsets_due = time.monotonic() + OFFSET_COMMIT_S
            except Unavailable as error:
                log.warning("%s: %s", self.name, error)
            except Exception:
                log.exception("%s cannot watch its shards; it tries again", self.name)
                await asyncio.sleep(RETRY_S)

    async def _look_for_acceptance(self) -> None:
        """Claim shards again whose next generation has been accepted since they stopped before it."""
        stopped = {s: owned for s, owned in self._owned.items() if owned.waits_until == float("inf")}
        if not stopped:
            return
        async with self._database.connection() as connection:
            places = await ownership.places(connection, self.name, stopped)
        async with self._busy:
            accepted = [p.shard for p in places if p.generation > stopped[p.shard].generation]
            self._forget([shard for shard in accepted if self._owned.get(shard) is stopped[shard]])

    async def _look_for_lost_tails(self) -> None:
        """Ask the producer how far it is, where Kafka has been silent."""
        silent_since = time.monotonic() - self._settings.head_check_s
        idle = [shard for shard, owned in self._owned.items() if owned.heard_at <= silent_since]
        if not idle:
            return
        heads = await self._feed.heads(self.log_name)
        for shard in idle:
            owned, head = self._owned.get(shard), heads.get(shard)
            if owned is None or head is None or owned.waits_until or self._stopped(shard, owned, head.generation):
                continue
            if head.generation == owned.generation and head.pos > owned.pos:
                owned.missing_to = max(owned.missing_to, head.pos)

    async def _catch_up(self) -> bool:
        """Fold a page of the feed for each shard that misses something; tell whether the next may be read at once."""
        behind = {s: o for s, o in self._owned.items() if o.missing_to and not o.waits_until}
        if not behind:
            return False
        before = self.owned()
        limit = max(1, self._settings.batch_records // len(behind))
        pages = await asyncio.gather(*(self._page(s, owned, limit) for s, owned in behind.items()))
        async with self._busy:
            if not await self._guarded(self._fold_pages(list(zip(behind, behind.values(), pages, strict=True)))):
                return False
        return any(owned.missing_to and owned.pos > before[s] for s, owned in behind.items())

    async def _page(self, shard: int, owned: Owned, limit: int) -> list[Envelope]:
        wanted = min(limit, owned.missing_to - owned.pos)
        if wanted <= 0:
            return []
        page: list[Envelope] = []
        why: object = "the feed has nothing behind that"
        try:
            page = await self._feed.read(self.log_name, shard, owned.pos, wanted)
        except Unavailable as error:
            why = error
        if not page:
            log.warning("%s: shard %s waits at %s: %s", self.name, shard, owned.pos, why,
                        extra=self._at(shard, owned.pos))  # fmt: skip
        return page

    async def _fold_pages(self, pages: Sequence[tuple[int, Owned, list[Envelope]]]) -> None:
        batches = []
        for shard, owned, page in pages:
            if self._owned.get(shard) is not owned or owned.waits_until:
                continue
            events, barrier = _next(page, owned)
            if barrier is not None:
                self._stopped(shard, owned, barrier.generation)
            if owned.pos >= owned.missing_to:
                owned.missing_to = 0
                self._go_on(shard)
            if events:
                batches.append(ShardBatch(shard, [], events, owned.pos, owned.generation))
        await self._fold(batches)

    async def _commit_offsets(self) -> None:
        consumer = self.kafka()
        offsets = {TopicPartition(self.topic, s): o.next_offset for s, o in self._owned.items() if o.next_offset}
        if consumer is not None and offsets:
            # Only lag tools read these, so pages of the feed do not wait longer for them; our own positions rule.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(RETRY_S):
                    await consumer.commit(offsets)
                    reach("consumer.offsets_committed")


def _next(events: Sequence[Envelope], owned: Owned) -> tuple[list[Envelope], Envelope | None]:
    """
    Move the shard over the events that come next and return them, and the event that cannot be reached.

    That one lies behind a hole, or in a higher generation. Repeats, and what is left of a lower one, are passed over.
    """
    pos, generation = owned.pos, owned.generation
    accepted: list[Envelope] = []
    barrier = None
    for event in events:
        if event.generation == generation and event.position == pos + 1:
            pos += 1
            accepted.append(event)
        elif event.generation > generation or (event.generation == generation and event.position > pos):
            barrier = event
            break
    owned.pos = pos
    return accepted, barrier
