"""
Folding shards with exactly-once effects: claim, fold in memory, compare and set, begin anew from the rows.

The first statement of every batch transaction moves the shards' rows under their epochs; then the handler writes; one
commit. One batch commits while the next is folded. Callbacks of the group protocol only say what may be claimed; safety
is the compare-and-set alone.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from shared import ownership, tracing
from shared.crash_points import reach
from shared.database import Database
from shared.errors import Conflict, Unavailable
from shared.events import topic_of
from shared.handling import Handler, ShardBatch, Write
from shared.observability import metrics
from shared.ownership import Move, Place
from shared.settings import Settings

log = logging.getLogger(__name__)
RETRY_S = 1.0
CAREFUL_S = 30.0
"""After a failure shards are folded one by one for so long."""
REVOKE_S = 20.0
MORE_S = 0.002
"""Pause between batches of the handler's own work."""
REST = 1.0
"""Times as long as such a batch took, the pause behind it while events arrive: they get half of the time, or more."""
ARRIVING_S = 1.0
"""So long after the last events more are expected."""
CLAIM_S = 5.0
"""So long a claim waits for the batch that an earlier owner is just committing; then that owner's session is ended."""


@dataclasses.dataclass(slots=True)
class Owned:
    """A shard that is ours: where it stands in memory, perhaps ahead of what is committed."""

    epoch: int
    generation: int
    pos: int
    inbox_pos: int
    next_offset: int
    heard_at: float
    missing_to: int = 0
    """Positions up to here exist, and Kafka has not brought them: they come from the feed."""
    missing_since: float = 0.0
    """When a turn of the loop first saw that; 0 where nothing is missing."""
    waits_until: float = 0.0
    """Nothing is folded before: it could not be folded, or goes on in a generation that is not accepted yet."""


