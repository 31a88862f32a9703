"""
`python -m tests.faults`: break a stack of its own at random, count through repeated kills, watch a stack that someone else
breaks, or judge a history.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path

from deploy.local import stack
from tests.faults import history
from tests.faults.checker import check
from tests.faults.cluster import Cluster, new_folder
from tests.faults.nemeses import KILLS, rage, single_broker, three_brokers
from tests.faults.run import Run
from tests.faults.target import Given
from tests.faults.verdict import Verdict

LEARNERS_PER_RATE = 4
"""So that a learner has a piece every few seconds, whatever the rate."""
COUNT_RATE = 2_500
KILL_EVERY_S = 5.0
SENT_BEFORE_S = 2.0


def main() -> None:
    """Run what is asked for; exits with 1 where a promise was broken."""
    arguments = _parser().parse_args()
    # Ends as by Ctrl-C, which stops the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.command == "check":
        kept = _show(check(history.read(arguments.history)))
    elif arguments.command == "watch":
        arguments.output.mkdir(parents=True, exist_ok=True)
        kept = asyncio.run(_watch(arguments, arguments.seed or secrets.token_hex(4)))
    else:
        arguments.output.mkdir(parents=True, exist_ok=True)
        kept = asyncio.run(_on_own_stack(arguments, arguments.seed or [secrets.token_hex(4)]))
    sys.exit(not kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="random faults under load, then healing and the verdict")
    run.add_argument("--seconds", type=float, default=20.0, help="of faults (default 20)")
    run.add_argument("--rate", type=int, default=400, help="pieces of evidence a second (default 400)")
    run.add_argument(
        "--session", type=int, default=6, help="seconds until a silent process loses its shards (default 6)"
    )
    run.add_argument("--brokers", type=int, default=1, choices=[1, 3], help="of Kafka (default 1)")
    run.add_argument(
        "--alone", nargs="+", default=[], metavar="FAULT", choices=sorted({*single_broker(), *three_brokers()}),
        help="not random ones: these, each caught up with before the next",
    )  # fmt: skip
    run.add_argument("--hold", type=float, default=1.0, help="seconds that each of those lasts (default 1)")
    count = commands.add_parser(
        "count", help="every piece of a number counted, while anything is killed again and again"
    )
    count.add_argument("--items", type=int, default=300_000, help="pieces of evidence (default 300,000)")
    watch = commands.add_parser(
        "watch", help="send a load to a stack that runs, which you break meanwhile, and judge it",
        description="The stack is the local one, or the one that ATTAIN_EVIDENCE_URL, ATTAIN_PROGRESSION_URL,"
        " ATTAIN_REPORTING_URL and ATTAIN_TOKEN name; all on the loopback of this machine.",
    )  # fmt: skip
    watch.add_argument("--seconds", type=float, default=60.0, help="of load (default 60)")
    watch.add_argument("--rate", type=int, default=400, help="pieces of evidence a second (default 400)")
    watch.add_argument("--tenant", default=f"faults-{secrets.token_hex(3)}", help="the token's (default: a new one)")
    watch.add_argument("--kafka", default="", help="brokers, to send by Kafka too and to read the topics")
    watch.add_argument("--home", type=Path, default=Path(".attain"), help="of the local stack (default .attain)")
    watch.add_argument("--seed", default="", help="of the load (default: a new one)")
    for command in (run, count):
        command.add_argument("--seed", nargs="*", help="of load and faults; one run each (default: a new one)")
    for command in (run, count, watch):
        command.add_argument(
            "--output", type=Path, default=Path(".faults"), help="folder of the histories (default .faults)"
        )
    judge = commands.add_parser("check", help="judge a history")
    judge.add_argument("history", type=Path)
    return parser


async def _on_own_stack(arguments: argparse.Namespace, seeds: list[str]) -> bool:
    """Run once a seed, each as a tenant of its own on the same stack; return whether every promise was kept."""
    folder = new_folder()
    settings = {"ATTAIN_SESSION_TIMEOUT_S": str(arguments.session)} if arguments.command == "run" else {}
    cluster = Cluster(folder / "home", brokers=getattr(arguments, "brokers", 1), settings=settings)
    kept = False
    try:
        await cluster.start()
        kept = all([await _once(arguments, cluster, folder, seed) for seed in seeds])
        return kept
    finally:
        if not kept:
            shutil.copytree(cluster.home.logs, arguments.output / "faults-logs", dirs_exist_ok=True)
            _say(f"the logs of the services are in {arguments.output / 'faults-logs'}")
        await cluster.stop()
        stack.reset(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)


async def _once(arguments: argparse.Namespace, cluster: Cluster, folder: Path, seed: str) -> bool:
    _say(f"SEED={seed}")
    counting = arguments.command == "count"
    rate, learners = (COUNT_RATE, 20_000) if counting else (arguments.rate, LEARNERS_PER_RATE * arguments.rate)
    run = Run(cluster, folder, arguments.command, seed=seed, rate=rate, learners=learners, say=_say)
    await run.load.prepare()
    started = time.monotonic()
    breaking = _count if counting else _break_alone if arguments.alone else _break
    await breaking(run, seed, arguments)
    _say(f"{run.load.acknowledged} acknowledged in {time.monotonic() - started:.0f} s; reading all of it")
    verdict = await run.finish()
    written = arguments.output / f"faults-{seed}.jsonl"
    shutil.move(run.history.path, written)
    _say(f"SEED={seed}, history in {written}")
    return _show(verdict)


async def _watch(arguments: argparse.Namespace, seed: str) -> bool:
    """Send a load to a stack that runs, for as long as asked, and judge what it holds once it has caught up."""
    given = Given(arguments.home.resolve(), arguments.tenant, arguments.kafka)
    ways = ("http", "http", "kafka") if given.kafka else ("http", "http")
    learners = LEARNERS_PER_RATE * arguments.rate
    run = Run(given, arguments.output, "watch", tenant=arguments.tenant, seed=seed, rate=arguments.rate, ways=ways,
              learners=learners, say=_say)  # fmt: skip
    await run.load.prepare()
    run.load.start()
    end = time.monotonic() + arguments.seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(5.0, left))
        _say(f"{run.load.acknowledged} acknowledged, {run.load.failures} attempts without an answer")
    run.healed()
    verdict = await run.finish(topics=bool(given.kafka))
    _say(f"SEED={seed}, history in {run.history.path}")
    return _show(verdict)


async def _break(run: Run, seed: str, arguments: argparse.Namespace) -> None:
    """Break anything at random for as long as asked."""
    faults = single_broker() if arguments.brokers == 1 else three_brokers()
    run.load.start()
    await rage(run, faults, arguments.seconds, random.Random(seed))


async def _break_alone(run: Run, seed: str, arguments: argparse.Namespace) -> None:
    """Break what is named, one after the other, and say how long it takes to catch up with each."""
    faults = single_broker() if arguments.brokers == 1 else three_brokers()
    for name in arguments.alone:
        run.load.start()
        await asyncio.sleep(SENT_BEFORE_S)
        async with run.fault(name, faults[name].fault(run)):
            await asyncio.sleep(arguments.hold)
        await run.load.stop()
        _say(f"{name}: caught up after {await run.caught_up():.1f} s")


async def _count(run: Run, seed: str, arguments: argparse.Namespace) -> None:
    """Kill anything until so many pieces are acknowledged."""
    run.load.start(items=arguments.items)
    sent = asyncio.create_task(run.load.finished())
    chance = random.Random(seed)
    while not sent.done():
        await rage(run, KILLS, KILL_EVERY_S, chance)
        _say(f"{run.load.acknowledged} of {arguments.items} acknowledged")
    await sent


def _show(verdict: Verdict) -> bool:
    print(json.dumps(dataclasses.asdict(verdict) | {"ok": verdict.ok}, indent=2), flush=True)
    return verdict.ok


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
