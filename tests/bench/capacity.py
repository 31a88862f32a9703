"""What it takes to carry a district, a state or a nation, computed from what an event was measured to cost."""

import dataclasses
from collections.abc import Mapping

EVIDENCE_A_DAY = 10
"""Pieces a learner and school day."""
SCHOOL_DAY_H = 6.5
BURST = 10
"""How much more than the mean of the school day comes in the busiest minutes."""
BUSY = 0.7
"""How busy a core may be at the burst, so that queues stay short."""
SCHOOL_DAYS = 180

TIERS = {"district": 10_000, "state": 1_000_000, "nation": 50_000_000}
"""Learners."""


@dataclasses.dataclass(frozen=True)
class Need:
    """What one tier needs: events a second, and the cores that carry the burst with servers included."""

    name: str
    learners: int
    mean_per_s: float
    burst_per_s: float
    cores: float

    @property
    def evidence_a_year(self) -> int:
        """Pieces in a school year."""
        return self.learners * EVIDENCE_A_DAY * SCHOOL_DAYS


def cpu_us(detail: Mapping[str, object]) -> float:
    """Return the CPU microseconds an event of everything that took part in a measurement end to end."""
    return sum(value for name, value in detail.items() if name.endswith("_us") and isinstance(value, int | float))


def needs(us_per_event: float) -> list[Need]:
    """Return what each tier needs at so many CPU microseconds an event end to end."""
    found = []
    for name, learners in TIERS.items():
        mean = learners * EVIDENCE_A_DAY / (SCHOOL_DAY_H * 3600)
        found.append(Need(name, learners, mean, mean * BURST, mean * BURST * us_per_event / 1e6 / BUSY))
    return found


def learners(cores: int, us_per_event: float) -> int:
    """Return how many learners' burst so many cores carry."""
    pieces_a_s = cores * BUSY / us_per_event * 1e6
    return int(pieces_a_s / BURST * SCHOOL_DAY_H * 3600 / EVIDENCE_A_DAY)
