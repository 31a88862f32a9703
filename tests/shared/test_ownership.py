"""Who owns a shard when several think they do. The owners are driven by hand, so that each race has one order."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiokafka import ConsumerRecord, TopicPartition

from shared import folding, ownership
from shared.consumer import ShardConsumer
from shared.database import Database
from shared.errors import Conflict, Unavailable
from shared.event_log import EventLog
from shared.events import Draft, encode_json, envelope, placed
from shared.feed import FeedClient
from shared.observability import metrics
from shared.ownership import Move
from shared.settings import Settings
from tests.support.disposable import eventually
from tests.support.recorder import LogInbox, Recorder, chain_holds, folded

Records = Sequence[ConsumerRecord[bytes, bytes]]


def records(shard: int, *positions: int) -> Records:
    """Return what a poll brings of a shard: event n at offset n - 1."""
    made = []
    for n in positions:
        body = envelope(id=str(n), source="test", type="attain.test.v1", tenant="t", subject="s",
                        time="2026-01-01T00:00:00.000000Z", data=encode_json({"n": n}))  # fmt: skip
        value = placed(body, 1, shard, n)
        made.append(ConsumerRecord("attain.test", shard, n - 1, 0, 0, b"t|s", value, None, 3, len(value), ()))
    return made


class Owners:
    """Owners of one consumer's shards over one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings.model_copy(update={"session_timeout_s": 0.3})
        self.feed = FeedClient("http://127.0.0.1:9", settings)

    async def one(self) -> ShardConsumer:
        """Return an owner that all shards are assigned to."""
        owner = ShardConsumer("recorder", "test", self.database, Recorder(self.database), self.feed, self.settings)
        await owner.prepare()
        owner.on_partitions_assigned(partitions())
        return owner

    async def stored(self) -> dict[int, int]:
        """Return the stored positions."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select shard, pos from consumer_shard")
        return {row["shard"]: row["pos"] for row in rows}


def partitions() -> list[TopicPartition]:
    """Return all partitions."""
    return [TopicPartition("attain.test", shard) for shard in range(4)]


async def claim(owner: ShardConsumer, *shards: int) -> None:
    """Let an owner claim shards, as the first record of each does."""
    await owner.on_records([record for shard in shards for record in records(shard, 1)])


@pytest_asyncio.fixture
async def owners(database: Database, local: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Owners]:
    monkeypatch.setattr(folding, "RETRY_S", 0.02)
    monkeypatch.setattr("shared.consumer.RETRY_S", 0.02)
    made = Owners(database, local)
    yield made
    await made.feed.close()


async def test_a_stopped_owner_in_the_middle_of_a_copy_does_not_stop_the_next(
    owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "CLAIM_S", 0.2)
    owner = await owners.one()
    stuck, ended = asyncio.Event(), asyncio.Event()

    async def rows() -> AsyncIterator[tuple[int]]:
        stuck.set()
        await ended.wait()
        yield (1,)

    async def stop_within_a_batch() -> None:
        async with owners.database.transaction() as connection:
            await connection.execute("create temporary table slow (n int) on commit drop")
            await connection.fetch("select from consumer_shard for update")
            await connection.copy_records_to_table("slow", records=rows())

    stopped = asyncio.create_task(stop_within_a_batch())
    await stuck.wait()
    async with asyncio.timeout(5):
        await claim(owner, 0, 1, 2, 3)
    ended.set()

    assert sorted(owner.owned()) == [0, 1, 2, 3]
    with pytest.raises(Unavailable):
        await stopped


async def test_a_session_that_stops_in_a_transaction_is_ended_by_the_server(owners: Owners) -> None:
    async with owners.database.connection() as connection:
        assert await connection.fetchval("show idle_in_transaction_session_timeout") == "15s"


async def test_a_shard_is_folded_by_its_owner_alone(owners: Owners) -> None:
    """The zombie still holds the shard in memory, and every batch of it fails."""
    zombie, owner = await owners.one(), await owners.one()
    await claim(zombie, 0)
    await zombie.on_records(records(0, *range(1, 6)))
    await zombie._settle()
    await claim(owner, 0)
    fences = metrics.fences_lost.labels(consumer="recorder")._value.get()

    await zombie.on_records(records(0, *range(6, 11)))
    await owner.on_records(records(0, *range(6, 9)))
    await zombie.on_records(records(0, *range(11, 13)))
    await owner.on_records(records(0, *range(8, 13)))
    await owner._settle()

    assert zombie.owned() == {}
    assert fences + 1 == metrics.fences_lost.labels(consumer="recorder")._value.get()
    assert await folded(owners.database) == {0: list(range(1, 13))}
    assert await chain_holds(owners.database)


async def test_only_the_lost_shard_is_forgotten(owners: Owners) -> None:
    """The batch held two shards; the other one begins anew from its row."""
    zombie, owner = await owners.one(), await owners.one()
    await claim(zombie, 0, 1)
    await claim(owner, 0)
    await zombie.on_records([*records(0, 1, 2), *records(1, 1, 2)])
    await zombie.on_records([])
    await zombie.on_records(records(1, 1, 2, 3))
    await zombie.on_records(records(1, 1, 2, 3))
    await zombie._settle()

    assert zombie.owned() == {1: 3}
    assert await owners.stored() == {0: 0, 1: 3, 2: 0, 3: 0}


async def test_a_lost_shard_that_stays_assigned_is_claimed_a_session_later(owners: Owners) -> None:
    first, second = await owners.one(), await owners.one()
    await claim(first, 0)
    await claim(second, 0)
    await first.on_records(records(0, 1))
    await first._guarded(first._settle())
    await claim(first, 0)
    assert first.owned() == {}

    await asyncio.sleep(owners.settings.session_timeout_s + 0.05)
    await claim(first, 0)
    assert first.owned() == {0: 0}


async def test_a_claim_waits_for_the_commit_of_the_owner_before(owners: Owners) -> None:
    before, after = await owners.one(), await owners.one()
    started = asyncio.Event()

    async def slowly() -> None:
        started.set()
        await asyncio.sleep(0.3)

    before._handler.writing = lambda connection: slowly()  # type: ignore[attr-defined]
    await claim(before, 0)
    await before.on_records(records(0, 1, 2, 3))
    await started.wait()
    await claim(after, 0)

    assert after.owned() == {0: 3}
    await before._settle()
    assert await folded(owners.database) == {0: [1, 2, 3]}


async def test_owners_that_race_for_a_shard_have_every_effect_once(owners: Owners) -> None:
    racing = [await owners.one() for _ in range(3)]

    async def work(owner: ShardConsumer) -> None:
        while (await owners.stored())[0] < 200:
            pos = (await owners.stored())[0]
            await owner.on_records(records(0, *range(pos + 1, min(pos + 8, 201))))
            await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await asyncio.gather(*(work(owner) for owner in racing))

    assert await folded(owners.database) == {0: list(range(1, 201))}
    assert await chain_holds(owners.database)


async def test_a_revocation_waits_for_the_commit_and_forgets_the_shards(owners: Owners) -> None:
    owner = await owners.one()

    async def slowly() -> None:
        await asyncio.sleep(0.2)

    owner._handler.writing = lambda connection: slowly()  # type: ignore[attr-defined]
    await claim(owner, 0, 1)
    await owner.on_records([*records(0, 1, 2), *records(1, 1)])
    await owner.on_partitions_revoked(partitions())

    assert owner.owned() == {}
    assert await owners.stored() == {0: 2, 1: 1, 2: 0, 3: 0}
    await owner.on_records(records(0, 3))
    assert owner.owned() == {}


async def test_a_revocation_does_not_wait_for_ever(owners: Owners, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group goes on without us; what still commits then is in the row, or fails there."""
    monkeypatch.setattr(folding, "REVOKE_S", 0.1)
    owner, next_owner = await owners.one(), await owners.one()
    go_on = asyncio.Event()
    owner._handler.writing = lambda connection: go_on.wait()  # type: ignore[attr-defined]
    await claim(owner, 0)
    await owner.on_records(records(0, 1, 2))
    await owner.on_partitions_revoked(partitions())
    assert owner.owned() == {}

    claiming = asyncio.create_task(claim(next_owner, 0))
    await asyncio.sleep(0.1)
    go_on.set()
    await claiming
    assert next_owner.owned() == {0: 2}
    await owner.stop()


