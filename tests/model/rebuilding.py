"""Rebuilding a read model while it is read, folded and handed from process to process: nothing read ever goes back."""

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.reporting.entrypoints.consuming import ModelConsumer
from services.reporting.handlers.rebuilding import Rebuilder
from services.reporting.tables import rebuilds
from services.reporting.tables.read_models import consumer_name
from services.reporting.tables.rebuilds import Attempt, Progress
from shared import ownership
from shared.consumer import ShardConsumer
from shared.errors import AttainError, Conflict, Refused
from shared.events import Envelope
from shared.handling import Settle, ShardBatch, Stateless, Write
from tests.model.outside import SHARDS, Feed, Producer, Topic
from tests.model.owner import SETTINGS, Process, fact, idle
from tests.model.store import Database, Effect, End, Row, Session, Store, folded
from tests.support.recorder import chained

MODEL = "mastery"
shards = st.integers(0, SHARDS - 1)
counts = st.integers(1, 4)
places = st.integers(0, 1)
QUIET_ROUNDS = 100
STATEMENTS = (
    "begin",
    "tie",
    "hold",
    "leave_to_the_switch",
    "progress",
    "move",
    "fingerprints",
    "switch",
    "fail",
    "status",
)
"""Those of `tables.rebuilds` that a builder uses; the machine puts its own in their place."""


@dataclasses.dataclass
class Model:
    """The row of the read model: which version is read, and who builds the next."""

    live: int = 1
    attempt: int = 0
    building: bool = False
    stale: bool = False
    session: Session | None = None
    """That of the attempt."""
    killed: set[int] = dataclasses.field(default_factory=set)
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)


class Shown(Stateless):
    """A version of the read model; like the real ones it caches nothing."""

    edition = 1

    def __init__(self, version: int, blocked_max: int) -> None:
        self.consumer = consumer_name(MODEL, version)

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Return what writes the events of the batches."""

        async def write(connection: Any) -> None:
            for batch in batches:
                self.write(connection, batch)

        return write

    def write(self, connection: Session, batch: ShardBatch) -> None:
        """Write a batch when the transaction commits."""
        row = connection.store.rows[self.consumer, batch.shard]
        effects = [Effect(e.position, "log", e.position, fact(e), e.generation) for e in batch.events]

        def change() -> None:
            row.journal += effects
            for effect in effects:
                row.chain = chained(row.chain, effect.n)

        connection.change(change)


class Statements:
    """The statements of `tables.rebuilds` over the store."""

    def __init__(self, store: Store, model: Model) -> None:
        self.store = store
        self.model = model

    def row(self, consumer: str, shard: int) -> Row:
        """Return the row of a shard."""
        return self.store.rows[consumer, shard]

    async def begin(self, connection: Session, model: str) -> Attempt:
        """Begin an attempt, where none is alive."""
        await connection.lock(self.model)
        if self.model.building and not self.model.stale and self._lives():
            raise Refused("it is being rebuilt")
        attempt = Attempt(model, self.model.live + 1, self.model.live, self.model.attempt + 1)

        def change() -> None:
            self.model.attempt, self.model.building, self.model.stale = attempt.number, True, False
            for shard in range(SHARDS):
                self.store.rows[attempt.consumer, shard] = Row()

        connection.change(change)
        return attempt

    async def tie(self, session: Session, attempt: Attempt) -> None:
        """Let the attempt end with its session."""
        session.change(lambda: setattr(self.model, "session", session))

    def _lives(self) -> bool:
        return self.model.session is not None and not self.model.session.ended

    async def hold(self, connection: Session, attempt: Attempt) -> None:
        """Refuse an attempt that another has replaced, or may replace."""
        await connection.lock(self.model)
        if not self.model.building or self.model.attempt != attempt.number or not self._lives():
            raise Conflict("another attempt has begun")
        self.model.stale = False

    async def leave_to_the_switch(self, connection: Session) -> None:
        """Nothing: a crash of the database is not modelled."""

    async def progress(self, connection: Session, attempt: Attempt, *, stop_live: bool = False) -> list[Progress]:
        """Return where the shards stand, with what the transaction itself has moved."""
        found = []
        for shard in range(SHARDS):
            live, built = self.row(attempt.live_consumer, shard), self.row(attempt.consumer, shard)
            if stop_live:
                await connection.lock(live)
            found.append((shard, live, connection.moved.get(id(built), built.pos)))
        return [Progress(shard, live.generation, pos, live.pos) for shard, live, pos in found]

    async def move(self, connection: Session, attempt: Attempt, shard: int, old: int, new: int) -> None:
        """Compare and set a position of the build."""
        row = self.row(attempt.consumer, shard)
        await connection.lock(row)
        if not self.agrees(connection, row, old):
            raise Conflict("someone else moved it")
        connection.moved[id(row)] = new
        connection.change(lambda: setattr(row, "pos", new))

    def agrees(self, connection: Session, row: Row, old: int) -> bool:
        """Tell whether a row is where the builder thinks."""
        return connection.moved.get(id(row), row.pos) == old

    async def fingerprints(self, connection: Session, attempt: Attempt) -> dict[str, Any]:
        """Nothing: what is in the rows is held against the log below."""
        return {}

    async def switch(self, connection: Session, attempt: Attempt, detail: str, edition: int) -> None:
        """Let the built version be read."""

        def change() -> None:
            self.model.live, self.model.building = attempt.version, False
            for shard in range(SHARDS):
                self.row(attempt.consumer, shard).next_offset = self.row(attempt.live_consumer, shard).next_offset

        connection.change(change)

    async def fail(self, connection: Session, attempt: Attempt, detail: str) -> None:
        """End an attempt, unless its process is dead or another has begun."""
        if attempt.number == self.model.attempt and attempt.number not in self.model.killed:
            self.model.building = False

    async def status(self, connection: Session, model: str) -> dict[str, Any]:
        """Say something."""
        return {"state": "building"}


class SlowFeed(Feed):
    """The feed as a builder reads it: a page at a time, when the machine says so."""

    def __init__(self, producer: Producer) -> None:
        super().__init__(producer)
        self.pages = asyncio.Semaphore(0)
        self.awaited = False

    async def read(self, log: str, shard: int, after: int, limit: int) -> list[Envelope]:
        """Return a page once there is one to be had."""
        self.awaited = True
        await self.pages.acquire()
        self.awaited = False
        return await super().read(log, shard, after, limit)


class Reporting(Process):
    """A process that folds the version which it takes for the live one."""

    def composed(self, feed: Feed) -> ShardConsumer:
        """Return the product's consumer of a read model."""
        return ModelConsumer(MODEL, 1, self.database, feed, SETTINGS)  # type: ignore[arg-type]

    async def follow(self, version: int) -> None:
        """Notice a switch."""
        await cast("ModelConsumer", self.consumer).follow(version)