class ShardFolder(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """What a process has of a consumer's shards. All but the callbacks runs with the lock `_busy` held."""

    def __init__(self, name: str, log_name: str, database: Database, handler: Handler, settings: Settings) -> None:
        self.name = name
        self.log_name = log_name
        self.topic = topic_of(log_name, settings.topic_suffix)
        self.kafka: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._database = database
        self._handler = handler
        self._settings = settings
        self._busy = asyncio.Lock()
        self._owned: dict[int, Owned] = {}
        self._may_claim: dict[int, float] = {}
        self._commit: asyncio.Task[None] | None = None
        self._careful_until = 0.0
        self._has_own_work = False
        """Whether the handler had work of its own left when it was last asked."""
        self._own_work_at = 0.0
        """When that goes on."""
        self._woken = asyncio.Event()
        # Counters that begin with their first burst show no increase: they are there before.
        metrics.fences_lost.labels(consumer=name)
        metrics.consumer_failures.labels(consumer=name)

    async def prepare(self) -> None:
        """Make the position rows; safe to repeat. Raises `Unavailable` where there are rows for other shards."""
        async with self._database.connection() as connection:
            await ownership.prepare(connection, self.name, self.log_name, self._settings.shards)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Remember what may be claimed. Synchronous on purpose: no window of our own."""
        self._may_claim = {partition.partition: 0.0 for partition in assigned}

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let the batch and the commit in flight finish, for a bounded time, then forget the shards."""
        try:
            async with asyncio.timeout(REVOKE_S), self._busy:
                await self._settle()
        except Exception as error:  # noqa: BLE001  # the rows say what was committed
            log.warning("%s: the last batch before a rebalance: %s: %s", self.name, type(error).__name__, error)
        finally:
            self._may_claim = {}
            self._forget(list(self._owned))

    async def stop(self) -> None:
        """Wait for the batch and the commit in flight, and fold no more."""
        async with self._busy:
            self._may_claim = {}
            with contextlib.suppress(Exception):
                await self._settle()
            self._forget(list(self._owned))

    def wake(self) -> None:
        """Ask the handler soon for work of its own, where it had none to go on with."""
        self._has_own_work = True
        self._woken.set()

    def owned(self) -> dict[int, int]:
        """Return the shards this process owns and the position each is folded to (perhaps not yet committed)."""
        return {shard: owned.pos for shard, owned in self._owned.items()}

    def _at(self, shard: int, position: int) -> dict[str, object]:
        """Return where a log entry is about."""
        return {"consumer": self.name, "log": self.log_name, "shard": shard, "position": position}

    async def _guarded(self, work: Awaitable[None]) -> bool:
        """Run a step, with the lock held; where it fails, drop what is in memory, so that nothing is stepped over."""
        try:
            await work
        except asyncio.CancelledError:
            self._forget(list(self._owned))
            raise
        except Conflict as error:
            metrics.fences_lost.labels(consumer=self.name).inc()
            log.warning("%s: %s", self.name, error)
        except Unavailable as error:
            log.warning("%s waits: %s", self.name, error)
        except Exception:
            metrics.consumer_failures.labels(consumer=self.name).inc()
            log.exception("%s cannot fold; it tries shard by shard", self.name)
            self._careful_until = time.monotonic() + CAREFUL_S
        else:
            return True
        await self._read_rows_again(list(self._owned))
        return False

    async def _fold(self, batches: list[ShardBatch]) -> None:
        """Fold the shards together; for a while after a failure one by one, so that only the one at fault waits."""
        if time.monotonic() >= self._careful_until:
            await self._fold_together(batches)
            return
        for batch in batches:
            try:
                await self._fold_together([batch])
                await self._settle()
            except (Conflict, Unavailable):
                raise
            except Exception:
                metrics.consumer_failures.labels(consumer=self.name).inc()
                log.exception("%s cannot fold shard %s, which waits", self.name, batch.shard,
                              extra=self._at(batch.shard, batch.last))  # fmt: skip
                self._careful_until = time.monotonic() + CAREFUL_S
                await self._read_rows_again([batch.shard])
                if batch.shard in self._owned:
                    self._owned[batch.shard].waits_until = time.monotonic() + RETRY_S
                    self._pause(batch.shard)

    async def _fold_own_work(self) -> None:
        """Let the handler go on with work of its own, such as a sweep, unless that rests."""
        started = time.monotonic()
        if started < self._own_work_at:
            return
        waiting = self._handler.pending([shard for shard, owned in self._owned.items() if not owned.waits_until])
        self._has_own_work = bool(waiting)
        if waiting:
            await self._fold([ShardBatch(s, [], [], self._owned[s].pos, self._owned[s].generation) for s in waiting])
            done = time.monotonic()
            arriving = any(owned.heard_at > done - ARRIVING_S for owned in self._owned.values())
            self._own_work_at = done + (max(MORE_S, REST * (done - started)) if arriving else MORE_S)

    async def _fold_together(self, batches: list[ShardBatch]) -> None:
        """Fold, wait for the previous commit, start this one."""
        if not batches:
            return
        moves = [self._plan(batch) for batch in batches]
        folding = tracing.folding(self.name, self.log_name, batches)
        started = time.perf_counter()
        write = await self._handler.fold(batches, self._settle)
        metrics.fold_seconds.labels(consumer=self.name).observe(time.perf_counter() - started)
        await self._settle()
        self._commit = asyncio.create_task(self._commit_batch(moves, write, folding))

    def _plan(self, batch: ShardBatch) -> Move:
        owned = self._owned[batch.shard]
        old, old_inbox = batch.last - len(batch.events), owned.inbox_pos - len(batch.decisions)
        return Move(batch.shard, owned.epoch, old, batch.last, old_inbox, owned.inbox_pos, owned.next_offset)

    async def _commit_batch(self, moves: list[Move], write: Write, folding: tracing.Work) -> None:
        started = time.perf_counter()
        async with self._database.transaction() as connection:
            await ownership.move(connection, self.name, moves)
            reach("consumer.moved")
            await write(connection)
            reach("consumer.written")
        reach("consumer.committed")
        self._handler.committed()
        folding.done()
        metrics.commit_seconds.labels(consumer=self.name).observe(time.perf_counter() - started)
        metrics.folded.labels(consumer=self.name).inc(sum(move.new - move.old for move in moves))

    async def _settle(self) -> None:
        """
        Wait for the commit in flight; whoever waits may be cancelled, the commit is not.

        Raises:
            Conflict, Unavailable: it failed; everything folded since is to be dropped.
        """
        if self._commit is not None:
            await asyncio.wait([self._commit])
            task, self._commit = self._commit, None
            task.result()

    async def _claim(self, shards: Iterable[int]) -> set[int]:
        """Claim those of the shards that are assigned and not owned; return them."""
        now = time.monotonic()
        wanted = sorted(s for s in shards if s not in self._owned and self._may_claim.get(s, float("inf")) <= now)
        if not wanted:
            return set()
        async with self._database.impatient(CLAIM_S) as connection:
            places = await ownership.claim(connection, self.name, wanted, self._settings.slot)
        reach("consumer.claimed")
        await self._adopt(places)
        log.info("%s claimed shards %s", self.name, wanted)
        return set(wanted)

    async def _adopt(self, places: Sequence[Place]) -> None:
        """Go on from stored places, once the handler has loaded what it needs; a shard that it cannot load waits."""
        shards = [place.shard for place in places]
        try:
            await self._handler.claimed(shards)
        except Unavailable:
            raise
        except Exception:
            if len(places) > 1:
                for place in places:
                    await self._adopt([place])
                return
            metrics.consumer_failures.labels(consumer=self.name).inc()
            log.exception("%s cannot load shards %s, which wait", self.name, shards)
            self._handler.forget(shards)
            self._may_claim |= dict.fromkeys(self._may_claim.keys() & shards, time.monotonic() + RETRY_S)
            return
        for shard, epoch, generation, pos, inbox_pos, next_offset in places:
            # A rebalance that did not wait for us any longer may have taken it meanwhile.
            if shard in self._may_claim:
                self._owned[shard] = Owned(epoch, generation, pos, inbox_pos, next_offset, time.monotonic())
                self._go_on(shard)

    async def _read_rows_again(self, shards: Collection[int]) -> None:
        """
        After a failed step: drop caches, then read what is stored.

        Where the epoch is still ours, an earlier commit may have succeeded with its answer lost: go on from the stored
        position. Where it is higher, someone else owns the shard: forget it, and if it is still assigned here one
        session later, claim it again, because by then a zombie has been evicted.
        """
        with contextlib.suppress(Exception):
            await self._settle()
        epochs = {shard: self._owned[shard].epoch for shard in shards if shard in self._owned}
        self._forget(epochs)
        try:
            async with self._database.connection() as connection:
                places = await ownership.places(connection, self.name, epochs)
            await self._adopt([place for place in places if place.epoch == epochs[place.shard]])
        except Exception as error:  # noqa: BLE001  # what is unknown is claimed again once the database answers
            log.warning("%s cannot read where shards %s stand: %s", self.name, sorted(epochs), error)
            self._may_claim |= dict.fromkeys(self._may_claim.keys() & epochs, 0.0)
            return
        lost = [place.shard for place in places if place.epoch != epochs[place.shard]]
        in_a_session = time.monotonic() + self._settings.session_timeout_s
        self._may_claim |= dict.fromkeys(self._may_claim.keys() & lost, in_a_session)

    def _forget(self, shards: Collection[int]) -> None:
        for shard in shards:
            self._owned.pop(shard, None)
        self._handler.forget(shards)

    def _pause(self, shard: int) -> None:
        self._on_consumer(shard, lambda consumer, partition: consumer.pause(partition))

    def _go_on(self, shard: int) -> None:
        """Read on from where the shard stands."""
        owned = self._owned[shard]
        self._on_consumer(shard, lambda consumer, partition: consumer.seek(partition, owned.next_offset))
        self._on_consumer(shard, lambda consumer, partition: consumer.resume(partition))

    def _on_consumer(self, shard: int, act: Callable[[AIOKafkaConsumer, TopicPartition], object]) -> None:
        consumer, partition = self.kafka(), TopicPartition(self.topic, shard)
        if consumer is not None and partition in consumer.assignment():
            act(consumer, partition)
