"""Waiting in tests until something holds, with a bound."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

WITHIN_S = 40.0
PAUSE_S = 0.05

T = TypeVar("T")


async def until(claim: Callable[[], Awaitable[T]], within_s: float = WITHIN_S) -> T:
    """Return the first true answer of a claim; raises `TimeoutError` where there is none in time."""
    async with asyncio.timeout(within_s):
        while not (answer := await claim()):
            await asyncio.sleep(PAUSE_S)
    return answer


def wait_until(claim: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Return once a claim is true; raises `TimeoutError` where that is not in time."""
    deadline = time.monotonic() + within_s
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:g} s")
        time.sleep(PAUSE_S)
