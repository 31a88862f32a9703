"""The shard log's protocol under every fault that it is built for, as rules; its promises as invariants."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared import ownership
from tests.model.outside import SHARDS, Feed, Producer, Relay, Topic
from tests.model.owner import NAME, Process, idle
from tests.model.store import End, Row, Store, folded

shards = st.integers(0, SHARDS - 1)
counts = st.integers(1, 4)
places = st.integers(0, 1)
QUIET_ROUNDS = 60
FATES = ("answered", "unanswered", "later part", "never", "crash before the move")


class LogProtocol(RuleBasedStateMachine):
    """Two shards, two processes that may both believe they own them, two relays, one producer that may be restored."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.loop = asyncio.new_event_loop()
        self.store = Store()
        self.producer = Producer()
        self.topic = Topic()
        self.feed = Feed(self.producer)
        self.relays = [Relay(self.producer, self.topic) for _ in range(2)]
        self.processes = [self.new_process() for _ in range(2)]
        ownership.claim = self.store.claim  # type: ignore[assignment]
        ownership.places = self.store.places  # type: ignore[assignment]
        ownership.move = self.store.move  # type: ignore[assignment]

    def new_process(self) -> Process:
        return Process(self.store, self.topic, self.feed)

    def do(self, place: int, step: Coroutine[Any, Any, Any]) -> None:
        """Let a process take a step, unless its last one is stuck behind an open commit."""
        self.processes[place].attempt(self.loop, step)

    @initialize()
    def first_assignment(self) -> None:
        self.rebalance(0, list(range(SHARDS)), told=True)

    # The producer and its relays.

    @rule(shard=shards, count=counts, rolled_back=st.booleans())
    def append(self, shard: int, count: int, rolled_back: bool) -> None:
        self.producer.append(shard, count, rolled_back=rolled_back)

    @rule(relay=st.integers(0, 1), shard=shards, count=counts, fate=st.sampled_from(FATES))
    def relay_sends(self, relay: int, shard: int, count: int, fate: str) -> None:
        self.relays[relay].send(shard, count, fate)

    @rule(shard=shards, count=counts, place=places)
    def flow(self, shard: int, count: int, place: int) -> None:
        """Events go all the way, as they mostly do."""
        self.producer.append(shard, count, rolled_back=False)
        self.relays[0].send(shard, 8, "answered")
        self.poll(place, 8)

    @rule(what=st.sampled_from(["tail", "topic", "retention", "feed", "relay", "restore"]), shard=shards, count=counts)
    def disaster(self, what: str, shard: int, count: int) -> None:
        """A partition loses its end, the topic all, retention what nobody read yet; the log goes back to a backup."""
        values = self.topic.values[shard]
        if what == "tail":
            del values[max(self.topic.begins[shard], len(values) - count) :]
        elif what == "topic":
            self.topic.lose()
        elif what == "retention":
            self.topic.begins[shard] = len(values)
        elif what == "feed":
            self.feed.away = not self.feed.away
        elif what == "restore" and self.producer.generation < 3:
            self.producer.restore(shard, count)
        for relay in self.relays if what in ("relay", "restore") else ():
            relay.start()

    @precondition(lambda self: any(row.generation < self.producer.generation for row in self.rows()))
    @rule()
    def accept_the_generation(self) -> None:
        """An operator brings the consumer back to where the restored log still agrees, then accepts."""
        for shard, row in enumerate(self.rows()):
            if not row.lock.locked() and row.generation < self.producer.generation:
                self.bring_back(row, self.producer.agrees_to(row.generation, shard))
                row.generation, row.epoch = self.producer.generation, row.epoch + 1

    def bring_back(self, row: Row, pos: int) -> None:
        while row.pos > pos:
            effect = row.journal.pop()
            if effect.input == "log":
                row.pos -= 1
            else:
                row.inbox_pos -= 1
        row.chain = folded(row.journal)

    # The consumers.

    @rule(shard=shards, place=places)
    def somebody_decides(self, shard: int, place: int) -> None:
        inbox = self.store.rows[NAME, shard].inbox
        inbox.append(1000 + len(inbox))
        self.do(place, self.processes[place].tick())

    @rule(place=places, taken=st.lists(shards, unique=True, max_size=SHARDS), told=st.booleans())
    def rebalance(self, place: int, taken: list[int], told: bool) -> None:
        """A process gets partitions; the other is told, or goes on as a zombie."""
        other = self.processes[1 - place]
        if told:
            self.do(1 - place, other.consumer.on_partitions_revoked(sorted(other.reader.assignment())))
            other.reader.assign([])
        process = self.processes[place]
        process.consumer.on_partitions_assigned(process.reader.assign(taken))
        self.do(place, process.tick())

    @rule(place=places, count=counts)
    def poll(self, place: int, count: int) -> None:
        if not self.processes[place].stuck:
            self.do(place, self.processes[place].consumer.on_records(self.processes[place].reader.poll(count)))

    @rule(place=places, shard=shards, start=st.integers(0, 12), count=counts, swapped=st.booleans())
    def late_delivery(self, place: int, shard: int, start: int, count: int, swapped: bool) -> None:
        """Records of an earlier assignment, repeated, or a later run before an earlier one."""
        records = self.topic.records(shard, start, count)
        earlier = self.topic.records(shard, max(0, start - count), count) if swapped else []
        if records or earlier:
            self.do(place, self.processes[place].consumer.on_records([*records, *earlier]))

    @rule(place=places)
    def beat(self, place: int) -> None:
        self.do(place, self.processes[place].tick())
        self.do(place, self.processes[place].watch())

    @rule(place=places, what=st.sampled_from(["rollback", "lost", "held", "raises", "reads"]))
    def trouble(self, place: int, what: str) -> None:
        """The next commit fails, or loses its answer, or stays open; the next fold raises, or reads the database first."""
        process = self.processes[place]
        if what in ("raises", "reads"):
            setattr(process.handler, what, True)
        elif what == "held":
            process.database.hold = True
        else:
            process.database.ends.append(cast("End", what))

    @rule(place=places, end=st.sampled_from(["commit", "rollback", "lost"]))
    def held_commit_ends(self, place: int, end: End) -> None:
        held = self.processes[place].database.held
        if held is not None and not held[1].done():
            held[1].set_result(end)
            self.loop.run_until_complete(idle())

    @rule(place=places, happened=st.booleans())
    def crash(self, place: int, happened: bool) -> None:
        """kill -9, with its open transaction committed by the server or not."""
        process = self.processes[place]
        if happened and process.database.held is not None:
            process.database.held[0].end(happened=True)
        self.loop.run_until_complete(process.kill())
        self.processes[place] = after = self.new_process()
        after.consumer.on_partitions_assigned(after.reader.assign(list(process.reader.offsets)))

    # The promises.

    def rows(self) -> list[Row]:
        return [self.store.rows[NAME, shard] for shard in range(SHARDS)]

    @invariant()
    def positions_are_dense(self) -> None:
        for shard in range(SHARDS):
            positions = self.producer.positions[shard]
            assert positions == list(range(1, len(positions) + 1)), "the log has a hole"
            indexes = [effect.place for effect in self.store.rows[NAME, shard].journal]
            assert indexes == list(range(1, len(indexes) + 1)), "the journal has a hole or a repeat"

    @invariant()
    def each_effect_is_there_once_and_nothing_is_stepped_over(self) -> None:
        for shard, row in enumerate(self.rows()):
            positions = [effect.pos for effect in row.journal if effect.input == "log"]
            assert positions == list(range(1, row.pos + 1)), f"folded {positions}, the row says {row.pos}"
            decided = [effect.pos for effect in row.journal if effect.input == "inbox"]
            assert decided == list(range(1, row.inbox_pos + 1)), f"decided {decided}, the row says {row.inbox_pos}"
            reference = self.producer.reference(row.generation, shard)
            assert [e.n for e in row.journal if e.input == "log"] == reference[: row.pos], (
                "folded what is not in the log"
            )

    @invariant()
    def the_folded_state_is_the_reference_fold(self) -> None:
        for row in self.rows():
            assert row.chain == folded(row.journal), "the state is not the fold of the journal"

    @invariant()
    def a_generation_is_folded_only_once_it_is_accepted(self) -> None:
        for row in self.rows():
            assert all(effect.generation <= row.generation for effect in row.journal), "folded an unaccepted generation"

    @invariant()
    def a_relay_steps_over_nothing_unacknowledged(self) -> None:
        for shard in range(SHARDS):
            events = self.producer.log[shard]
            sent = self.producer.acknowledged[shard]
            skipped = [p for p in range(1, self.producer.cursor[shard] + 1) if (p, events[p - 1]) not in sent]
            assert not skipped, f"the cursor stands behind {skipped}, which Kafka never acknowledged"

    def teardown(self) -> None:
        try:
            self.catch_up()
        finally:
            for process in self.processes:
                self.loop.run_until_complete(process.kill())
            self.loop.close()
            logging.disable(logging.NOTSET)

    def catch_up(self) -> None:
        """Heal everything; then everything is caught up within a bounded time, and every promise still holds."""
        self.feed.away = False
        for place, process in enumerate(self.processes):
            process.database.ends.clear()
            process.database.hold = process.handler.raises = False
            self.held_commit_ends(place, "commit")
        self.loop.run_until_complete(self.processes[1].kill())
        self.accept_the_generation()
        self.rebalance(0, list(range(SHARDS)), told=False)
        for _ in range(QUIET_ROUNDS):
            self.relays[0].start()
            for shard in range(SHARDS):
                self.relays[0].send(shard, 8, "answered")
            self.poll(0, 8)
            self.beat(0)
            self.do(0, self.processes[0].settle())
            if not self.missing():
                break
        assert not self.missing(), self.missing()
        self.positions_are_dense()
        self.each_effect_is_there_once_and_nothing_is_stepped_over()
        self.the_folded_state_is_the_reference_fold()

    def missing(self) -> str:
        """Say what is not caught up."""
        for shard, row in enumerate(self.rows()):
            head, tail = len(self.producer.log[shard]), self.topic.tail(shard, self.producer.generation)
            if (row.pos, row.inbox_pos) != (head, len(row.inbox)):
                return f"shard {shard} stays at {row.pos} of {head} and {row.inbox_pos} of {len(row.inbox)} decisions"
            if self.producer.cursor[shard] != head or (tail is not None and tail != head):
                return f"partition {shard} is filled to {tail}, the cursor at {self.producer.cursor[shard]} of {head}"
        return ""
