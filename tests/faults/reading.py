"""The last reads of a run: everything that the product holds of a tenant, written into the history for the checker."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.audit.findings import Findings
from deploy.local.audit.run import audit
from deploy.local.audit.sources import Sources
from deploy.local.home import SHARDS
from deploy.local.services import SERVICES
from shared.contracts.internal_events import CHECKPOINT, EVIDENCE_RECORDED, FRAMEWORK_PUBLISHED, MASTERY_UPDATED
from shared.contracts.roster_events import ROSTER_ENROLMENT
from shared.events import Envelope, decode_envelope
from shared.topics import ADVANCEMENT, CURRICULUM, EVIDENCE, PROGRESSION, ROSTER, SUPPORT
from tests.faults.history import History
from tests.faults.target import Target, authorities

READER = "reader"
VERIFY_S_MAX = 600
ROWS = 20_000
FENCES = r"^attain_consumer_fences_lost_total\{[^}]*\} (\S+)$"
FENCES_S_MAX = 2.0
TOPICS = (EVIDENCE, PROGRESSION, ADVANCEMENT, SUPPORT, CURRICULUM, ROSTER)
Row = list[Any]


def read_services(target: Target, tenant: str, history: History) -> None:
    """
    Read the logs, and the states of progression and reporting.

    A `log` is [log, shard, head, [[generation, position, digest, subject, scope, what is said], ...]] of all tenants, for
    only together they are dense; the last three are empty of others. A digest is empty of what was redacted. `states` are
    [service, [[learner, competency, status, count, mastered at], ...]].
    """
    with _sources(target, tenant) as sources:
        for topic in TOPICS:
            client: httpx.Client = getattr(sources, topic.producer)
            for shard, head in sources.heads(client, topic.log).items():
                lines = sources.lines(client, topic.log, shard, head)
                rows = (_row(event, line, tenant) for event, line in lines)
                _add_in_pages(history, "log", [topic.log, shard, head], rows)
        for service in ("progression", "reporting"):
            states = sources.states(getattr(sources, service), tenant)
            rows = ([learner, code, s[0], s[2], s[4]] for (_, learner, code), s in states.items())
            _add_in_pages(history, "states", [service], rows)


async def read_topics(target: Target, history: History) -> None:
    """
    Read the topics of the logs, as [log, shard, [[generation, position, digest], ...]] in the order of offsets.

    A partition that retention has emptied is left out: who reads it has nothing to compare, and the feed has the rest.
    """
    log_of = {topic.name(): topic.log for topic in TOPICS}
    for place, rows in (await _records(target.kafka, [*log_of])).items():
        _add_in_pages(history, "topic", [log_of[place.topic], place.partition], rows)


async def read_fences(target: Target, history: History) -> None:
    """
    Note how often each living process has found that another owns its shards: [[url, when it started, count], ...].

    A process that does not answer is left out.
    """
    found = []
    async with target.client(READER, FENCES_S_MAX) as client:
        for url in target.processes():
            with contextlib.suppress(httpx.HTTPError):
                text = (await client.get(f"{url}/metrics")).text
                started = re.findall(r"^process_start_time_seconds (\S+)$", text, re.M)
                found.append([url, *started, sum(map(float, re.findall(FENCES, text, re.M)))])
    history.add(READER, "info", "fences", found)


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
                    base_url=target.urls[service], timeout=120, trust_env=False, verify=authorities(),
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


def _row(event: Envelope, line: bytes, tenant: str) -> Row:
    return [event.generation, event.position, _digest(line, event), *_said(event, tenant)]


def _digest(line: bytes, event: Envelope) -> str:
    return "" if event.type.endswith(".redacted.v1") else hashlib.blake2b(line, digest_size=8).hexdigest()


def _said(event: Envelope, tenant: str) -> tuple[str, str, Any]:
    """Return of whom, of what, and what a log says as far as the checker knows what must follow."""
    if event.type == CHECKPOINT:
        return "", event.type, json.loads(bytes(event.data))["evidence"]
    if event.tenant != tenant:
        return "", "", ""
    data = json.loads(bytes(event.data))
    if event.type == EVIDENCE_RECORDED:
        return event.subject, "", data["id"]
    if event.type == MASTERY_UPDATED:
        return event.subject, data["competency"], data["seq"]
    if event.type == ROSTER_ENROLMENT:
        return event.subject, data["class_id"], data["active"]
    if event.type == FRAMEWORK_PUBLISHED:
        return event.subject, data["version"], [data["part"], data["parts"]]
    if "scope" in data:
        return event.subject, data["scope"]["id"], [event.id, event.type, data["seq"]]
    return event.subject, "", ""


async def _records(servers: str, topics: list[str]) -> dict[TopicPartition, list[Row]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(SHARDS)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        found: dict[TopicPartition, list[Row]] = {p: [] for p in partitions if not 0 < begins[p] == ends[p]}
        left = {p for p in found if begins[p] < ends[p]}
        for partition in left:
            consumer.seek(partition, begins[partition])
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    value = record.value or b""
                    event = decode_envelope(value)
                    found[partition].append([event.generation, event.position, _digest(value, event)])
                if records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
        return found
    finally:
        await consumer.stop()
