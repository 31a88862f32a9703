"""`make bench`: figures stage by stage and end to end, on a stack of its own; writes bench.json and prints a table."""

import argparse
import asyncio
import dataclasses
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local import stack as local_stack
from deploy.local.stack import Stack
from tests.bench.end_to_end import throughput
from tests.bench.figures import Figure, Usage, median, table, write
from tests.bench.growth import growth
from tests.bench.latency import latency, latency_under_load
from tests.bench.peers import against_peers
from tests.bench.policy_cost import classroom_against_simple, explain
from tests.bench.profiling import profile
from tests.bench.reading import reading
from tests.bench.rebuild import rebuild, refold
from tests.bench.reconciling import reconciliation_share
from tests.bench.refold_live import refold_live
from tests.bench.signing import signing
from tests.bench.soak import soak
from tests.bench.statements import statements


@dataclasses.dataclass(frozen=True)
class Run:
    """A stack of its own and what the user asked for."""

    folder: Path
    stack: Stack
    events: int
    rounds: int
    minutes: float

    def several(self, way: str) -> list[Figure]:
        """Return the median of the rounds of one way in, with the memory of the services after them."""
        runs = []
        for number in range(self.rounds):
            say(f"end to end through {way}, round {number + 1} of {self.rounds}")
            runs.append(asyncio.run(throughput(self.stack, way, self.events, secrets.token_hex(3))))
        memory = Usage(self.stack.pids).memory_mb()
        return [median(runs)] + [
            Figure(f"memory-{name}", float(memory[name]), "MB", {}, {"after_events": self.rounds * self.events})
            for name in ("evidence", "progression", "reporting")
        ]


def _fold(run: Run) -> list[Figure]:
    return against_peers(run.folder, run.stack, run.events, run.rounds, say)


def _growth(chosen: str) -> Callable[[Run], list[Figure]]:
    return lambda run: growth(run.stack, run.events, [chosen], say)


SECTIONS: dict[str, tuple[str, Callable[[Run], list[Figure]]]] = {
    "kafka": ("end to end through Kafka", lambda run: run.several("kafka")),
    "http": ("end to end through HTTP", lambda run: run.several("http")),
    "xapi": (
        "xAPI statements through HTTP",
        lambda run: asyncio.run(statements(run.stack, run.events // 2, secrets.token_hex(3))),
    ),
    "latency": (
        "evidence to advancement at 500/s",
        lambda run: asyncio.run(latency(run.stack, 500, 20, secrets.token_hex(3))),
    ),
    "fold": ("progression from a filled topic against its peers", _fold),
    "profile": (
        "where the time of progression goes",
        lambda run: [asyncio.run(profile(run.stack, run.folder, run.events))],
    ),
    "policy": (
        "progression under the classroom template against a simple policy",
        lambda run: [classroom_against_simple(run.stack, run.events, run.rounds, say)],
    ),
    "explain": ("explaining a status", lambda run: [asyncio.run(explain(run.stack))]),
    "load": (
        "latency at 10, 50 and 80 % of what the stack can do",
        lambda run: asyncio.run(latency_under_load(run.stack, run.events, 12, secrets.token_hex(3))),
    ),
    "refold": (
        "states under a new policy",
        # Twice the events: a sweep begins slowly, for a second.
        lambda run: [asyncio.run(refold(run.stack, 2 * run.events))],
    ),
    "refold-live": (
        "states under a new policy while evidence arrives",
        lambda run: asyncio.run(refold_live(run.stack, run.events, secrets.token_hex(3))),
    ),
    "rebuild": (
        "read models from the feed",
        lambda run: asyncio.run(rebuild(run.stack, run.events, secrets.token_hex(3))),
    ),
    "reads": (
        "reading beside 2,000 events/s",
        lambda run: asyncio.run(reading(run.stack, 20, secrets.token_hex(3))),
    ),
    "signing": ("badges signed on one core", lambda run: [signing()]),
    "learners": ("cost against learners", _growth("learners")),
    "competencies": ("cost against competencies", _growth("competencies")),
    "pieces": ("cost against evidence a key", _growth("pieces")),
    "shards": ("cost against partitions", _growth("shards")),
    "replicas": ("replicas of progression", _growth("replicas")),
    "reconciliation": (
        "what standing reconciliation costs",
        lambda run: [asyncio.run(reconciliation_share(run.stack, run.events, secrets.token_hex(3)))],
    ),
    "soak": (
        "memory at 2,000 events/s offered, as many as --minutes take",
        lambda run: asyncio.run(soak(run.stack, run.minutes, secrets.token_hex(3))),
    ),
}
USUAL = ("kafka", "http", "latency", "fold", "policy", "explain")


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(
        description="Measure Attain on this machine; everything stays on loopback.",
        epilog="\n".join(f"{name:<16}{title}" for name, (title, _) in SECTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=200_000, help="events a round (default 200,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median counts (default 3)")
    parser.add_argument("--minutes", type=float, default=20, help="how long the soak lasts (default 20)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=USUAL, metavar="SECTION", help="these alone")
    parser.add_argument("--all", action="store_true", help="every section")
    parser.add_argument(
        "--output", type=Path, default=Path("bench.json"), help="figures not measured now are kept in it"
    )
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    arguments = parser.parse_args()
    measured: list[Figure] = []
    if arguments.all:
        arguments.output.unlink(missing_ok=True)
    for section in SECTIONS if arguments.all else arguments.only:
        figures = _on_own_stack(section, arguments.events, arguments.rounds, arguments.minutes)
        write(figures, arguments.output)
        measured += figures
    print(arguments.output.read_text() if arguments.json else table(measured))


def _on_own_stack(section: str, events: int, rounds: int, minutes: float) -> list[Figure]:
    """Measure a section on a fresh stack, so that none is slowed by what another left behind."""
    title, measure = SECTIONS[section]
    say(title)
    folder = Path(tempfile.mkdtemp(prefix="attain-bench-"))
    folder.chmod(0o711)
    try:
        stack = local_stack.start(folder / "home", owner=os.getpid(), say=say)
        return measure(Run(folder, stack, events, rounds, minutes))
    finally:
        local_stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    """Tell of progress where the table is not."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
