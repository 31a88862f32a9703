"""Progression as processes of their own on a filled topic: from the first committed batch to the last event relayed."""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import asyncpg
import httpx
import msgspec

from deploy.local.stack import Stack
from shared.contracts.internal_events import EVIDENCE_RECORDED, EvidenceRecorded, Score
from shared.events import Draft, encode_json, envelope, now
from shared.migrate import migrate
from shared.settings import Settings
from shared.shards import shard_of, stable_id
from shared.topics import create
from tests.bench.end_to_end import STREAK_3
from tests.bench.figures import Usage
from tests.bench.load import FRAMEWORK, evidence, nodes
from tests.support.producer import Producer, free_port, running_producer
from tests.support.servers import Servers

TENANT = "bench-fold"
ROOT = Path(__file__).parents[2]
APPENDED_AT_ONCE = 5000
TEMPLATES = 1_000
"""Learners whose first state is folded; that of the others is a copy of one of these."""
DRAIN_S = 300.0


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is folded: `events` of `learners` at random; a learner goes to the next competency after `pieces` of one."""

    events: int
    learners: int = 4_000
    competencies: int = 12
    shards: int = 8
    pieces: int = 10
    kind: str = "practice"
    known: bool = False
    """Whether each learner has a state before, as after one piece."""


@dataclasses.dataclass(frozen=True)
class Folded:
    """How fast it was: CPU microseconds an event of the replicas together, of PostgreSQL and of Kafka."""

    rate: float
    cpu: dict[str, float]
    other_load: float

    def detail(self) -> dict[str, float]:
        """Return what a figure says beside the rate."""
        return {**self.cpu, "other_load": self.other_load}


class Topic:
    """A topic of evidence, and a progression installation that reads it."""

    def __init__(self, stack: Stack, settings: Settings, producer: Producer) -> None:
        self.settings = settings
        self.name = f"attain.evidence{settings.topic_suffix}"
        self.stack = stack
        self.program: tuple[str, ...] = ("services.progression.app",)
        """The module that a replica runs, with its arguments."""
        self._producer = producer
        self._appended = 0

    async def fill(self, shape: Shape, *, in_turn: bool = False) -> None:
        """Append the load to the evidence log and wait until all of it is in the topic."""
        drafts = self._drafts(shape, in_turn)
        while batch := list(islice(drafts, APPENDED_AT_ONCE)):
            async with self._producer.database.transaction() as connection:
                await self._producer.logs["evidence"].append(connection, batch)
            self._producer.relay.wake()
            self._appended += len(batch)
        async with self._producer.database.connection() as connection:
            while await connection.fetchval("select sum(pos) from relay_cursor") < self._appended:
                await asyncio.sleep(0.1)

    async def fold(self, events: int) -> Folded:
        """Fold the last `events` with a replica that is started now."""
        async with self.replicas() as pids:
            return await self._measure(events, pids)

    async def know(self, shape: Shape) -> None:
        """Give each learner a state as after a first piece, unmeasured, so that a million take no longer than their COPY."""
        folded = min(shape.learners, TEMPLATES)
        await self.fill(dataclasses.replace(shape, events=folded), in_turn=True)
        async with self.replicas():
            await self._all_folded()
        connection = await asyncpg.connect(self.settings.progression_database)
        try:
            states = await connection.fetch(
                "select competency, rules_no, state, deadline from mastery order by learner"
            )
            rows = (
                (TENANT, learner, shard_of(TENANT, learner, self.settings.shards), *states[number % len(states)])
                for number in range(folded, shape.learners)
                for learner in (stable_id(TENANT, f"learner-{number}"),)
            )
            columns = ("tenant", "learner", "shard", "competency", "rules_no", "state", "deadline")
            await connection.copy_records_to_table("mastery", records=rows, columns=columns)
            await connection.execute("vacuum analyze mastery")
        finally:
            await connection.close()

    async def state_bytes(self) -> dict[str, float]:
        """Return what the states take in PostgreSQL: rows, and indexes over learner and competency."""
        connection = await asyncpg.connect(self.settings.progression_database)
        try:
            sizes = await connection.fetch(
                "select pg_table_size('mastery') as state_bytes, pg_indexes_size('mastery') as index_bytes"
            )
        finally:
            await connection.close()
        return dict(sizes[0])

    async def fold_shared(self, shape: Shape, replicas: int) -> Folded:
        """
        Fill the topic and fold it with so many replicas, which share the shards from the first event on.

        Until all is in the topic the states are locked, so that nothing is committed; who locked position rows would be ended.
        """
        connection = await asyncpg.connect(self.settings.progression_database)
        try:
            async with self.replicas(replicas) as pids:
                while await connection.fetchval("select count(distinct owner) from consumer_shard") < replicas:
                    await asyncio.sleep(0.1)
                async with connection.transaction():
                    await connection.execute("lock table mastery in exclusive mode")
                    await self.fill(shape)
                return await self._measure(shape.events, pids)
        finally:
            await connection.close()

    async def advanced(self) -> int:
        """Return how many (learner, competency) pairs have advanced."""
        connection = await asyncpg.connect(self.settings.progression_database)
        try:
            return int(await connection.fetchval("select count(*) from event_log where log = 'advancement'"))
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def replicas(self, number: int = 1) -> AsyncIterator[dict[str, int]]:
        """Run replicas and yield their pids once all are ready; they end with the block."""
        async with contextlib.AsyncExitStack() as running:
            services = [
                await running.enter_async_context(_service(self.settings, self._producer.url, slot, self.program))
                for slot in range(number)
            ]
            yield {f"progression-{slot}": service.pid for slot, service in enumerate(services)}

    async def decide(self, policy: bytes, competencies: int) -> None:
        """Put a framework and a policy into force, with a replica that runs as long as it takes."""
        token = self.stack.token(TENANT, "policy:write admin service")
        url = f"http://127.0.0.1:{self.settings.port}"
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            content = {"id": FRAMEWORK, "nodes": nodes(competencies)}
            (await client.post("/v1/frameworks", json=content)).raise_for_status()
            (await client.post("/v1/policies", content=policy)).raise_for_status()
            await self.swept(client)

    async def swept(self, client: httpx.AsyncClient) -> None:
        """Wait until every decision is in force and every key refolded."""
        while True:
            stages = (await client.get("/v1/lag")).json()["stages"]
            if not any(stage["behind_events"] for stage in stages if stage["name"] == "decisions"):
                return
            await asyncio.sleep(0.05)

    def _drafts(self, shape: Shape, in_turn: bool) -> Iterator[Draft]:
        load = evidence(
            "fold", shape.events, learners=shape.learners, competencies=shape.competencies, pieces=shape.pieces,
            first=self._appended, in_turn=in_turn, kind=shape.kind,
        )  # fmt: skip
        for _, item in load:
            native = msgspec.json.decode(item)
            learner = stable_id(TENANT, native["learner"])
            id = stable_id(TENANT, native["source"], native["id"])
            recorded = EvidenceRecorded(
                evidence_id=id, source=native["source"], id=native["id"], learner=learner,
                competencies=tuple(native["competencies"]), score=Score(**native["score"]), kind=native["kind"],
                occurred_at=native["occurred_at"].replace("Z", ".000000Z"), activity=native["activity"]["id"],
            )  # fmt: skip
            body = envelope(id=id, source="evidence", type=EVIDENCE_RECORDED, tenant=TENANT, subject=learner,
                            time=now(), data=encode_json(recorded))  # fmt: skip
            yield Draft(shard_of(TENANT, learner, self.settings.shards), TENANT, learner, body)

    async def _measure(self, events: int, pids: dict[str, int]) -> Folded:
        pids = {name: self.stack.pids[name] for name in ("kafka", "postgres")} | pids
        before = self._appended - events
        started, first, usage = 0.0, 0, Usage(pids)

        def look(folded: int) -> None:
            nonlocal started, first, usage
            if folded > before and not started:
                started, first, usage = time.perf_counter(), folded, Usage(pids)

        await self._all_folded(look)
        counted = self._appended - first
        cpu = _joined(usage.cpu_us_per_event(counted))
        return Folded(counted / (time.perf_counter() - started), cpu, usage.other_load())

    async def _all_folded(self, look: Callable[[int], None] = lambda folded: None) -> None:
        """Wait until all is folded and what it tells is sent; `look` is told now and then how much is folded."""
        connection = await asyncpg.connect(self.settings.progression_database)
        deadline = time.monotonic() + DRAIN_S
        try:
            while time.monotonic() < deadline:
                folded = await connection.fetchval("select sum(pos)::bigint from consumer_shard")
                look(folded)
                if folded == self._appended and not await connection.fetchval(
                    "select sum(h.pos - c.pos) from log_head h join relay_cursor c using (log, shard)"
                    " where log in ('progression', 'advancement')"
                ):
                    return
                await asyncio.sleep(0.02)
        finally:
            await connection.close()
        raise TimeoutError(f"progression has folded {folded} of {self._appended} events in {DRAIN_S:.0f} s")


@contextlib.asynccontextmanager
async def prepared_topic(
    stack: Stack, shape: Shape, policy: bytes = STREAK_3, *, empty: bool = False
) -> AsyncIterator[Topic]:
    """Make databases and topics of their own, put the policy into force and fill the topic, unless it is to be empty."""
    servers = Servers.of_home(stack)
    settings = Settings(
        kafka=servers.kafka, topic_suffix=f"-bench{secrets.token_hex(3)}", shards=shape.shards,
        token_key_file=stack.token_key_file, progression_database=await servers.create_database("bench"),
        port=free_port(),
    )  # fmt: skip
    await create(settings)
    await asyncio.to_thread(migrate, "progression", settings.progression_database)
    source = await servers.create_database("bench_source")
    async with running_producer(source, ["evidence"], settings) as producer:
        topic = Topic(stack, settings, producer)
        async with topic.replicas():
            await topic.decide(policy, shape.competencies)
        if shape.known:
            await topic.know(shape)
        if not empty:
            await topic.fill(shape)
        yield topic


@contextlib.asynccontextmanager
async def _service(
    settings: Settings, evidence_url: str, slot: int, program: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    port = settings.port if slot == 0 else free_port()
    environment = os.environ | {
        "ATTAIN_KAFKA": settings.kafka,
        "ATTAIN_TOPIC_SUFFIX": settings.topic_suffix,
        "ATTAIN_SHARDS": str(settings.shards),
        "ATTAIN_TOKEN_KEY_FILE": str(settings.token_key_file),
        "ATTAIN_PROGRESSION_DATABASE": settings.progression_database,
        "ATTAIN_EVIDENCE_URL": evidence_url,
        "ATTAIN_PORT": str(port),
        "ATTAIN_SLOT": f"bench-{slot}",
        "ATTAIN_LOG_LEVEL": "ERROR",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *program, env=environment, cwd=ROOT)
    try:
        await _until_ready(f"http://127.0.0.1:{port}")
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)
    raise TimeoutError("the progression service does not start")


def _joined(cpu: dict[str, float]) -> dict[str, float]:
    """Add up the replicas."""
    servers = {name: value for name, value in cpu.items() if not name.startswith("progression-")}
    return {"progression_us": round(sum(cpu.values()) - sum(servers.values()), 1), **servers}
