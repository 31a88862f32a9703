"""
PostgreSQL: the pool, and the arguments of set-based statements.

Schema and migrations are SQLAlchemy Core and Alembic; statements are SQL over arrays, prepared once by asyncpg, because
a batch is one statement a table and SQLAlchemy has no COPY for asyncpg.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, TypeAlias, cast

import asyncpg

from shared.errors import InvalidEvent, Unavailable
from shared.observability import metrics
from shared.row_security import TENANT_ROLE, TENANT_SETTING
from shared.tenancy import current_tenant
from shared.texts import UNKEPT
from shared.waiting import wait_for_server

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver makes of a connection that breaks in the middle of a COPY
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresSystemError,
)
"""What is over sooner or later by itself; any other error of a statement is a fault of its caller."""
MISCONFIGURED = (
    asyncpg.ClientConfigurationError, FileNotFoundError, PermissionError, ssl.SSLCertVerificationError, ValueError
)  # fmt: skip
"""What no waiting mends: an URL, or a file of certificates, that cannot be used."""
NOT_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""What the server says of a NUL, which texts of JSON may have and its own may not."""
LOCKED_OUT = asyncpg.InvalidAuthorizationSpecificationError
"""A password that is not right at the start is a fault of a setting; later it is one that is being changed."""
CONNECT_TIMEOUT_S = 10
START_S_MAX = 60
STATEMENT_TIMEOUT_S = 60
SESSION_SETTINGS = {
    "application_name": "attain",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "jit": "off",
    "random_page_cost": "1.1",
}
"""
A process that is stopped, or whose machine is gone, gives back what its sessions hold within half a minute.

Statements are short, so compiling them costs more than it saves, and look rows up by their ids, mostly in memory: PostgreSQL's
own cost of a random page, which is of a turning disk, has it read middling tables whole instead.
"""
ARRAY_ROWS_MAX = 200
"""Up to so many rows one statement over arrays costs less than the three of a COPY through a temporary table."""


class Session(asyncpg.Connection):  # not generic at run time
    """A connection that remembers for which tenant it speaks."""

    _tenant: str | None = None

    async def speak_for(self, tenant: str) -> None:
        """Show the rows of a tenant from now on, and no others; a statement only where it showed another's."""
        if self._tenant != tenant:
            await self.execute(f"select set_config('{TENANT_SETTING}', $1, false)", tenant)
            self._tenant = tenant


