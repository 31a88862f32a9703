import asyncio
import contextlib
import hashlib
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared import event_log
from shared.database import Database
from shared.errors import InvalidEvent, Unavailable
from shared.event_log import Entry, EventLog
from shared.events import Draft, decode_envelope, envelope

SHARDS = 3


def draft(shard: int, number: int, subject: str = "learner") -> Draft:
    """Return a draft that says who wrote it."""
    body = envelope(id=str(number), source="test", type="attain.test.v1", tenant="t", subject=subject,
                    time="2026-01-01T00:00:00.000000Z", data=b'{"n":%d}' % number)  # fmt: skip
    return Draft(shard, "t", subject, body)


async def read_all(database: Database, log: EventLog, page: int = 1000) -> list[Entry]:
    """Read every shard from the beginning, page by page, as a reader behind a cursor does."""
    after = dict.fromkeys(range(log.shards), 0)
    found: list[Entry] = []
    while True:
        async with database.connection() as connection:
            entries = await log.read(connection, after, page)
        if not entries:
            return found
        found += entries
        after |= {entry.shard: entry.pos for entry in entries}


async def prepared(database: Database, name: str = "test", shards: int = SHARDS) -> EventLog:
    """Return an empty log."""
    log = EventLog(name, shards)
    async with database.connection() as connection:
        await connection.execute("delete from event_log where log = $1", name)
        await connection.execute("delete from log_head where log = $1", name)
        await log.prepare(connection)
    return log


Appends = list[tuple[list[int], bool]]
"""What one connection does: transactions, each with the shards it appends to and whether it is rolled back."""
plans = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, SHARDS - 1), min_size=1, max_size=6), st.booleans()), max_size=6),
    min_size=2,
    max_size=4,
)


class _RolledBack(Exception):
    pass


async def _append(
    database: Database, log: EventLog, writer: int, plan: Appends, kept: dict[tuple[int, int], str]
) -> None:
    for number, (shards, rolled_back) in enumerate(plan):
        drafts = [draft(shard, writer * 10_000 + number * 100 + i) for i, shard in enumerate(shards)]
        with contextlib.suppress(_RolledBack):
            async with database.transaction() as connection:
                positions = await log.append(connection, drafts)
                await asyncio.sleep(random.random() / 500)
                if rolled_back:
                    raise _RolledBack
            for one, pos in zip(drafts, positions, strict=True):
                assert (one.shard, pos) not in kept
                kept[one.shard, pos] = decode_id(one.body)


def decode_id(body: bytes) -> str:
    """Return the id of an envelope."""
    return str(msgspec.json.decode(body)["id"])


async def _follow(database: Database, log: EventLog, done: asyncio.Event) -> list[tuple[int, int, str]]:
    """Read behind a cursor while others append, until there is nothing more."""
    seen: list[tuple[int, int, str]] = []
    after = dict.fromkeys(range(SHARDS), 0)
    while True:
        finished = done.is_set()
        async with database.connection() as connection:
            entries = await log.read(connection, after, 3)
        if not entries and finished:
            return seen
        for entry in entries:
            seen.append((entry.shard, entry.pos, decode_id(entry.body)))
            after[entry.shard] = entry.pos


@pytest.mark.usefixtures("database")
@given(plan=plans)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_positions_are_dense_and_a_reader_sees_each_once_in_order(
    database: Database, plan: list[Appends]
) -> None:
    """Whatever connections append at once and roll back, nothing is lost, repeated, or seen late."""
    log = await prepared(database)
    kept: dict[tuple[int, int], str] = {}
    done = asyncio.Event()
    reader = asyncio.create_task(_follow(database, log, done))
    await asyncio.gather(*(_append(database, log, writer, one, kept) for writer, one in enumerate(plan)))
    done.set()
    seen = await reader

    for shard in range(SHARDS):
        of_shard = [(pos, id) for s, pos, id in seen if s == shard]
        assert [pos for pos, _ in of_shard] == list(range(1, len(of_shard) + 1))
    assert kept == {(shard, pos): id for shard, pos, id in seen}
    async with database.connection() as connection:
        heads = await log.heads(connection)
    assert {shard: heads[shard].pos for shard in heads} == {
        shard: max((pos for s, pos, _ in seen if s == shard), default=0) for shard in range(SHARDS)
    }


