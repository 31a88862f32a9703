"""How many event streams a process has open: each looks for news as long as it is."""

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from typing import TypeVar

from shared.errors import Unavailable

Part = TypeVar("Part", str, bytes)


class Streams:
    """The open streams of a process, at most so many, and of a tenant no more than are free: none can take all places."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._open: Counter[str] = Counter()

    def check(self, tenant: str) -> None:
        """Raise `Unavailable` where there is no place for another stream of a tenant."""
        if self._is_full(tenant):
            raise Unavailable("there is no place here for another stream; come back later")

    async def counted(self, tenant: str, content: AsyncGenerator[Part, None]) -> AsyncGenerator[Part, None]:
        """Pass a stream on, and count it for as long as it is read; one whose place went since the check ends at once."""
        if self._is_full(tenant):
            return
        self._open[tenant] += 1
        try:
            async with contextlib.aclosing(content):
                async for part in content:
                    yield part
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]

    def _is_full(self, tenant: str) -> bool:
        return self._open[tenant] >= self._at_most - self._open.total()
