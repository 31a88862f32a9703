"""Waiting in tests: for a condition, with a bound."""

import time
from collections.abc import Callable

LIMIT_S = 30.0


def until(condition: Callable[[], bool]) -> bool:
    """Return whether the condition became true in time."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
