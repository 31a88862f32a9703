"""Endless work that ends when it is told to."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

EASE_AFTER_S, EASED = 2.0, 4


class Pulse:
    """
    The sign that a loop goes round: `beat` once a turn, `rest` before it waits for work for as long as that takes.

    Args:
        slower: how many times longer its turns may take than those of a loop that evidence passes through.
    """

    def __init__(self, slower: float = 1.0) -> None:
        self._slower = slower
        self._beaten_at: float | None = None

    def beat(self) -> None:
        """Begin a turn."""
        self._beaten_at = time.monotonic()

    def rest(self) -> None:
        """Wait from now on, without being taken for stuck."""
        self._beaten_at = None

    def is_stuck(self, after_s: float) -> bool:
        """Tell whether the turn that was begun last takes longer than that, or so many times that as it may."""
        return self._beaten_at is not None and time.monotonic() - self._beaten_at > after_s * self._slower


class Easing:
    """How long to rest between looks: as long as is usual, and `EASED` times that once they have found nothing for a while."""

    def __init__(self) -> None:
        self._found_at = time.monotonic()

    def found(self) -> None:
        """Note that there was something."""
        self._found_at = time.monotonic()

    def rest_s(self, usual_s: float) -> float:
        """Return how long to rest now."""
        return usual_s if time.monotonic() - self._found_at < EASE_AFTER_S else EASED * usual_s


async def run_together(*endless: Coroutine[Any, Any, None]) -> None:
    """
    Run coroutines until one of them fails, then cancel the others and raise what it raised.

    A cancellation of the caller is passed on to all and always comes out again; a task group would prefer an error that
    one of them raises on its way out.
    """
    tasks = [asyncio.create_task(work) for work in endless]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raise_if_cancelled() -> None:
    """
    Raise a cancellation that something below has swallowed; call it once a turn of an endless loop.

    aiokafka loses one that comes while it closes a consumer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
