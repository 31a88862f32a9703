"""Rows that this process has just committed, kept for the relay so that it need not read them back."""

from collections import deque
from collections.abc import Sequence

from shared.event_log import LogRow, Place

ROWS_MAX = 40_000
"""Rows handed over and not sent yet, about 1 KiB each; beyond it they are read from the log when their turn comes."""


class HandedOver:
    """Queues of rows by place, in the order of their positions."""

    def __init__(self) -> None:
        self._queues: dict[Place, deque[LogRow]] = {}
        self._rows = 0

    def add(self, rows: Sequence[LogRow]) -> bool:
        """Take rows; False, and nothing is kept any more, where they are too many."""
        if self._rows + len(rows) > ROWS_MAX:
            self._queues.clear()
            self._rows = 0
            return False
        for row in rows:
            place = row[:2]
            queue = self._queues.get(place)
            if queue is None:
                queue = self._queues[place] = deque()
            queue.append(row)
        self._rows += len(rows)
        return True

    def places(self) -> list[Place]:
        """Return the places that rows were handed over of."""
        return list(self._queues)

    def take(self, place: Place, cursor: int | None, limit: int) -> tuple[list[LogRow], bool]:
        """
        Return the next rows of a place behind the cursor, and whether they follow it without a gap.

        Where they do not, another process sends this place, or appended to it before this one: its rows are dropped.
        """
        queue = self._queues[place]
        run: list[LogRow] = []
        while queue and len(run) < limit:
            pos = queue[0][2]
            if cursor is None or pos > cursor + 1:
                self._rows -= len(queue)
                queue.clear()
                return run, False
            row = queue.popleft()
            self._rows -= 1
            if pos == cursor + 1:
                cursor = pos
                run.append(row)
        return run, True