class Builder:
    """A process that rebuilds."""

    def __init__(self, store: Store, producer: Producer) -> None:
        self.database = Database(store)
        self.feed = SlowFeed(producer)
        settings = SETTINGS.model_copy(update={"batch_records": 2})
        self.rebuilder = Rebuilder(self.database, {MODEL: self.feed}, settings)  # type: ignore[arg-type, dict-item]

        self.beginning: asyncio.Task[Any] | None = None

    async def begin(self) -> None:
        """Begin, unless someone is at it; that may have to wait for a switch."""
        if self.beginning is None or self.beginning.done():
            self.beginning = asyncio.create_task(self.rebuilder.begin(MODEL, accept_differences=False))
        await idle()
        if self.beginning.done() and not isinstance(self.beginning.exception(), AttainError):
            self.beginning.result()

    async def go_on(self, pages: int) -> None:
        """Let some pages come."""
        for _ in range(pages):
            if self.feed.awaited:
                self.feed.pages.release()
                await idle()

    async def kill(self) -> None:
        """End it at once."""
        if self.beginning is not None:
            self.beginning.cancel()
            await asyncio.wait([self.beginning])
        await self.rebuilder.stop()


class RebuildProtocol(RuleBasedStateMachine):
    """Two processes that fold, two that rebuild, one log; a switch is noticed whenever it is."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.loop = asyncio.new_event_loop()
        self.store, self.model = Store(), Model()
        self.producer, self.topic = Producer(), Topic()
        self.feed = Feed(self.producer)
        self.processes = [Reporting(self.store, self.topic, self.feed) for _ in range(2)]
        self.builders = [Builder(self.store, self.producer) for _ in range(2)]
        self.read = [0] * SHARDS
        self.switches = 0
        statements = Statements(self.store, self.model)
        for name in STATEMENTS:
            setattr(rebuilds, name, getattr(statements, name))
        for name in ("claim", "places", "move"):
            setattr(ownership, name, getattr(self.store, name))

    def do(self, place: int, step: Any) -> None:
        """Let a process take a step, unless its last one waits for the builder's locks."""
        self.processes[place].attempt(self.loop, step)

    @initialize()
    def first_assignment(self) -> None:
        self.rebalance(0, told=True)

    @rule(shard=shards, count=counts, sent=st.booleans(), place=places)
    def append(self, shard: int, count: int, sent: bool, place: int) -> None:
        """Events come, to the topic or so far to the feed alone."""
        self.producer.append(shard, count, rolled_back=False)
        if sent:
            first = len(self.topic.values[shard]) + 1
            last = len(self.producer.log[shard])
            self.topic.values[shard] += [self.producer.event(shard, pos) for pos in range(first, last + 1)]
            self.poll(place, 4)

    @rule(place=places, count=counts)
    def poll(self, place: int, count: int) -> None:
        if not self.processes[place].stuck:
            self.do(place, self.processes[place].consumer.on_records(self.processes[place].reader.poll(count)))

    @rule(place=places)
    def beat(self, place: int) -> None:
        self.do(place, self.processes[place].tick())
        self.do(place, self.processes[place].watch())

    @rule(place=places, told=st.booleans())
    def rebalance(self, place: int, told: bool) -> None:
        """A process gets all partitions; the other is told, or goes on as a zombie."""
        other = self.processes[1 - place]
        if told:
            self.do(1 - place, other.consumer.on_partitions_revoked(sorted(other.reader.assignment())))
            other.reader.assign([])
        process = self.processes[place]
        process.consumer.on_partitions_assigned(process.reader.assign(range(SHARDS)))
        self.do(place, process.tick())

    @rule(place=places, what=st.sampled_from(["rollback", "lost"]))
    def trouble(self, place: int, what: str) -> None:
        """The next commit of a process fails or loses its answer."""
        self.processes[place].database.ends.append(cast("End", what))

    @rule(place=places)
    def a_switch_is_noticed(self, place: int) -> None:
        self.do(place, self.processes[place].follow(self.model.live))

    @rule(place=places)
    def begin_a_rebuild(self, place: int) -> None:
        self.loop.run_until_complete(self.builders[place].begin())

    @rule(place=places, pages=st.integers(1, 8))
    def a_build_goes_on(self, place: int, pages: int) -> None:
        self.loop.run_until_complete(self.builders[place].go_on(pages))

    @rule(place=places, what=st.sampled_from(["rollback", "lost", "killed", "feed", "stale", "cut off"]))
    def a_build_meets_trouble(self, place: int, what: str) -> None:
        """Its commit fails, it dies, its feed is away, it was so slow that another may begin, or its session was ended."""
        builder = self.builders[place]
        if what == "killed":
            self.kill(place)
        elif what == "feed":
            builder.feed.away = not builder.feed.away
        elif what == "stale":
            self.model.stale = True
        elif what == "cut off":
            if self.model.session is not None:
                self.model.session.ended = True
        else:
            builder.database.ends.append(cast("End", what))

    @rule(place=places, shard=shards, count=counts, folding=places)
    def a_build_under_traffic(self, place: int, shard: int, count: int, folding: int) -> None:
        """Events are folded while a build waits for its last page."""
        self.begin_a_rebuild(place)
        self.append(shard, count, sent=True, place=folding)
        self.a_build_goes_on(place, 8)

    @rule(place=places, pages=st.integers(0, 3), later=st.integers(0, 3))
    def a_build_is_overtaken(self, place: int, pages: int, later: int) -> None:
        """It was so slow that it was taken for dead; another begins, and then it goes on."""
        self.begin_a_rebuild(place)
        self.a_build_goes_on(place, pages)
        self.model.stale = True
        self.begin_a_rebuild(1 - place)
        self.a_build_goes_on(1 - place, pages)
        self.a_build_goes_on(place, later)

    def kill(self, place: int) -> None:
        self.model.killed.add(self.model.attempt)
        self.loop.run_until_complete(self.builders[place].kill())
        self.builders[place] = Builder(self.store, self.producer)

    def live(self, shard: int) -> Row:
        """Return the row that readers see."""
        return self.store.rows[consumer_name(MODEL, self.model.live), shard]

    @invariant()
    def what_was_read_never_goes_back(self) -> None:
        for shard in range(SHARDS):
            assert self.live(shard).pos >= self.read[shard], "a reader sees less than before"
            self.read[shard] = self.live(shard).pos

    @invariant()
    def every_version_is_the_fold_of_the_log_up_to_where_it_says(self) -> None:
        for (consumer, shard), row in self.store.rows.items():
            positions = [effect.pos for effect in row.journal]
            assert positions == list(range(1, row.pos + 1)), f"{consumer} folded {positions}, its row says {row.pos}"
            assert [effect.n for effect in row.journal] == self.producer.log[shard][: row.pos]
            assert row.chain == folded(row.journal)

    def teardown(self) -> None:
        try:
            self.catch_up()
        finally:
            for builder in self.builders:
                self.loop.run_until_complete(builder.kill())
            for process in self.processes:
                self.loop.run_until_complete(process.kill())
            self.loop.close()
            logging.disable(logging.NOTSET)

    def catch_up(self) -> None:
        """Heal everything: then a rebuild ends in a switch, and all is shown."""
        for place in range(2):
            self.kill(place)
            self.processes[place].database.ends.clear()
        self.model.stale = True
        version = self.model.live
        self.begin_a_rebuild(0)
        self.a_build_goes_on(0, 1000)
        assert self.model.live == version + 1, "a rebuild does not end"
        self.loop.run_until_complete(self.processes[1].kill())
        self.rebalance(0, told=False)
        heads = [len(log) for log in self.producer.log]
        for _ in range(QUIET_ROUNDS):
            self.a_switch_is_noticed(0)
            self.poll(0, 50)
            self.beat(0)
            if [self.live(shard).pos for shard in range(SHARDS)] == heads:
                break
        assert [self.live(shard).pos for shard in range(SHARDS)] == heads, "events are not shown"
        self.what_was_read_never_goes_back()
        self.every_version_is_the_fold_of_the_log_up_to_where_it_says()
