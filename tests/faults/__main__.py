"""`python -m tests.faults`: break a stack of its own at random, count through repeated kills, or judge a history."""

import argparse
import asyncio
import dataclasses
import json
import random
import secrets
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.local import stack
from tests.faults import history
from tests.faults.checker import Verdict, check
from tests.faults.cluster import Cluster, new_folder
from tests.faults.nemeses import KILLS, rage, single_broker, three_brokers
from tests.faults.run import Run

LEARNERS_PER_RATE = 4
"""So that a learner has a piece every few seconds, whatever the rate."""
KILL_EVERY_S = 5.0


def main() -> None:
    """Run what is asked for; exits with 1 where a promise was broken."""
    arguments = _parser().parse_args()
    if arguments.command == "check":
        verdict = check(history.read(arguments.history))
    else:
        seed = arguments.seed or secrets.token_hex(4)
        _say(f"SEED={seed}")
        verdict = asyncio.run(_on_own_stack(arguments, seed))
        _say(f"SEED={seed}, history in {arguments.output}")
    print(json.dumps(dataclasses.asdict(verdict) | {"ok": verdict.ok}, indent=2))
    sys.exit(not verdict.ok)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="random faults under load, then healing and the verdict")
    run.add_argument("--seconds", type=float, default=60.0, help="of faults (default 60)")
    run.add_argument("--rate", type=int, default=400, help="pieces of evidence a second (default 400)")
    run.add_argument("--brokers", type=int, default=1, choices=[1, 3], help="of Kafka (default 1)")
    count = commands.add_parser(
        "count", help="every piece of a number counted, while anything is killed again and again"
    )
    count.add_argument("--items", type=int, default=300_000, help="pieces of evidence (default 300,000)")
    for command in (run, count):
        command.add_argument("--seed", default="", help="of the load and the faults (default: a new one)")
        command.add_argument("--output", type=Path, default=Path("faults.jsonl"), help="the history (JSON lines)")
    judge = commands.add_parser("check", help="judge a history")
    judge.add_argument("history", type=Path)
    return parser


async def _on_own_stack(arguments: argparse.Namespace, seed: str) -> Verdict:
    folder = new_folder()
    act = _run if arguments.command == "run" else _count
    cluster = Cluster(folder / "home", brokers=getattr(arguments, "brokers", 1))
    try:
        await cluster.start()
        run, act_on = act(cluster, folder, seed, arguments)
        await run.load.prepare()
        started = time.monotonic()
        await act_on()
        _say(f"{run.load.acknowledged} acknowledged in {time.monotonic() - started:.0f} s; reading all of it")
        verdict = await run.finish()
        shutil.copy(run.history.path, arguments.output)
        return verdict
    finally:
        await cluster.stop()
        stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    cluster: Cluster, folder: Path, seed: str, arguments: argparse.Namespace
) -> tuple[Run, Callable[[], Awaitable[None]]]:
    learners = max(150, LEARNERS_PER_RATE * arguments.rate)
    run = Run(cluster, folder, "run", seed=seed, rate=arguments.rate, learners=learners, say=_say)
    faults = single_broker() if arguments.brokers == 1 else three_brokers()

    async def act() -> None:
        run.load.start()
        await rage(run, faults, arguments.seconds, random.Random(seed))

    return run, act


def _count(
    cluster: Cluster, folder: Path, seed: str, arguments: argparse.Namespace
) -> tuple[Run, Callable[[], Awaitable[None]]]:
    run = Run(cluster, folder, "count", seed=seed, rate=5_000, learners=20_000, say=_say)

    async def act() -> None:
        run.load.start(items=arguments.items)
        sent = asyncio.create_task(run.load.finished())
        chance = random.Random(seed)
        while not sent.done():
            await rage(run, KILLS, KILL_EVERY_S, chance)
            _say(f"{run.load.acknowledged} of {arguments.items} acknowledged")
        await sent

    return run, act


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
