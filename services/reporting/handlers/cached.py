"""Answers that are costly and tell many people at once: computed at most so often, and by one request for all that ask."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, TypeVar

KEPT = 256
"""Answers kept; a district has a handful."""
STALE = 12
"""An answer this many times as old as it should be is not given any more: whoever asks then waits. With 1 all wait."""
Answer = TypeVar("Answer")


class _Held(NamedTuple):
    began: float
    task: asyncio.Future[Any]
    before: asyncio.Future[Any] | None
    """The answer that is given while this one is computed."""


class Cached:
    """
    Keeps the last answer by key for `seconds`; after that it is given while a new one is computed, so that only the first
    who ever asks waits. An error is told to those who wait for it, and not kept.

    It also bounds what the difference of two answers tells about one learner: in between, many things have changed.
    """

    def __init__(self, seconds: float, *, stale: int = STALE) -> None:
        self._seconds = seconds
        self._stale = stale
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer of a key."""
        held, now = self._held.get(key), time.monotonic()
        if held is None or (held.task.done() and (now >= held.began + self._seconds or held.task.exception())):
            held = _Held(now, asyncio.ensure_future(compute()), self._still_good(held, now))
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > KEPT:
                self._held.popitem(last=False)
        if held.before is not None and not held.task.done():
            answer: Answer = held.before.result()
        else:
            # Whoever stops waiting must not stop it for the others.
            answer = await asyncio.shield(held.task)
        return answer

    def _still_good(self, held: _Held | None, now: float) -> asyncio.Future[Any] | None:
        if held is None or held.task.exception() or now >= held.began + self._stale * self._seconds:
            return None
        return held.task
