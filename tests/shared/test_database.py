import asyncio
import datetime
import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared.database import ARRAY_ROWS_MAX, Database, columns, upsert_rows
from shared.errors import InvalidEvent, Unavailable
from tests.support.disposable import answers, cut_connections, eventually


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], [[], [], []]),
        ([(1, "a", None)], [[1], ["a"], [None]]),
        ([(1, "a", 2.0), (2, "b", 3.0)], [[1, 2], ["a", "b"], [2.0, 3.0]]),
    ],
)
def test_columns_are_the_rows_turned(rows: list[tuple[object, ...]], expected: list[list[object]]) -> None:
    assert expected == columns(rows, 3)


def test_columns_of_uneven_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        columns([(1, 2), (1,)], 2)


@pytest.mark.parametrize("count", [1, ARRAY_ROWS_MAX + 1])
async def test_a_column_that_a_newer_version_has_added_gets_its_default(database: Database, count: int) -> None:
    """A migration runs beside the version before, which does not name what it adds, and is not to stand still by it."""
    async with database.connection() as connection:
        await connection.execute("create table wider (id int primary key, name text, added int not null default 7)")
        async with connection.transaction():
            rows = [(number, "a") for number in range(count)]
            done = await upsert_rows(connection, "wider", ("int", "text"), rows, "on conflict do nothing")
        found = await connection.fetch("select name, added, count(*) from wider group by 1, 2")
        await connection.execute("drop table wider")

    assert done == count
    assert [tuple(row) for row in found] == [("a", 7, count)]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as connection:
            await connection.execute("insert into chain values (1, 1)")
            raise RuntimeError
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from chain") == 0


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("text", "a\0b"),
        ("text", "a\ud800b"),
        ("text[]", ["a\0b"]),
        ("jsonb", '"a\\u0000b"'),
        ("bigint", 1 << 63),
        ("timestamptz", datetime.datetime.fromisoformat("0001-01-01T00:00:00+14:00")),
    ],
)
async def test_what_cannot_be_stored_is_the_fault_of_who_sent_it(database: Database, type: str, value: object) -> None:
    with pytest.raises(InvalidEvent, match="NUL"):
        async with database.connection() as connection:
            await connection.fetchval(f"select $1::{type}", value)


@pytest.mark.parametrize(("statement", "value"), [("select $1::bigint", "one"), ("select 1 / $1::bigint", 0)])
async def test_a_statement_that_is_wrong_is_the_fault_of_nobody_outside(
    database: Database, statement: str, value: object
) -> None:
    with pytest.raises(asyncpg.DataError):
        async with database.connection() as connection:
            await connection.fetchval(statement, value)


async def test_a_cut_connection_is_unavailable_and_the_next_works(database: Database, postgres: str, url: str) -> None:
    with pytest.raises(Unavailable):
        async with database.transaction() as connection:
            await cut_connections(postgres, url)
            await connection.execute("select 1")
    await eventually(lambda: answers(database))


async def test_a_server_that_lends_no_connection_is_unavailable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.CONNECT_TIMEOUT_S", 0.1)
    database = await Database.connect(url, connections=2)
    async with database.connection(), database.connection():
        assert not await answers(database)
    assert await answers(database)
    await database.close()


async def test_a_password_that_was_changed_keeps_open_connections_and_is_unavailable_for_new_ones(
    postgres: str, url: str
) -> None:
    role, address = f"rotated_{secrets.token_hex(4)}", urlsplit(url)
    own = urlunsplit(address._replace(netloc=f"{role}:old@{address.netloc.rpartition('@')[2]}"))
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"create role {role} login password 'old'")
    database = await Database.connect(own, connections=3)
    await admin.execute(f"alter role {role} password 'new'")
    try:
        async with database.connection() as first, database.connection() as second:
            assert await first.fetchval("select current_user") == await second.fetchval("select current_user") == role
            with pytest.raises(Unavailable, match="InvalidPasswordError"):
                async with database.connection():
                    pass
            assert not await answers(database)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await Database.connect(own)
    finally:
        await database.close()
        await admin.execute(f"drop role {role}")
        await admin.close()


async def test_a_statement_that_locks_too_long_is_unavailable(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("set statement_timeout = 50")
            await connection.execute("select pg_sleep(5)")


async def test_a_wrong_argument_is_a_bug_and_no_outage(database: Database) -> None:
    """Waiting would not cure it, so it must not look like a server that is away."""
    with pytest.raises(asyncpg.DataError):
        async with database.connection() as connection:
            await connection.fetch("select $1::int", "seven")


async def test_a_standby_that_took_over_read_only_is_unavailable(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("begin read only")
            await connection.execute("insert into chain values (1, 1)")


async def test_an_address_that_is_none_fails_at_once() -> None:
    with pytest.raises((ValueError, asyncpg.InterfaceError)):
        await asyncio.wait_for(Database.connect("postgresql://x:notaport/y"), 5)
