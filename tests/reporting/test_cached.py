"""Costly answers: one computation for all, errors not kept, an old answer while a new one is made, none that is too old."""

import asyncio
from typing import Any

import pytest

from services.reporting.handlers import cached
from services.reporting.handlers.cached import Cached


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock of the test's in place of the machine's."""
    clock = Clock()
    monkeypatch.setattr(cached, "time", clock)
    return clock


class Work:
    """Counts how often it is done; each time waits to be let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        await self.go.wait()
        return mine


async def test_all_who_ask_at_once_get_one_computation(clock: Clock) -> None:
    held, work = Cached(10), Work()
    asking = [asyncio.create_task(held.get("k", work)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    work.go.set()

    assert await asyncio.gather(*asking[1:]) == [1, 1, 1, 1]
    assert await held.get("k", work) == 1
    assert await held.get("other", work) == 2


async def test_an_old_answer_is_given_while_a_new_one_is_computed(clock: Clock) -> None:
    held, work = Cached(10), Work()
    work.go.set()
    await held.get("k", work)
    clock.now += 10
    work.go.clear()
    during = await held.get("k", work)
    work.go.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (during, work.begun) == (1, 2)
    assert await held.get("k", work) == 2


async def test_one_that_is_too_old_is_waited_for(clock: Clock) -> None:
    held, work = Cached(10), Work()
    work.go.set()
    await held.get("k", work)
    clock.now += 120

    assert await held.get("k", work) == 2


async def test_an_error_is_told_and_not_kept(clock: Clock) -> None:
    held = Cached(10)
    answers: list[Any] = [RuntimeError("away"), 7]

    async def compute() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    with pytest.raises(RuntimeError, match="away"):
        await held.get("k", compute)
    assert await held.get("k", compute) == 7


async def test_nothing_is_kept_for_no_time(clock: Clock) -> None:
    held, work = Cached(0), Work()
    work.go.set()

    assert [await held.get("k", work), await held.get("k", work)] == [1, 2]
