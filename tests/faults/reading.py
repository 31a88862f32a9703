"""The last reads of a run: everything that the product holds of a tenant, written into the history for the checker."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.audit import audit
from deploy.local.audit_findings import Findings
from deploy.local.audit_sources import Sources
from deploy.local.home import SHARDS
from deploy.local.services import SERVICES
from shared.events import decode_envelope
from shared.topics import ADVANCEMENT, EVIDENCE, PROGRESSION
from tests.faults.history import History
from tests.faults.target import Target

READER = "reader"
VERIFY_S_MAX = 600
ROWS = 20_000
TOPICS = (EVIDENCE, PROGRESSION, ADVANCEMENT)


def read_services(target: Target, tenant: str, history: History) -> None:
    """
    Read the evidence log, the states of progression and reporting, and the public events.

    `evidence` is [shard, head, [[position, item id or "", learner], ...]] of all tenants, for only together they are dense;
    `told` the same with [position, id, type, learner, competency]; `states` [service, [[learner, competency, status, count,
    mastered at], ...]].
    """
    with _sources(target, tenant) as sources:
        for shard, head in sources.heads(sources.evidence, "evidence").items():
            rows = _evidence(sources, shard, head, tenant)
            _add_in_pages(history, "evidence", [shard, head], rows)
        for shard, head in sources.heads(sources.progression, "advancement").items():
            _add_in_pages(history, "told", [shard, head], _told(sources, shard, head, tenant))
        for service in ("progression", "reporting"):
            states = sources.states(getattr(sources, service), tenant)
            rows = ([learner, code, s[0], s[2], s[4]] for (_, learner, code), s in states.items())
            _add_in_pages(history, "states", [service], rows)


async def read_topics(target: Target, history: History) -> None:
    """Read the topics of the logs, as [log, shard, [[generation, position, event id], ...]] in the order of offsets."""
    for topic in TOPICS:
        for shard, rows in (await _records(target.kafka, topic.name())).items():
            _add_in_pages(history, "topic", [topic.log, shard], rows)


def audited(target: Target, tenant: str) -> Findings:
    """Return what the audit behind `attain verify` finds."""
    with _sources(target, tenant) as sources:
        return audit(sources, tenant, lambda text: None)


def audit_here(target: Target, tenant: str, history: History) -> None:
    """Note what the audit behind `attain verify` finds."""
    findings = audited(target, tenant)
    history.add(READER, "ok", "verify", dataclasses.asdict(findings) | {"ok": findings.ok})


def verify(target: Target, tenant: str, history: History) -> dict[str, Any]:
    """Run `attain verify` as a user does, and note what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTAIN_")}
    environment |= {f"ATTAIN_{service.upper()}_URL": url for service, url in target.urls.items()}
    environment["ATTAIN_TOKEN"] = target.token(tenant)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "verify", "--json", "--tenant", tenant], check=False,
        capture_output=True, text=True, env=environment, timeout=VERIFY_S_MAX,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"ok": False, "error": done.stderr[-2000:]}
    history.add(READER, "ok", "verify", said)
    return said


@contextlib.contextmanager
def _sources(target: Target, tenant: str) -> Iterator[Sources]:
    with contextlib.ExitStack() as stack:
        evidence, progression, reporting = (
            stack.enter_context(
                httpx.Client(
                    base_url=target.urls[service], timeout=120, trust_env=False,
                    headers={"Authorization": f"Bearer {target.token(tenant)}"},
                )
            )
            for service in SERVICES
        )  # fmt: skip
        yield Sources(evidence, progression, reporting, lambda _: progression)


def _add_in_pages(history: History, f: str, place: list[Any], rows: Any) -> None:
    page = list(rows)
    for start in range(0, max(1, len(page)), ROWS):
        history.add(READER, "ok", f, [*place, page[start : start + ROWS]])


def _evidence(sources: Sources, shard: int, head: int, tenant: str) -> Iterator[list[Any]]:
    for event in sources.events(sources.evidence, "evidence", shard, head):
        own = event.tenant == tenant and event.type == "attain.evidence.recorded.v1"
        yield [event.position, json.loads(bytes(event.data))["id"] if own else "", event.subject if own else ""]


def _told(sources: Sources, shard: int, head: int, tenant: str) -> Iterator[list[Any]]:
    for event in sources.events(sources.progression, "advancement", shard, head):
        if event.tenant == tenant:
            scope = json.loads(bytes(event.data))["scope"]
            yield [event.position, event.id, event.type, event.subject, scope["id"]]
        else:
            yield [event.position, event.id, "", "", ""]


async def _records(servers: str, topic: str) -> dict[int, list[list[Any]]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(SHARDS)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        found: dict[int, list[list[Any]]] = {partition.partition: [] for partition in partitions}
        left = {p for p in partitions if begins[p] < ends[p]}
        for partition in left:
            consumer.seek(partition, begins[partition])
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                rows = found[partition.partition]
                for record in records:
                    event = decode_envelope(record.value or b"")
                    rows.append([event.generation, event.position, event.id])
                if records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
        return found
    finally:
        await consumer.stop()
