"""Progression from a filled topic (journal, state, events, relay) against Quix Streams exactly-once on the same topic."""

import asyncio
import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import httpx
import msgspec

from deploy.local.stack import Stack
from shared.contracts import EVIDENCE_RECORDED, EvidenceRecorded, Score
from shared.events import Draft, encode_json, envelope, now
from shared.migrate import migrate
from shared.settings import Settings
from shared.shards import shard_of, stable_id
from shared.topics import create
from tests.bench.end_to_end import STREAK_3
from tests.bench.figures import Figure
from tests.bench.load import FRAMEWORK, evidence, nodes
from tests.support.producer import Producer, free_port, running_producer
from tests.support.servers import Servers

LEARNERS = 4_000
COMPETENCIES = 12
SHARDS = 8
TENANT = "bench-fold"
QUIX_HOME = Path(".bench/quix")
QUIX = "quixstreams==3.28.1"
ROOT = Path(__file__).parents[2]


def against_quix(folder: Path, stack: Stack, events: int, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Run both on the same topics, in turn, and return the medians with their ratio."""
    ours, theirs = [], []
    python = _quix_python(say)
    for number in range(rounds):
        say(f"progression against Quix Streams, round {number + 1} of {rounds}")
        attain, quix = asyncio.run(_round(folder, Servers.of_home(stack), stack, events, python))
        ours.append(attain)
        theirs.append(quix)
        say(f"  attain {attain:,.0f}/s, quix {quix:,.0f}/s")
    ratio = statistics.median(a / q for a, q in zip(ours, theirs, strict=True))
    detail = {"runs": [round(run) for run in ours], "quix_runs": [round(run) for run in theirs]}
    return [Figure("progression-fold", statistics.median(ours), "events/s", {"quix-exactly-once": ratio}, detail)]


def _quix_python(say: Callable[[str], None]) -> Path:
    """Return the interpreter of an environment with Quix Streams alone, made once."""
    python = ROOT / QUIX_HOME / "bin" / "python"
    if not python.exists():
        say(f"installing {QUIX} into {QUIX_HOME}")
        subprocess.run([sys.executable, "-m", "venv", ROOT / QUIX_HOME], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", QUIX], check=True)
    return python


async def _round(folder: Path, servers: Servers, stack: Stack, events: int, python: Path) -> tuple[float, float]:
    async with fold_rate(servers, stack, events) as (attain, settings, run):
        quix = await asyncio.to_thread(_quix, folder, python, settings, events, run)
    return attain, quix


@contextlib.asynccontextmanager
async def fold_rate(
    servers: Servers, stack: Stack, events: int, *, policy: bytes = STREAK_3, kind: str = "practice"
) -> AsyncIterator[tuple[float, Settings, str]]:
    """
    Fill a topic of its own with work of a kind, and fold it under a policy by a progression service of its own.

    Yields events a second, the settings that name the topic while it is still there, and the run.
    """
    run = secrets.token_hex(3)
    port = free_port()
    settings = Settings(
        kafka=servers.kafka, topic_suffix=f"-bench{run}", shards=SHARDS, token_key_file=stack.token_key_file,
        progression_database=await servers.create_database("bench"), slot="bench-0", port=port,
    )  # fmt: skip
    await create(settings)
    await asyncio.to_thread(migrate, "progression", settings.progression_database)
    source = await servers.create_database("bench_source")
    async with running_producer(source, ["evidence"], settings) as producer:
        service = _Service(settings, producer.url)
        async with service as running:
            await running.prepare(stack, policy)
        await _fill(producer, events, run, kind)
        async with service as running:
            rate = await running.rate(events)
        yield rate, settings, run


async def _fill(producer: Producer, events: int, run: str, kind: str) -> None:
    """Append the load to the evidence log and wait until all of it is in the topic."""
    drafts = []
    for _, item in evidence(run, events, learners=LEARNERS, competencies=COMPETENCIES, kind=kind):
        native = msgspec.json.decode(item)
        learner = stable_id(run, native["learner"])
        id = stable_id(TENANT, native["source"], native["id"])
        recorded = EvidenceRecorded(
            evidence_id=id, source=native["source"], id=native["id"], learner=learner,
            competencies=tuple(native["competencies"]), occurred_at=native["occurred_at"].replace("Z", ".000000Z"),
            score=Score(raw=native["score"]["raw"], max=native["score"]["max"]), activity=native["activity"]["id"],
            kind=native["kind"],
        )  # fmt: skip
        body = envelope(id=id, source="evidence", type=EVIDENCE_RECORDED, tenant=TENANT, subject=learner, time=now(),
                        data=encode_json(recorded))  # fmt: skip
        drafts.append(Draft(shard_of(TENANT, learner, SHARDS), TENANT, learner, body))
    for start in range(0, len(drafts), 5000):
        async with producer.database.transaction() as connection:
            await producer.logs["evidence"].append(connection, drafts[start : start + 5000])
        producer.relay.wake()
    async with producer.database.connection() as connection:
        while await connection.fetchval("select sum(pos) from relay_cursor") < events:
            await asyncio.sleep(0.1)


class _Service:
    """The progression service as a process of its own."""

    def __init__(self, settings: Settings, evidence_url: str) -> None:
        self._settings = settings
        self._url = f"http://127.0.0.1:{settings.port}"
        self._environment = os.environ | {
            "ATTAIN_KAFKA": settings.kafka,
            "ATTAIN_TOPIC_SUFFIX": settings.topic_suffix,
            "ATTAIN_TOKEN_KEY_FILE": str(settings.token_key_file),
            "ATTAIN_PROGRESSION_DATABASE": settings.progression_database,
            "ATTAIN_EVIDENCE_URL": evidence_url,
            "ATTAIN_PORT": str(settings.port),
            "ATTAIN_SLOT": settings.slot,
            "ATTAIN_LOG_LEVEL": "WARNING",
        }

    async def __aenter__(self) -> "_Service":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.progression.app", env=self._environment, cwd=ROOT
        )
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                try:
                    if (await client.get(f"{self._url}/readyz")).status_code == 200:
                        return self
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
        raise TimeoutError("the progression service does not start")

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()

    async def prepare(self, stack: Stack, policy: bytes) -> None:
        """Put the framework and the policy into force."""
        token = stack.token(TENANT, "policy:write admin service")
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=60) as client:
            content = {"id": FRAMEWORK, "nodes": nodes(COMPETENCIES)}
            (await client.post("/v1/frameworks", json=content)).raise_for_status()
            (await client.post("/v1/policies", content=policy)).raise_for_status()

    async def rate(self, events: int) -> float:
        """Return events a second from the first committed batch to the last event relayed."""
        connection = await asyncpg.connect(self._settings.progression_database)
        try:
            started, before = 0.0, 0
            while True:
                folded = await connection.fetchval("select sum(pos) from consumer_shard")
                if folded and not started:
                    started, before = time.perf_counter(), folded
                if folded == events and not await connection.fetchval(
                    "select sum(h.pos - c.pos) from log_head h join relay_cursor c using (log, shard)"
                    " where log in ('progression', 'advancement')"
                ):
                    return float(events - before) / (time.perf_counter() - started)
                await asyncio.sleep(0.02)
        finally:
            await connection.close()


def _quix(folder: Path, python: Path, settings: Settings, events: int, run: str) -> float:
    done = subprocess.run(
        [
            python, Path(__file__).with_name("quix_fold.py"), settings.kafka, f"attain.evidence{settings.topic_suffix}",
            f"quix-{run}", folder / f"quix-{run}", str(events),
        ],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"Quix Streams ended with {done.returncode}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])