class Database:
    """
    Bounded pools of connections to one service's own database: the service's own, and those of requests.

    A task that is bound to a tenant (`shared.tenancy`) is lent a connection that can reach the rows of no other.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", of_tenants: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self._of_tenants = of_tenants
        pools = (pool, of_tenants)
        metrics.connections.labels(state="open").set_function(lambda: sum(p.get_size() for p in pools))
        metrics.connections.labels(state="idle").set_function(lambda: sum(p.get_idle_size() for p in pools))

    @classmethod
    async def connect(cls, url: str, *, connections: int = 10, within_s: float = START_S_MAX) -> "Database":
        """
        Open the pool; waits so long, a minute unless told otherwise, for a server that is still starting.

        Raises:
            Unavailable: it does not answer for so long.
            One of `MISCONFIGURED`: the URL, or a file that it names, has to be changed.
        """

        async def opened() -> Database:
            try:
                pool = await _pool(url, 2, connections)
                return cls(pool, await _pool(url, 0, connections, connection_class=Session, init=_become_tenant))
            except MISCONFIGURED:
                raise
            except AWAY as error:
                raise Unavailable(f"PostgreSQL does not answer: {type(error).__name__}") from error

        return await wait_for_server("PostgreSQL", opened, (Unavailable,), within_s)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """
        Lend a connection outside any transaction.

        Raises:
            Unavailable: the server is away, lets nobody in, or gave up on the statement; nothing of the statement happened.
            InvalidEvent: a value that came from a caller cannot be stored or compared with what is; nothing happened either.
        """
        tenant = current_tenant()
        try:
            if tenant is None:
                async with self.pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                    yield connection
            else:
                async with self._of_tenants.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                    await cast(Session, connection).speak_for(tenant)
                    yield connection
        except LOCKED_OUT as error:
            # Its text names the role, which is no business of who asks.
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
        except AWAY as error:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error
        except asyncpg.DataError as error:
            # The driver names a number or an instant that is too large, and half of a character, as the cause.
            if isinstance(error, NOT_TEXT) or isinstance(error.__cause__, OverflowError | UnicodeEncodeError):
                raise InvalidEvent(f"{UNKEPT}, or a number or an instant is too large") from error
            raise

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Lend a connection for what lives as long as its session, such as advisory locks; it is closed afterwards."""
        async with self.connection() as connection:
            try:
                yield connection
            finally:
                connection.terminate()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """
        Lend a connection inside one transaction, committed at the end and rolled back on any error.

        Raises:
            Unavailable: the outcome may be unknown when the connection broke during the commit.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.asynccontextmanager
    async def instant(self) -> AsyncIterator[Connection]:
        """Lend a connection that sees the database as it is at one instant, and changes nothing; raises `Unavailable`."""
        async with self.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection

    @contextlib.asynccontextmanager
    async def impatient(self, after_s: float) -> AsyncIterator[Connection]:
        """
        Lend a connection outside any transaction; sessions of this service that block its statements for so long are ended.

        For what must not wait for a process that is stopped in the middle of a COPY: the server knows no limit for that.
        """
        async with self.connection() as connection:
            ending = asyncio.create_task(self._end_blockers(connection.get_server_pid(), after_s))
            try:
                yield connection
            finally:
                ending.cancel()
                await asyncio.wait([ending])

    async def _end_blockers(self, pid: int, after_s: float) -> None:
        while True:
            await asyncio.sleep(after_s)
            with contextlib.suppress(Unavailable):
                async with self.connection() as other:
                    await other.execute("select pg_terminate_backend(p) from unnest(pg_blocking_pids($1)) p", pid)

    async def close(self) -> None:
        """Close the pools, waiting for lent connections."""
        await self._of_tenants.close()
        await self.pool.close()


async def _pool(url: str, least: int, most: int, **options: Any) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(
        url,
        min_size=least,
        max_size=most,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        server_settings=SESSION_SETTINGS,
        reset=_nothing_to_reset,
        **options,
    )


async def _become_tenant(connection: Connection) -> None:
    await connection.execute(f"set role {TENANT_ROLE}")


async def _nothing_to_reset(_: object) -> None:
    """
    Spare the four statements with which asyncpg cleans a connection that comes back.

    Transactions end by their context managers, and `session` closes what holds locks.
    """


async def upsert_rows(
    connection: Connection, table: str, types: Sequence[str], rows: Sequence[Sequence[Any]], conflict: str
) -> int:
    """
    Insert rows of the first columns of a table, `types` in their order, with an `on conflict` clause; each key once.

    Of columns that a newer version has added, the defaults are taken. Return how many rows that inserted or changed.
    """
    if not rows:
        return 0
    source, arguments = await incoming(connection, f"{table}_in", types, rows)
    done = await connection.execute(f"insert into {table} select * from {source} {conflict}", *arguments)
    return affected(done)


async def incoming(
    connection: Connection, name: str, types: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[str, list[list[Any]]]:
    """
    Return what a statement reads rows from, and the arguments that it then has first; the columns are of `types`.

    Few rows go as arrays in the statement. Many go by COPY into a temporary table of the `name`, made once a session: asyncpg
    asks of every element of an array whether it is one too, which costs three times the Python of a COPY. Sorted rows touch an
    index in order.
    """
    if len(rows) <= ARRAY_ROWS_MAX:
        arrays = ", ".join(f"${number}::{type}[]" for number, type in enumerate(types, start=1))
        return f"unnest({arrays})", columns(rows, len(types))
    shape = ", ".join(f"c{number} {type}" for number, type in enumerate(types))
    # A transaction may come more than once: then what it read before is still there.
    await connection.execute(
        f"create temporary table if not exists {name} ({shape}) on commit delete rows; delete from {name}"
    )
    await connection.copy_records_to_table(name, records=rows)
    return name, []


def affected(done: str) -> int:
    """Return how many rows a statement has changed, by what the server says of it."""
    return int(done.rpartition(" ")[2])


def columns(rows: Iterable[Sequence[Any]], count: int) -> list[list[Any]]:
    """Turn rows of `count` values into the column arrays of an `unnest` statement; no rows give empty arrays."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(count)]
