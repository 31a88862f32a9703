"""`make bench`: every figure, stage by stage and end to end, on a stack of its own; writes bench.json and prints a table."""

import argparse
import asyncio
import os
import secrets
import shutil
import statistics
import tempfile
from pathlib import Path

from deploy.local import stack as local_stack
from tests.bench.end_to_end import latency, throughput
from tests.bench.figures import Figure, Usage, table, write
from tests.bench.policy_cost import classroom_against_simple, explain
from tests.bench.progression_fold import against_quix

ROUNDS = 3
STAGES = ("kafka", "http", "latency", "explain", "fold", "policy")


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(description="Measure Attain on this machine; everything stays on loopback.")
    parser.add_argument("--events", type=int, default=200_000, help="events a round (default 200,000)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of which the median counts (default 3)")
    parser.add_argument("--only", nargs="*", choices=STAGES, help="these alone")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    arguments = parser.parse_args()
    chosen = arguments.only or list(STAGES)
    figures = _on_own_stack(chosen, arguments.events, arguments.rounds)
    write(figures, arguments.output)
    print(arguments.output.read_text() if arguments.json else table(figures))


def _on_own_stack(chosen: list[str], events: int, rounds: int) -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="attain-bench-"))
    folder.chmod(0o711)
    try:
        stack = local_stack.start(folder / "home", owner=os.getpid(), say=_say)
        figures: list[Figure] = []
        for way in ("kafka", "http"):
            if way in chosen:
                runs = []
                for number in range(rounds):
                    _say(f"end to end through {way}, round {number + 1} of {rounds}")
                    runs.append(asyncio.run(throughput(stack, way, events, secrets.token_hex(3))))
                figures.append(_median(runs))
        if "latency" in chosen:
            _say("latency at 500 events/s")
            figures += asyncio.run(latency(stack, 500, 20, secrets.token_hex(3)))
        if "explain" in chosen:
            _say("explaining")
            figures.append(asyncio.run(explain(stack)))
        memory = Usage(stack.pids).memory_mb()
        done = sum(way in chosen for way in ("kafka", "http")) * rounds * events
        figures += [
            Figure(f"memory-{name}", float(memory[name]), "MB", {}, {"after_events": done})
            for name in ("evidence", "progression", "reporting")
        ]
        if "fold" in chosen:
            figures += against_quix(folder, stack, events, rounds, _say)
        if "policy" in chosen:
            figures.append(classroom_against_simple(stack, events, rounds, _say))
        return figures
    finally:
        local_stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


def _median(runs: list[Figure]) -> Figure:
    """Return the run in the middle, with all values in its detail."""
    middle = statistics.median_low([run.value for run in runs])
    chosen = next(run for run in runs if run.value == middle)
    return Figure(
        chosen.name, chosen.value, chosen.unit, chosen.versus,
        {"runs": [round(run.value) for run in runs], **chosen.detail},
    )  # fmt: skip


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