async def test_a_batch_that_is_cancelled_leaves_nothing_behind_in_memory(owners: Owners) -> None:
    """The next one begins from the row, not from what was folded and never committed."""
    owner = await owners.one()
    await claim(owner, 0)
    go_on = asyncio.Event()
    owner._handler.writing = lambda connection: go_on.wait()  # type: ignore[attr-defined]
    await owner.on_records(records(0, 1, 2))
    stuck = asyncio.create_task(owner.on_records(records(0, 3, 4)))
    await asyncio.sleep(0.05)
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    go_on.set()

    await claim(owner, 0)
    await owner.on_records(records(0, 1, 2, 3, 4))
    await owner._settle()
    assert await folded(owners.database) == {0: [1, 2, 3, 4]}
    assert await chain_holds(owners.database)


async def test_a_stopped_owner_claims_nothing_any_more(owners: Owners) -> None:
    owner = await owners.one()
    await claim(owner, 0)
    await owner.on_records(records(0, 1))
    await owner.stop()
    await claim(owner, 0)

    assert owner.owned() == {}
    assert (await owners.stored())[0] == 1


async def test_a_move_from_another_epoch_or_position_is_refused_whole(owners: Owners) -> None:
    await owners.one()
    async with owners.database.connection() as connection:
        places = {p.shard: p for p in await ownership.claim(connection, "recorder", [0, 1], "me")}
    good = Move(0, places[0].epoch, 0, 5, 0, 0, 7)
    wrong = [
        Move(1, places[1].epoch + 1, 0, 5, 0, 0, 0),
        Move(1, places[1].epoch, 1, 5, 0, 0, 0),
        Move(1, places[1].epoch, 0, 5, 1, 2, 0),
    ]
    for bad in wrong:
        with pytest.raises(Conflict, match=r"shards \[1\]"):
            async with owners.database.transaction() as connection:
                await ownership.move(connection, "recorder", [good, bad])
    assert (await owners.stored())[0] == 0

    async with owners.database.transaction() as connection:
        await ownership.move(connection, "recorder", [good])
    async with owners.database.connection() as connection:
        (place,) = await ownership.places(connection, "recorder", [0])
    assert (place.pos, place.next_offset) == (5, 7)


