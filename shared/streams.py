"""How many event streams a process has open: each looks for news as long as it is."""

import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

from shared.errors import Unavailable

Part = TypeVar("Part", str, bytes)


class Streams:
    """The open streams of a process, at most so many."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._open = 0

    def check(self) -> None:
        """Raise `Unavailable` where there is no place for another."""
        if self._open >= self._at_most:
            raise Unavailable(f"{self._at_most} streams are open here; come back later")

    async def counted(self, content: AsyncGenerator[Part, None]) -> AsyncGenerator[Part, None]:
        """Pass a stream on, and count it for as long as it is read."""
        self._open += 1
        try:
            async with contextlib.aclosing(content):
                async for part in content:
                    yield part
        finally:
            self._open -= 1
