"""What a benchmark reports, and how it is shown."""

import dataclasses
import json
import platform
from collections.abc import Mapping
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


def write(figures: list[Figure], path: Path) -> None:
    """Write the figures as a JSON list."""
    path.write_text(json.dumps([dataclasses.asdict(figure) for figure in figures], indent=1) + "\n")


def table(figures: list[Figure]) -> str:
    """Return the figures as a table for people."""
    lines = [f"{platform.machine()}, {psutil.cpu_count()} cores shared with Kafka and PostgreSQL", ""]
    for figure in figures:
        versus = "".join(f"  {ratio:.2f} x {peer}" for peer, ratio in figure.versus.items())
        detail = "  ".join(f"{name} {value}" for name, value in figure.detail.items())
        lines.append(f"{figure.name:<28}{figure.value:>12,.1f} {figure.unit:<10}{versus}  {detail}")
    return "\n".join(lines)


class Usage:
    """CPU seconds and memory of the stack's processes over a measurement."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = {name: pid for name, pid in pids.items() if name != "supervisor"}
        self._before = self._cpu()

    def cpu_us_per_event(self, events: int) -> dict[str, float]:
        """Return the CPU microseconds an event of each process since the start."""
        return {
            f"{name}_us": round((seconds - self._before[name]) / events * 1e6, 1)
            for name, seconds in self._cpu().items()
        }

    def memory_mb(self) -> dict[str, int]:
        """Return the resident memory of each process."""
        return {name: psutil.Process(pid).memory_info().rss >> 20 for name, pid in self._pids.items()}

    def _cpu(self) -> dict[str, float]:
        return {name: _family_cpu(psutil.Process(pid)) for name, pid in self._pids.items()}


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
