"""The protocol with one rule taken out at a time. Each is wrong in a way that some system has shipped."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from shared import consumer
from shared.events import Envelope
from shared.folding import Owned, ShardFolder
from tests.model.machine import LogProtocol
from tests.model.outside import Producer, Relay
from tests.model.owner import NAME, Ledger
from tests.model.store import Effect, Session, Store

Mutant = Callable[[pytest.MonkeyPatch], None]


def the_compare_and_set_is_skipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "agrees", lambda self, row, move: True)


def effects_are_written_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    def write(self: Ledger, connection: Session, effects: dict[int, list[Effect]], values: dict[int, int]) -> None:
        for shard, made in effects.items():
            connection.store.rows[NAME, shard].journal.extend(made)
            connection.store.rows[NAME, shard].chain = values[shard]

    patch.setattr(Ledger, "write", write)


def the_position_moves_in_another_transaction_than_the_effects(patch: pytest.MonkeyPatch) -> None:
    real = Store.move

    async def move(self: Store, connection: Session, name: str, moves: Sequence[Any]) -> None:
        await real(self, connection, name, moves)
        for change in connection.changes:
            change()
        connection.changes.clear()

    patch.setattr(Store, "move", move)


def the_cache_outlives_a_lost_shard(patch: pytest.MonkeyPatch) -> None:
    real = Ledger.claimed

    async def claimed(self: Ledger, shards: Collection[int]) -> None:
        await real(self, [shard for shard in shards if shard not in self.cache])

    patch.setattr(Ledger, "forget", lambda self, shards: None)
    patch.setattr(Ledger, "claimed", claimed)


def after_a_lost_answer_memory_is_believed(patch: pytest.MonkeyPatch) -> None:
    async def read_nothing(self: ShardFolder, shards: Collection[int]) -> None:
        return None

    patch.setattr(ShardFolder, "_read_rows_again", read_nothing)


def a_failed_commit_leaves_the_batch_folded_after_it(patch: pytest.MonkeyPatch) -> None:
    async def settle(self: ShardFolder) -> None:
        task, self._commit = self._commit, None
        if task is not None:
            await asyncio.wait([task])
            task.exception()

    patch.setattr(ShardFolder, "_settle", settle)


def _next(accepts: Callable[[Envelope, int, int], bool], reaches: Callable[[Envelope, int, int], bool]) -> Any:
    """Return the product's `_next` with other conditions; they get (event, position, generation)."""

    def next_(events: Sequence[Envelope], owned: Owned) -> tuple[list[Envelope], Envelope | None]:
        accepted: list[Envelope] = []
        for event in events:
            if accepts(event, owned.pos, owned.generation):
                accepted.append(event)
                owned.pos = event.position
            elif not reaches(event, owned.pos, owned.generation):
                return accepted, event
        return accepted, None

    return next_


def _comes_again(event: Envelope, pos: int, generation: int) -> bool:
    return event.generation < generation or (event.generation == generation and event.position <= pos)


def last_plus_two_is_accepted(patch: pytest.MonkeyPatch) -> None:
    # The position must not be compared either: it would not fit the number of events.
    patch.setattr(Store, "agrees", lambda self, row, move: row.epoch == move.epoch)
    accepts = lambda e, pos, g: e.generation == g and pos < e.position <= pos + 2  # noqa: E731
    patch.setattr(consumer, "_next", _next(accepts, _comes_again))


def what_comes_again_is_folded_again(patch: pytest.MonkeyPatch) -> None:
    accepts = lambda e, pos, g: e.generation == g and e.position <= pos + 1  # noqa: E731
    patch.setattr(consumer, "_next", _next(accepts, _comes_again))


def a_hole_is_stepped_over_without_asking_the_feed(patch: pytest.MonkeyPatch) -> None:
    accepts = lambda e, pos, g: e.generation == g and e.position == pos + 1  # noqa: E731
    patch.setattr(consumer, "_next", _next(accepts, lambda e, pos, g: True))
    patch.setattr(consumer.ShardConsumer, "_look_for_lost_tails", _nothing)


async def _nothing(self: Any) -> None:
    return None


def a_higher_generation_is_folded_unasked(patch: pytest.MonkeyPatch) -> None:
    accepts = lambda e, pos, g: e.position == pos + 1  # noqa: E731
    patch.setattr(consumer, "_next", _next(accepts, lambda e, pos, g: e.position <= pos))
    patch.setattr(consumer.ShardConsumer, "_stopped", lambda self, shard, owned, generation: False)


def a_generation_is_accepted_beyond_where_the_logs_agree(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogProtocol, "bring_back", lambda self, row, pos: None)


def an_idle_consumer_never_asks_for_the_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(consumer.ShardConsumer, "_look_for_lost_tails", _nothing)


def only_new_events_wake_the_inbox(patch: pytest.MonkeyPatch) -> None:
    async def fold(self: Any, inbox: Any) -> None:
        return None

    patch.setattr(consumer.ShardConsumer, "_fold_inbox", fold)


def the_inbox_is_no_part_of_the_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "agrees", lambda self, row, move: row.pos == move.old)


def a_rolled_back_append_takes_a_position(patch: pytest.MonkeyPatch) -> None:
    real = Producer.append

    def append(self: Producer, shard: int, count: int, *, rolled_back: bool) -> None:
        real(self, shard, count, rolled_back=rolled_back)
        if rolled_back:
            self.heads[shard] += count

    patch.setattr(Producer, "append", append)


def the_relay_raises_its_cursor_to_the_tail(patch: pytest.MonkeyPatch) -> None:
    def lower(self: Relay, shard: int) -> None:
        tail = self.topic.tail(shard, self.producer.generation)
        if tail is not None:
            self.producer.cursor[shard] = self.held[shard] = min(tail, len(self.producer.log[shard]))

    patch.setattr(Relay, "lower", lower)


def the_relay_never_lowers_its_cursor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Relay, "lower", lambda self, shard: None)


def the_relay_moves_before_the_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    real = Relay.send

    def send(self: Relay, shard: int, count: int, fate: str) -> None:
        start = self.held[shard]
        end = min(start + count, len(self.producer.log[shard]))
        if start < end and self.producer.cursor[shard] == start:
            self.producer.cursor[shard] = end
        real(self, shard, count, fate)

    patch.setattr(Relay, "send", send)


ALL: tuple[Mutant, ...] = (
    the_compare_and_set_is_skipped,
    effects_are_written_outside_the_transaction,
    the_position_moves_in_another_transaction_than_the_effects,
    the_cache_outlives_a_lost_shard,
    after_a_lost_answer_memory_is_believed,
    a_failed_commit_leaves_the_batch_folded_after_it,
    last_plus_two_is_accepted,
    what_comes_again_is_folded_again,
    a_hole_is_stepped_over_without_asking_the_feed,
    a_higher_generation_is_folded_unasked,
    a_generation_is_accepted_beyond_where_the_logs_agree,
    an_idle_consumer_never_asks_for_the_head,
    only_new_events_wake_the_inbox,
    the_inbox_is_no_part_of_the_compare_and_set,
    a_rolled_back_append_takes_a_position,
    the_relay_raises_its_cursor_to_the_tail,
    the_relay_never_lowers_its_cursor,
    the_relay_moves_before_the_acknowledgement,
)
