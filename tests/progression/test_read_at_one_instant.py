"""What is read in several statements is of one instant, whatever is folded between them."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.progression.domain.selecting import Selection
from services.progression.entrypoints.audit import audit_router
from services.progression.entrypoints.mastery import mastery_router
from services.progression.handlers.correcting import forecast_of
from services.progression.handlers.enough import enough_of
from services.progression.handlers.explaining import explain
from services.progression.handlers.histories import learners_of, learners_with
from shared.auth import Identity
from shared.database import Connection, Database
from shared.settings import Settings
from tests.progression.test_sweeping import streak
from tests.support.disposable import eventually
from tests.support.frameworks import read_csv
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

CALLER = Identity("s", TENANT, frozenset({"records:read", "service"}))
Read = Callable[[Database, Settings], Awaitable[Any]]


async def asked(router: APIRouter, path: str, **arguments: object) -> Any:
    """Call what answers a route."""
    endpoint = next(route.endpoint for route in router.routes if isinstance(route, APIRoute) and route.path == path)
    return await endpoint(caller=CALLER, **arguments)


async def mastery(database: Database, settings: Settings) -> Any:
    return await asked(mastery_router(database, settings), "/v1/learners/{learner}/mastery", learner="ada")


async def frontier(database: Database, settings: Settings) -> Any:
    return await asked(mastery_router(database, settings), "/v1/learners/{learner}/frontier", learner="ada")


async def states(database: Database, _: Settings) -> Any:
    return (await asked(audit_router(database), "/v1/states", limit=100)).body


async def explanation(database: Database, settings: Settings) -> Any:
    return await explain(database, settings.shards, (TENANT, "ada", "math:add"), None)


async def enough(database: Database, _: Settings) -> Any:
    return await enough_of(database, TENANT, "ada", "en", 10)


async def correction(database: Database, settings: Settings) -> Any:
    return await forecast_of(database, settings, TENANT, "ada", Selection("urn:lms", item="1", to="bo"))


async def everybody(database: Database, _: Settings) -> Any:
    return [page async for page in learners_of(database, TENANT)]


async def some(database: Database, _: Settings) -> Any:
    return [page async for page in learners_with(database, TENANT, [b'"urn:lms"'])]


class _Meddled:
    """A connection behind whose answers something may happen before they are given."""

    def __init__(self, connection: Connection, happens: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, *arguments: Any) -> Any:
        found = await self._connection.fetch(*arguments)
        await self._happens()
        return found

    async def fetchval(self, *arguments: Any) -> Any:
        found = await self._connection.fetchval(*arguments)
        await self._happens()
        return found


class Meddling(Database):
    """A database in which something happens once, between two statements of a reader."""

    happens: Callable[[], Awaitable[None]] | None = None
    after = 1
    """How many statements are answered before it happens."""

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, progression: HandFed) -> AsyncIterator["Meddling"]:
        """Open the database of a progression once more."""
        database = cast(Meddling, await cls.connect(progression.settings.progression_database))
        try:
            yield database
        finally:
            await database.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection as `Database` does."""
        async with super().connection() as connection:
            yield cast(Connection, _Meddled(connection, self._once))

    async def _once(self) -> None:
        self.after -= 1
        if self.happens is not None and self.after == 0:
            await self.happens()


async def are_journalled(progression: HandFed, pieces: int) -> bool:
    async with progression.database.connection() as connection:
        return bool(await connection.fetchval("select sum(events) from journal") == pieces)


async def shows(progression: HandFed) -> None:
    """Put an easier policy into force, under which ada has shown it, with a framework and a newer piece."""
    framework, _ = read_csv("math", "Mathematics", "code,title\nadd,Adding\nsub,Subtracting\n", "from,to\nadd,sub\n")
    _, positions = await progression.decisions.publish_framework(TENANT, framework)
    await progression.decide(streak(1))
    await eventually(lambda: progression.decisions.folded(positions))

    async def told() -> bool:
        return "mastered" in await progression.told()

    await eventually(told)
    await progression.send(piece(7, 0.0))
    await eventually(lambda: are_journalled(progression, 3))


@pytest.mark.parametrize(
    ("read", "statement"),
    [
        (mastery, 1), (frontier, 1), (states, 1), (explanation, 1), (enough, 1), (correction, 1), (everybody, 1),
        # Whom it may concern is asked before.
        (some, 2),
    ],
)  # fmt: skip
async def test_what_is_folded_between_two_statements_is_not_half_told(
    server_addresses: Servers, read: Read, statement: int
) -> None:
    async with hand_fed(server_addresses) as progression, Meddling.of(progression) as database:
        await progression.decide(streak(3))
        await progression.send(piece(1), piece(1, learner="bo"))
        await eventually(lambda: are_journalled(progression, 2))
        before = await read(database, progression.settings)

        database.happens, database.after = lambda: shows(progression), statement
        meanwhile = await read(database, progression.settings)
        after = await read(database, progression.settings)

    assert meanwhile == before
    assert after != before
