"""Answers that are costly and tell many people at once: computed at most so often, and by one request for all that ask."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

KEPT = 256
"""Answers kept; a district has a handful."""


class Cached:
    """
    Keeps the last answer by key for `seconds`; then the first who asks waits for a new one, and all others with them.

    It also bounds what the difference of two answers tells about one learner: in between, many things have changed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: OrderedDict[Hashable, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        """Return the answer of a key; an error is told to all who waited, and not kept."""
        held = self._held.get(key)
        if held is None or (held[1].done() and (held[0] + self._seconds <= time.monotonic() or held[1].exception())):
            held = (time.monotonic(), asyncio.create_task(_run(compute)))
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > KEPT:
                self._held.popitem(last=False)
        # Whoever stops waiting must not stop it for the others.
        return await asyncio.shield(held[1])


async def _run(compute: Callable[[], Awaitable[Any]]) -> Any:
    return await compute()
