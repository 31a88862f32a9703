"""Faults of a service's database: ended sessions, cancelled statements, deadlocks and old transactions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg

from tests.faults.run import Run

PAUSE_S = 0.1
STATEMENT_TIMEOUT = "2ms"
END_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1"


@contextlib.asynccontextmanager
async def sessions_ended(run: Run, service: str) -> AsyncIterator[None]:
    """All connections are ended by the server, again and again."""
    async with run.cluster.admin(service) as admin:

        async def end() -> None:
            await admin.fetch(END_SESSIONS, f"attain_{service}")
            await asyncio.sleep(PAUSE_S)

        async with _again_and_again(end):
            yield


@contextlib.asynccontextmanager
async def statements_time_out(run: Run, service: str) -> AsyncIterator[None]:
    """Every statement that takes longer than a moment is cancelled."""
    async with run.cluster.admin() as admin:
        await _set(admin, STATEMENT_TIMEOUT, service)
        try:
            yield
        finally:
            await _set(admin, None, service)


@contextlib.asynccontextmanager
async def deadlocks(run: Run, service: str) -> AsyncIterator[None]:
    """Another session locks heads of the logs against the order of the service, which is mostly the one to be rolled back."""
    async with run.cluster.admin(service) as admin:
        table = "consumer_shard" if service == "reporting" else "log_head"
        # Longer than the service's, and no longer than that: a cycle that this session closes last only it looks for.
        await admin.execute("set deadlock_timeout = '3s'")

        async def embrace() -> None:
            async with admin.transaction():
                for shard in reversed(range(8)):
                    await admin.execute(f"select 1 from {table} where shard = {shard} for update")
                    await asyncio.sleep(0.05)
            await asyncio.sleep(PAUSE_S)

        async with _again_and_again(embrace):
            yield


@contextlib.asynccontextmanager
async def old_transaction(run: Run, service: str) -> AsyncIterator[None]:
    """A transaction that has written stays open; whoever counts on transaction ids would wait for it."""
    async with run.cluster.admin(service) as admin:
        await admin.execute("create table if not exists public.side (n int)")
        async with admin.transaction():
            await admin.execute("insert into public.side values (1)")
            yield
            await run.goes_on()


ALL: Mapping[str, Callable[..., AbstractAsyncContextManager[None]]] = {
    "end the sessions of": sessions_ended,
    "time out the statements of": statements_time_out,
    "deadlock": deadlocks,
    "keep a transaction open in": old_transaction,
}
"""All that needs no privilege."""


@contextlib.asynccontextmanager
async def _again_and_again(act: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async def repeat() -> None:
        while not done.is_set():
            with contextlib.suppress(asyncpg.DeadlockDetectedError):
                await act()

    done = asyncio.Event()
    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        done.set()
        await task


async def _set(admin: "asyncpg.Connection[Any]", timeout: str | None, service: str) -> None:
    role = f"attain_{service}"
    change = f"set statement_timeout = '{timeout}'" if timeout else "reset statement_timeout"
    await admin.execute(f"alter role {role} {change}")
    # A session has the settings that its role had when it began.
    await admin.fetch(END_SESSIONS, role)