@pytest.mark.parametrize("other", [2, 8])
async def test_a_consumer_of_another_number_of_shards_is_refused(owners: Owners, other: int) -> None:
    await owners.one()
    owners.settings = owners.settings.model_copy(update={"shards": other})
    with pytest.raises(Unavailable, match="installed with 4 shards"):
        await owners.one()


async def test_the_inbox_cursor_is_part_of_the_compare_and_set(owners: Owners) -> None:
    """Two owners of a shard cannot both fold a decision, although no event moves."""
    inbox = EventLog("inbox", 4)
    async with owners.database.connection() as connection:
        await inbox.prepare(connection)
        body = envelope(id="1", source="test", type="attain.test.v1", tenant="t", subject="s",
                        time="2026-01-01T00:00:00.000000Z", data=b'{"n":1}')  # fmt: skip
        await inbox.append(connection, [Draft(0, "t", "s", body)])
    two = [await owners.one(), await owners.one()]
    ticking = []
    for owner in two:
        owner._inbox = LogInbox(inbox)
        ticking.append(asyncio.create_task(owner.tick()))

    async def drained() -> bool:
        return await folded(owners.database, "inbox") == {0: [1]}

    await eventually(drained)
    await asyncio.sleep(0.2)
    for task in ticking:
        task.cancel()
    await asyncio.gather(*ticking, return_exceptions=True)
    assert await drained()