async def test_appends_to_many_shards_in_any_order_do_not_deadlock(database: Database) -> None:
    log = await prepared(database, shards=16)

    async def work(writer: int) -> None:
        shuffled = random.Random(writer)
        for number in range(15):
            shards = shuffled.sample(range(16), 8)
            async with database.transaction() as connection:
                await log.append(connection, [draft(shard, writer * 100 + number) for shard in shards])

    await asyncio.wait_for(asyncio.gather(*(work(writer) for writer in range(8))), 30)

    assert len(await read_all(database, log)) == 8 * 15 * 8


async def test_appending_nothing_takes_no_position(database: Database) -> None:
    log = await prepared(database)
    async with database.transaction() as connection:
        assert await log.append(connection, []) == []
        assert await log.append(connection, [draft(0, 1)]) == [1]


async def test_two_logs_of_a_database_count_for_themselves(database: Database) -> None:
    one, two = await prepared(database, "one"), await prepared(database, "two")
    async with database.transaction() as connection:
        assert await one.append(connection, [draft(0, 1), draft(1, 2), draft(0, 3)]) == [1, 1, 2]
        assert await two.append(connection, [draft(0, 4)]) == [1]


async def test_an_entry_carries_its_place_and_key(database: Database) -> None:
    log = await prepared(database)
    async with database.transaction() as connection:
        await log.append(connection, [draft(2, 7, "lé")])
    (entry,) = await read_all(database, log)
    event = decode_envelope(entry.body)

    assert (entry.shard, entry.pos, entry.key) == (2, 1, "t|lé")
    assert (event.generation, event.shard, event.position, event.subject) == (1, 2, 1, "lé")


async def test_redaction_leaves_positions_and_the_hash_of_what_was_there(database: Database) -> None:
    log = await prepared(database)
    gone = draft(1, 2, "gone")
    async with database.transaction() as connection:
        await log.append(connection, [draft(1, 1), gone, draft(1, 3), draft(0, 4, "gone")])
        assert await log.redact(connection, 1, "t", "gone") == 1
        assert await log.redact(connection, 1, "t", "gone") == 0
    entries = [entry for entry in await read_all(database, log) if entry.shard == 1]
    dead = decode_envelope(entries[1].body)

    assert [entry.pos for entry in entries] == [1, 2, 3]
    assert (dead.type, dead.subject, dead.tenant) == ("attain.test.redacted.v1", "nobody", "t")
    assert msgspec.json.decode(dead.data) == {"sha256": hashlib.sha256(gone.body).hexdigest()}
    assert b"gone" not in entries[1].body
    assert "gone" not in entries[1].key


@pytest.mark.parametrize("other", [2, 5])
async def test_a_log_of_another_number_of_shards_is_refused(database: Database, other: int) -> None:
    """More shards are no better than fewer: learners would change theirs."""
    await prepared(database)
    async with database.connection() as connection:
        with pytest.raises(Unavailable, match="installed with 3 shards"):
            await EventLog("test", other).prepare(connection)
        assert await connection.fetchval("select count(*) from log_head where log = 'test'") == 3


async def test_a_page_ends_at_its_bytes_yet_always_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of any size come in pages of bounded size, and one larger than a page still comes."""
    monkeypatch.setattr(event_log, "PAGE_BYTES", 1000)
    log = await prepared(database)
    async with database.transaction() as connection:
        large = draft(0, 1)._replace(body=draft(0, 1).body[:-1] + b',"pad":"\\\\ \xc3\xbc%s"}' % (b"x" * 5000))
        await log.append(connection, [draft(0, 1), large, large, *[draft(0, n) for n in range(20)]])
    async with database.connection() as connection:
        first = await log.read(connection, {0: 0}, 100)
        lines = [await log.lines(connection, 0, after, limit) for after, limit in ((0, 100), (2, 3), (23, 100))]
        behind = await log.read(connection, {0: 2}, 3)

    assert [entry.pos for entry in first] == [1, 2]
    assert lines == [b"".join(entry.body + b"\n" for entry in page) for page in (first, behind, [])]
    assert list(range(1, 24)) == [entry.pos for entry in await read_all(database, log)]


def test_a_shard_that_is_not_there_is_refused() -> None:
    EventLog("test", 3).check_shard(2)
    for shard in (-1, 3):
        with pytest.raises(InvalidEvent):
            EventLog("test", 3).check_shard(shard)
