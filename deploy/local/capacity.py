"""
What it takes to carry so many learners, computed from what a piece of evidence was measured to cost.

What was measured is `measured.json`, which `make performance` writes together with docs/performance.md.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

MEASURED = Path(__file__).with_name("measured.json")
EVIDENCE_A_DAY = 10
"""Pieces a learner and school day."""
SCHOOL_DAY_H = 6.5
BURST = 10
"""How much more than the mean of the school day comes in the busiest minutes."""
BUSY = 0.7
"""How busy a core may be at the burst, so that queues stay short."""
SCHOOL_DAYS = 180
SCHOOL_DAYS_IN_KAFKA = 5
"""Of the seven days that topics keep."""

SERVICES = ("evidence", "progression", "reporting")
SMALL_LEARNERS, SMALL_BURST_PER_S = 10_000, 100
"""What the small profile is tested with: tests/system/test_small_profile.py."""
SMALL_VCPU, SMALL_GIB = 2.0, 4.0
REPLICAS_HA = 3
"""From how many on the loss of any machine is no outage: a quorum of Kafka goes on without one of three, and of two not."""


class Size(NamedTuple):
    """What one instance has at least."""

    vcpu: float
    gib: float
    log_gb: float = 0.0
    """Disk beside the data: the write-ahead log."""


SIZES = {
    "evidence": Size(1.0, 1.0), "progression": Size(1.0, 1.0), "reporting": Size(0.5, 1.0),
    "postgres": Size(2.0, 8.0, 50.0), "kafka": Size(1.0, 4.0),
}  # fmt: skip
"""As values-production.yaml and the examples of the chart have it."""
SMALL_LOG_GB = 2.0
"""`max_wal_size` of the one machine."""


class Cost(NamedTuple):
    """What one piece of evidence was measured to cost: CPU microseconds by part, and bytes on disk."""

    us: dict[str, float]
    postgres_bytes: int
    kafka_bytes: int
    state_bytes: float
    """Of a learner's state in one competency, with its index."""


def measured() -> Cost:
    """Return what was measured."""
    return Cost(**json.loads(MEASURED.read_text(encoding="utf-8")))


@dataclasses.dataclass(frozen=True)
class Load:
    """What so many learners bring."""

    learners: int
    pieces_a_day: float = EVIDENCE_A_DAY

    @property
    def mean_per_s(self) -> float:
        """Pieces a second over a school day."""
        return self.learners * self.pieces_a_day / (SCHOOL_DAY_H * 3600)

    @property
    def burst_per_s(self) -> float:
        """Pieces a second in the busiest minutes."""
        return self.mean_per_s * BURST

    @property
    def evidence_a_year(self) -> float:
        """Pieces in a school year."""
        return self.learners * self.pieces_a_day * SCHOOL_DAYS

    def cores(self, us: float) -> float:
        """Return the cores that carry the burst at so many CPU microseconds a piece."""
        return self.burst_per_s * us / 1e6 / BUSY


def learners(cores: int, us_per_event: float) -> int:
    """Return how many learners' burst so many cores carry."""
    return int(cores / Load(1).cores(us_per_event))


class Part(NamedTuple):
    """One part of an installation: how many instances, and what each of them needs."""

    part: str
    instances: int
    vcpu: float
    gib: float
    disk_gb: float


class Plan(NamedTuple):
    """An installation: its parts, and what all of them need together once the disk holds all that is kept."""

    profile: str
    highly_available: bool
    parts: list[Part]
    grows_gb_a_month: float
    """How much the disk grows in a month, on average over the year, until all that is kept is there."""

    @property
    def vcpu(self) -> float:
        """Of all instances."""
        return sum(part.instances * part.vcpu for part in self.parts)

    @property
    def gib(self) -> float:
        """Of all instances."""
        return sum(part.instances * part.gib for part in self.parts)

    @property
    def disk_gb(self) -> float:
        """Of all instances."""
        return sum(part.instances * part.disk_gb for part in self.parts)


def plan(load: Load, cost: Cost, *, years: float, replicas: int) -> Plan:
    """
    Return what an installation needs that keeps the evidence of so many school years.

    Args:
        replicas: instances of each service, brokers of Kafka and copies of PostgreSQL, at least.
    """
    postgres_gb_a_year = load.evidence_a_year * cost.postgres_bytes / 1e9
    postgres_gb = postgres_gb_a_year * years
    kafka_gb = load.learners * load.pieces_a_day * SCHOOL_DAYS_IN_KAFKA * cost.kafka_bytes / 1e9
    grows = postgres_gb_a_year / 12 * replicas
    if replicas == 1 and load.learners <= SMALL_LEARNERS and load.burst_per_s <= SMALL_BURST_PER_S:
        machine = Part("machine", 1, SMALL_VCPU, SMALL_GIB, postgres_gb + kafka_gb + SMALL_LOG_GB)
        return Plan("small", False, [machine], grows)
    today_gib = load.learners * load.pieces_a_day * cost.state_bytes / 2**30
    parts = [_service(name, load.cores(cost.us[name]), replicas) for name in SERVICES]
    parts.append(_server("postgres", load.cores(cost.us["postgres"]), replicas, postgres_gb, today_gib))
    parts.append(_server("kafka", load.cores(cost.us["kafka"]), replicas, kafka_gb))
    return Plan("production", replicas >= REPLICAS_HA, parts, grows)


def _service(name: str, cores: float, replicas: int) -> Part:
    """Return a service: a replica is one process and so uses one core, and what one of several carries, the others can take."""
    size = SIZES[name]
    spare = 1 if replicas >= REPLICAS_HA else 0
    return Part(name, max(replicas, math.ceil(cores) + spare), max(size.vcpu, min(1.0, cores)), size.gib, 0.0)


def _server(name: str, cores: float, replicas: int, disk_gb: float, busy_gib: float = 0.0) -> Part:
    """Return a server of which each copy can take the work of all; what a school day touches lies in memory."""
    size = SIZES[name]
    gib = max(size.gib, float(math.ceil(busy_gib)))
    return Part(name, replicas, max(size.vcpu, float(math.ceil(cores))), gib, disk_gb + size.log_gb)


def as_json(load: Load, found: Plan, cost: Cost) -> dict[str, Any]:
    """Return a plan as plain data, with what it was computed from."""
    return {
        "learners": load.learners, "pieces_a_day": load.pieces_a_day, "profile": found.profile,
        "highly_available": found.highly_available, "evidence_a_year": round(load.evidence_a_year),
        "mean_per_s": round(load.mean_per_s, 1), "burst_per_s": round(load.burst_per_s, 1),
        "cores_at_burst": round(load.cores(sum(cost.us.values())), 2),
        "postgres_gb_a_year": round(load.evidence_a_year * cost.postgres_bytes / 1e9, 1),
        "parts": [part._asdict() | {"disk_gb": round(part.disk_gb, 1)} for part in found.parts],
        "vcpu": round(found.vcpu, 2), "gib": round(found.gib, 1), "disk_gb": round(found.disk_gb, 1),
        "disk_grows_gb_a_month": round(found.grows_gb_a_month, 1), "measured": cost._asdict(),
    }  # fmt: skip
