"""Progression against what else folds a topic exactly once: Quix Streams and Kafka Streams, on the same topic in turn."""

import asyncio
import dataclasses
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.jars import KAFKA_VERSION, find_java
from deploy.local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.progression_fold import ROOT, TENANT, Folded, Shape, Topic, prepared_topic

QUIX_HOME = ROOT / ".bench" / "quix"
QUIX = "quixstreams==3.28.1"
STREAMS = f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
PEER_S_MAX = 600
Peer = Callable[[Topic, Path, int], tuple[int, float]]
"""Folds the topic; returns how many advanced, and events a second. The folder is its own."""


def against_peers(folder: Path, stack: Stack, events: int, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Run all on the same topics, in turn, and return the median of ours with its ratios to theirs."""
    python = quix_python(say)
    peers = {"quix-exactly-once": quix_streams(python), "quix-hosting": quix_hosting(python)}
    skipped = {}
    streams = kafka_streams()
    if isinstance(streams, str):
        say(f"Kafka Streams is skipped: {streams}")
        skipped["kafka-streams-skipped"] = streams
    else:
        peers["kafka-streams-exactly-once-v2"] = streams
    done = []
    for number in range(rounds):
        say(f"progression against {' and '.join(peers)}, round {number + 1} of {rounds}")
        done.append(asyncio.run(one_round(folder, stack, events, peers)))
        say(f"  {done[-1]}")
    return [summary(done, skipped)]


@dataclasses.dataclass(frozen=True)
class Round:
    """What one topic was folded with."""

    events: int
    attain: Folded
    rates: dict[str, float]
    """Events a second of each peer."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {rate:,.0f}/s" for name, rate in {"attain": self.attain.rate, **self.rates}.items())


async def one_round(folder: Path, stack: Stack, events: int, peers: dict[str, Peer]) -> Round:
    """Fold one topic with all; raises `RuntimeError` where a peer has not come to the same."""
    async with prepared_topic(stack, Shape(events)) as topic:
        attain = await topic.fold(events)
        advanced = await topic.advanced()
        rates = {}
        for name, peer in peers.items():
            theirs, rates[name] = await asyncio.to_thread(peer, topic, folder, events)
            if theirs != advanced:
                raise RuntimeError(f"{name} did other work: {theirs} advanced, with Attain {advanced}")
        return Round(events, attain, rates)


def summary(done: Sequence[Round], skipped: dict[str, str]) -> Figure:
    """Return our median with the medians of the rounds' ratios."""
    names = done[0].rates
    ratios = {name: statistics.median(one.attain.rate / one.rates[name] for one in done) for name in names}
    middle = sorted((one.attain for one in done), key=lambda one: one.rate)[(len(done) - 1) // 2]
    runs = {f"{name}-runs": [round(one.rates[name]) for one in done] for name in names}
    detail = {
        "events": done[0].events,
        "runs": [round(one.attain.rate) for one in done],
        **runs,
        **middle.detail(),
        **skipped,
    }
    return Figure("progression-fold", middle.rate, "events/s", ratios, detail)


def quix_python(say: Callable[[str], None]) -> Path:
    """Return the interpreter of an environment for Quix Streams, made once, with the product's packages behind its own."""
    python = QUIX_HOME / "bin" / "python"
    if not python.exists():
        say(f"installing {QUIX} into {QUIX_HOME.relative_to(ROOT)}")
        subprocess.run([sys.executable, "-m", "venv", QUIX_HOME], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", QUIX], check=True)
    [packages] = QUIX_HOME.glob("lib/python*/site-packages")
    (packages / "attain.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    return python


def quix_streams(python: Path) -> Peer:
    """Return Quix Streams with a fold of its own, which counts and no more."""
    return lambda topic, folder, events: _quix(python, "quix_fold.py", topic, folder, events)


def quix_hosting(python: Path) -> Peer:
    """Return Quix Streams around the fold of Attain, with all that this keeps and tells."""

    def fold(topic: Topic, folder: Path, events: int) -> tuple[int, float]:
        return _quix(python, "quix_hosting.py", topic, folder, events, topic.settings.progression_database, TENANT)

    return fold


def _quix(python: Path, program: str, topic: Topic, folder: Path, events: int, *more: str) -> tuple[int, float]:
    run = f"quix-{secrets.token_hex(3)}"
    arguments = [topic.settings.kafka, topic.name, run, str(folder / run), str(events), *more]
    return _output([str(python), str(Path(__file__).with_name(program)), *arguments])


def kafka_streams() -> Peer | str:
    """Return Kafka Streams, as the Java program beside this file, or why it cannot run here."""
    import jgo

    try:
        java = Path(find_java().path).resolve()
    except StackError as error:
        return str(error)
    if not java.with_name("javac").exists():
        return "there is a Java but no JDK to compile the program with"
    try:
        jars = [str(jar) for jar in jgo.build(STREAMS).all_jars]
    except Exception as error:
        return f"the jars of Kafka Streams are not here: {type(error).__name__}: {error}"

    def fold(topic: Topic, folder: Path, events: int) -> tuple[int, float]:
        run = f"streams-{secrets.token_hex(3)}"
        state = folder / run
        command = [
            str(java), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", os.pathsep.join(jars),
            str(Path(__file__).with_name("StreakFold.java")), topic.settings.kafka, topic.name, run, str(state),
            str(events),
        ]  # fmt: skip
        try:
            return _output(command)
        finally:
            shutil.rmtree(state, ignore_errors=True)

    return fold


def _output(command: list[str]) -> tuple[int, float]:
    """Run a peer; return the two numbers that it prints last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PEER_S_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    advanced, rate = done.stdout.split()[-2:]
    return int(advanced), float(rate)
