"""Waiting for a server that is not there yet: asked again and again, less and less often."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

log = logging.getLogger(__name__)
FIRST_S, LONGEST_S = 0.2, 5.0
TOLD_AFTER_S = 1.0
"""A wait shorter than that is of nobody's interest."""
T = TypeVar("T")


async def wait_for_server(
    name: str, ask: Callable[[], Awaitable[T]], away: tuple[type[Exception], ...], within_s: float
) -> T:
    """
    Return what `ask` returns once it no longer raises one of `away`, which it raises in the end if that takes too long.

    The waits double, each with chance, so that many that wait for one server do not come back together.
    """
    wait_s, deadline = FIRST_S, asyncio.get_running_loop().time() + within_s
    while True:
        try:
            return await ask()
        except away as error:
            if asyncio.get_running_loop().time() + wait_s > deadline:
                raise
            if wait_s > TOLD_AFTER_S:
                log.warning("%s does not answer yet: %s", name, type(error).__name__)
        await asyncio.sleep(wait_s * random.uniform(0.7, 1.0))
        wait_s = min(2 * wait_s, LONGEST_S)
