"""What a benchmark reports, and how it is shown."""

import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure; `versus` has its ratio to peers that did the same work in the same run."""

    name: str
    value: float
    unit: str
    versus: dict[str, float] = dataclasses.field(default_factory=dict)
    detail: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as a JSON list; figures of an earlier run that this one did not measure are kept."""
    new = {figure.name for figure in figures}
    kept = [figure for figure in read(path) if figure.name not in new] if path.exists() else []
    path.write_text(json.dumps(as_json([*kept, *figures]), indent=1) + "\n")


def read(path: Path) -> list[Figure]:
    """Return the figures of a file that `write` wrote."""
    return from_json(json.loads(path.read_text()))


def as_json(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Return figures as JSON values."""
    return [dataclasses.asdict(figure) for figure in figures]


def from_json(values: Iterable[Mapping[str, Any]]) -> list[Figure]:
    """Return figures from JSON values."""
    return [Figure(**value) for value in values]


def median(runs: Sequence[Figure]) -> Figure:
    """Return the run in the middle, with all values in its detail."""
    middle = statistics.median_low([run.value for run in runs])
    chosen = next(run for run in runs if run.value == middle)
    detail = {"runs": [round(run.value) for run in runs], **chosen.detail}
    return dataclasses.replace(chosen, detail=detail)


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a table for people."""
    lines = [f"{platform.machine()}, {psutil.cpu_count()} cores shared with Kafka and PostgreSQL", ""]
    for figure in figures:
        versus = "".join(f"  {ratio:.2f} x {peer}" for peer, ratio in figure.versus.items())
        detail = "  ".join(
            f"{name} {value}" for name, value in figure.detail.items() if not _is_series(value)
        )  # a series is for a plot
        lines.append(f"{figure.name:<28}{figure.value:>12,.1f} {figure.unit:<10}{versus}  {detail}")
    return "\n".join(lines)


def _is_series(value: object) -> bool:
    return isinstance(value, dict)


class Usage:
    """CPU seconds and memory of a stack's processes over a measurement, and what else kept the machine busy."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = {name: pid for name, pid in pids.items() if name != "supervisor"}
        self._before = self._cpu()
        self._busy_before = _busy()
        self._own_before = time.process_time()
        self._started = time.perf_counter()

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds of each process since the start."""
        return {name: seconds - self._before[name] for name, seconds in self._cpu().items()}

    def cpu_us_per_event(self, events: int) -> dict[str, float]:
        """Return the CPU microseconds an event of each process since the start."""
        return {f"{name}_us": round(seconds / events * 1e6, 1) for name, seconds in self.cpu_s().items()}

    def other_load(self) -> float:
        """Return how many cores something else than the stack and this process has kept busy since the start."""
        ours = sum(self.cpu_s().values()) + time.process_time() - self._own_before
        return round(max(0.0, _busy() - self._busy_before - ours) / (time.perf_counter() - self._started), 2)

    def memory_mb(self) -> dict[str, int]:
        """Return the resident memory of each process."""
        return {name: psutil.Process(pid).memory_info().rss >> 20 for name, pid in self._pids.items()}

    def _cpu(self) -> dict[str, float]:
        return {name: _family_cpu(psutil.Process(pid)) for name, pid in self._pids.items()}


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def _family_cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its children: PostgreSQL works in backends."""
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + getattr(times, "children_user", 0) * (member is process)
    return total
