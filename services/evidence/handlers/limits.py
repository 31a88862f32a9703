"""A source whose messages are mostly bad is stopped for a while, and told so: its code is wrong, not its data."""

import time
from collections.abc import Callable, Sequence

import msgspec

from services.evidence.handlers.intake import Item
from shared.errors import TooManyBad
from shared.observability import metrics
from shared.settings import Settings

WINDOW_S = 60.0
SOURCES_MAX = 10_000


class _Window(msgspec.Struct):
    since: float
    good: int = 0
    bad: int = 0
    stopped_until: float = 0.0


class BadSources:
    """Counts what is refused by (tenant, source), in this replica and for `WINDOW_S` at a time."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def check(self, tenant: str, source: str) -> None:
        """
        Let a source pass, unless it is stopped.

        Raises:
            TooManyBad: with how long.
        """
        window = self._windows.get((tenant, source))
        if window is not None and window.stopped_until > self._clock():
            raise TooManyBad(
                f"of {window.good + window.bad} items of {source} in a minute {window.bad} were refused; it may send again"
                f" in {window.stopped_until - self._clock():.0f} s: mend what it sends",
                reason="mostly_bad",
            )

    def note(self, tenant: str, source: str, items: Sequence[Item]) -> None:
        """Count what became of a source's items; conflicts and rights are not its format's fault, but count as well."""
        bad = sum(item.status == "rejected" for item in items)
        self.count(tenant, source, good=len(items) - bad, bad=bad)

    def count(self, tenant: str, source: str, *, good: int = 0, bad: int = 0) -> None:
        """Count items of a source."""
        now = self._clock()
        window = self._windows.get((tenant, source))
        if window is None or now - window.since > WINDOW_S:
            if len(self._windows) >= SOURCES_MAX:
                self._windows.clear()
            window = self._windows[tenant, source] = _Window(now)
        window.bad += bad
        window.good += good
        limit = self._settings
        if window.bad >= limit.bad_items_max and window.bad > limit.bad_share_max * (window.good + window.bad):
            if window.stopped_until <= now:
                metrics.sources_stopped.inc()
            window.stopped_until = now + limit.bad_pause_s
