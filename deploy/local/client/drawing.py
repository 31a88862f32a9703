"""Small drawings for a terminal: bars and sparklines of block characters."""

import datetime
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
CELLS = 24


def sparkline(values: Sequence[float]) -> str:
    """Return values from 0 to their largest as blocks of eight heights; what is above 0 is never blank."""
    top = max(values, default=0.0)
    if top <= 0:
        return BLOCKS[0] * len(values)
    return "".join(BLOCKS[max(1, round(value / top * 8)) if value > 0 else 0] for value in values)


def steps_of(points: Sequence[tuple[str, int]], cells: int = CELLS) -> list[float]:
    """Return how many there were at the end of each of `cells` equal parts of the time between (day, number) points."""
    days = [datetime.date.fromisoformat(day).toordinal() for day, _ in points]
    first, span = days[0], max(days[-1] - days[0], 1)
    return [
        float(max((n for day, (_, n) in zip(days, points, strict=True) if day <= first + span * (cell + 1) / cells),
                  default=0))
        for cell in range(cells)
    ]  # fmt: skip


def share_bar(part: int, whole: int, cells: int = 10) -> str:
    """Return a bar of a share in eighths of a cell."""
    eighths = round(part / whole * cells * 8) if whole else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")).ljust(cells)
