"""Progression against what else folds a topic exactly once: Quix Streams and Kafka Streams, on the same topic in turn."""

import asyncio
import os
import secrets
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.jars import KAFKA_VERSION, find_java
from deploy.local.stack import Stack
from tests.bench.figures import Figure
from tests.bench.progression_fold import ROOT, Folded, Shape, Topic, filled_topic

QUIX_HOME = ROOT / ".bench" / "quix"
QUIX = "quixstreams==3.28.1"
STREAMS = f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
PEER_S_MAX = 600
Peer = Callable[[Topic, Path, int], float]
"""Returns the events a second with which the peer folds the topic; the folder is its own."""


def against_peers(folder: Path, stack: Stack, events: int, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Run all on the same topics, in turn, and return the median of ours with its ratios to theirs."""
    peers: dict[str, Peer] = {"quix-exactly-once": quix_streams(say)}
    skipped = {}
    streams = kafka_streams()
    if isinstance(streams, str):
        say(f"Kafka Streams is skipped: {streams}")
        skipped["kafka-streams-skipped"] = streams
    else:
        peers["kafka-streams-exactly-once-v2"] = streams
    ours: list[Folded] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds):
        say(f"progression against {' and '.join(peers)}, round {number + 1} of {rounds}")
        attain, rates = asyncio.run(_round(folder, stack, events, peers))
        ours.append(attain)
        for name, rate in rates.items():
            theirs[name].append(rate)
        say(f"  attain {attain.rate:,.0f}/s, " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items()))
    ratios = {
        name: statistics.median(a.rate / b for a, b in zip(ours, rates, strict=True)) for name, rates in theirs.items()
    }
    middle = sorted(ours, key=lambda one: one.rate)[(len(ours) - 1) // 2]
    runs = {"runs": [round(one.rate) for one in ours]} | {
        f"{name}-runs": [round(rate) for rate in rates] for name, rates in theirs.items()
    }
    return [Figure("progression-fold", middle.rate, "events/s", ratios, {**runs, **middle.detail(), **skipped})]


async def _round(folder: Path, stack: Stack, events: int, peers: dict[str, Peer]) -> tuple[Folded, dict[str, float]]:
    async with filled_topic(stack, Shape(events)) as topic:
        attain = await topic.fold(events)
        return attain, {name: await asyncio.to_thread(peer, topic, folder, events) for name, peer in peers.items()}


def quix_streams(say: Callable[[str], None]) -> Peer:
    """Return Quix Streams, in an environment of its own that is made once."""
    python = QUIX_HOME / "bin" / "python"
    if not python.exists():
        say(f"installing {QUIX} into {QUIX_HOME.relative_to(ROOT)}")
        subprocess.run([sys.executable, "-m", "venv", QUIX_HOME], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", QUIX], check=True)

    def fold(topic: Topic, folder: Path, events: int) -> float:
        run = f"quix-{secrets.token_hex(3)}"
        program = Path(__file__).with_name("quix_fold.py")
        return _rate([str(python), str(program), topic.settings.kafka, topic.name, run, str(folder / run), str(events)])

    return fold


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

    def fold(topic: Topic, folder: Path, events: int) -> float:
        run = f"streams-{secrets.token_hex(3)}"
        state = folder / run
        command = [
            str(java), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", os.pathsep.join(jars),
            str(Path(__file__).with_name("StreakFold.java")), topic.settings.kafka, topic.name, run, str(state),
            str(events),
        ]  # fmt: skip
        try:
            return _rate(command)
        finally:
            shutil.rmtree(state, ignore_errors=True)

    return fold


def _rate(command: list[str]) -> float:
    """Run a peer; return the last number that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PEER_S_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])
