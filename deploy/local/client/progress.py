"""Progress on standard error: one line that changes on a terminal, a line now and then elsewhere."""

import sys
import time

EVERY_S = 0.1
EVERY_ELSEWHERE_S = 5.0
BAR_CELLS = 24


class Progress:
    """One line of progress; elsewhere than on a terminal a line now and then, or none with `only_terminal`."""

    def __init__(self, *, only_terminal: bool = False) -> None:
        self._terminal = sys.stderr.isatty()
        self._silent = only_terminal and not self._terminal
        self._shown_at = 0.0 if self._terminal else time.monotonic()
        self._open = False

    def show(self, text: str, *, now: bool = False) -> None:
        """Show a text in place of the last one; too many a second are left out unless it must be `now`."""
        if self._silent:
            return
        moment = time.monotonic()
        every = EVERY_S if self._terminal else EVERY_ELSEWHERE_S
        if moment - self._shown_at < every and not (now and self._terminal):
            return
        self._shown_at = moment
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text}")
            self._open = True
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._open:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._open = False


def bar(share: float) -> str:
    """Return a bar of a share, 0..1, with its percentage."""
    share = min(max(share, 0.0), 1.0)
    full = round(share * BAR_CELLS)
    return f"[{'#' * full}{'.' * (BAR_CELLS - full)}] {share:4.0%}"
