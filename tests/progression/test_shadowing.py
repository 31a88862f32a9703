"""A shadow that is ended, begun again, or has a learner erased while it looks at a page of the log, over a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from services.progression.handlers.shadowing import Shadows
from services.progression.tables import shadows as tables
from shared.errors import Refused
from tests.progression.test_sweeping import status_is_stored, streak
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

NAMES = ("ada", "bob")


@contextlib.asynccontextmanager
async def shadowed(servers: Servers) -> AsyncIterator[tuple[HandFed, Shadows, str]]:
    """Give two learners with two right under three in a row, and two in a row in shadow, which has looked at nothing yet."""
    async with hand_fed(servers) as progression:
        await progression.decide(streak(3))
        await progression.send(*[piece(n, learner=name) for name in NAMES for n in range(2)])
        await eventually(lambda: status_is_stored(progression, "bob"))
        shadows = Shadows(progression.database, progression.decisions, progression.settings)
        policy = await shadows.start(TENANT, msgspec.json.encode(streak(2)), "", "p-1")
        yield progression, shadows, policy.hash


async def look(progression: HandFed, shadows: Shadows) -> None:
    """Look at a page of all that is behind."""
    async with progression.database.connection() as connection:
        behind = await tables.behind(connection)
    for row in behind:
        await shadows._page(row["tenant"], row["policy"], row["framework"], row["shard"], row["pos"], row["head"])


async def is_behind(progression: HandFed) -> bool:
    async with progression.database.connection() as connection:
        return bool(await tables.behind(connection))


async def is_forgotten(progression: HandFed, learner: str) -> bool:
    return not await status_is_stored(progression, learner)


async def differing(progression: HandFed) -> list[str]:
    async with progression.database.connection() as connection:
        return [row[0] for row in await connection.fetch("select learner from shadow_difference order by 1")]


def meanwhile(monkeypatch: pytest.MonkeyPatch, does: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen once a page is looked at and before what was found is stored."""
    transaction = tables.stands_at

    async def after(*args: Any) -> bool:
        monkeypatch.setattr(tables, "stands_at", transaction)
        await does()
        return await transaction(*args)

    monkeypatch.setattr(tables, "stands_at", after)


async def test_what_a_shadow_finds_of_a_page_while_it_is_ended_is_dropped_with_it(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with shadowed(server_addresses) as (progression, shadows, digest):
        meanwhile(monkeypatch, lambda: shadows.stop(TENANT, digest))
        await look(progression, shadows)

        assert await differing(progression) == []
        assert await shadows.of_tenant(TENANT) == []


async def test_a_shadow_that_is_ended_and_begun_again_begins_at_the_beginning(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with shadowed(server_addresses) as (progression, shadows, digest):
        await look(progression, shadows)
        await progression.send(piece(9, 0.0, learner="bob"))
        await eventually(lambda: is_behind(progression))

        async def begin_again() -> None:
            await shadows.stop(TENANT, digest)
            await shadows.start(TENANT, msgspec.json.encode(streak(2)), "", "p-1")

        meanwhile(monkeypatch, begin_again)
        await look(progression, shadows)
        left = await differing(progression)
        await look(progression, shadows)

        assert (left, await differing(progression)) == ([], list(NAMES))


async def test_a_shadow_that_one_person_begins_again_is_not_ended_by_another_in_between(server_addresses: Servers):
    async with shadowed(server_addresses) as (progression, shadows, digest):
        async with progression.database.transaction() as connection:
            await tables.start(connection, TENANT, digest, "", "p-1", progression.settings.shards)
            ending = asyncio.create_task(shadows.stop(TENANT, digest))
            done, _ = await asyncio.wait([ending], timeout=0.3)
        await ending

        assert not done
        assert await shadows.of_tenant(TENANT) == []


async def test_nothing_is_stored_of_a_learner_who_is_erased_while_a_shadow_looks(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with shadowed(server_addresses) as (progression, shadows, _):

        async def erase() -> None:
            await progression.erase("ada")
            await eventually(lambda: is_forgotten(progression, "ada"))

        meanwhile(monkeypatch, erase)
        await look(progression, shadows)

        assert await differing(progression) == ["bob"]


async def test_a_policy_that_runs_in_shadow_for_one_framework_is_not_said_to_run_for_another(server_addresses: Servers):
    async with shadowed(server_addresses) as (_, shadows, digest):
        with pytest.raises(Refused, match="all frameworks"):
            await shadows.start(TENANT, msgspec.json.encode(streak(2)), "math", "p-1")

        assert [(each["policy"], each["framework"]) for each in await shadows.of_tenant(TENANT)] == [(digest, "")]
