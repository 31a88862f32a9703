"""How many requests a caller may send: a token bucket a tenant and source, in each process."""

import time
from collections import OrderedDict
from collections.abc import Callable

from shared.auth import Identity
from shared.errors import TooManyRequests

CALLERS_MAX = 10_000
"""Beyond, the one who asked least recently is forgotten, and begins with a full bucket."""


class RateLimit:
    """
    Refuses what goes beyond `per_s` requests a second of one tenant and source, after a burst of twice as many.

    The services themselves (scope `service`) are not limited, and nobody is where `per_s` is 0.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s_of: Callable[[str], float] = lambda _: per_s
        """The rate of a tenant."""
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def check(self, caller: Identity) -> None:
        """
        Count a request.

        Raises:
            TooManyRequests: the bucket is empty; it says after how many seconds there is room again.
        """
        per_s = self.per_s_of(caller.tenant)
        if not per_s or "service" in caller.scopes:
            return
        key, now = (caller.tenant, caller.source or ""), self._clock()
        left, at = self._buckets.pop(key, (2 * per_s, now))
        left = min(2 * per_s, left + (now - at) * per_s)
        self._buckets[key] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyRequests(f"more than {per_s:g} requests a second; send larger batches", (1 - left) / per_s)
