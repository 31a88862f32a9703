"""
What `attain doctor` looks at, each as a `Check`: databases, Kafka, certificates, services, and one piece of evidence end to end.

The servers can be looked at before anything of Attain runs; nothing here changes them.
"""

import dataclasses
import datetime
import email.utils
import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from cryptography import x509

from deploy.local.client.asking import checked
from deploy.local.errors import StackError
from deploy.local.options import Context
from deploy.local.services import SERVICES
from services.reporting.handlers.signing import keys_of
from shared.errors import Refused
from shared.kafka_security import client_options
from shared.revisions import Schema, newer_schema, schema_fault, schema_of
from shared.settings import Settings
from shared.starting import fault_of
from shared.topics import TOPICS

POSTGRES_MIN = 15
SKEW_S_MAX = 5.0
"""`occurred_at` may lie `clock_skew_s` ahead; far less is wrong with a synchronised clock already."""
CERTIFICATE_DAYS_MIN = 14
DISK_BYTES_MIN = 2 << 30
"""About ten million pieces of evidence, and time to act."""
BEHIND_S_MAX = 60.0
ANSWER_S_MAX = 10.0
PROBE = "attain-doctor"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# That Kafka is away is said by a check; its client would say it as well, before all of them.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
_VERSION = re.compile(r'^attain_build_info\{version="([^"]*)"', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Check:
    """What was looked at, whether it is well, what was seen, and what to do where it is not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


class Installed(NamedTuple):
    """What a service's database says of itself; shards are None before the first migration."""

    version: int
    release: str
    size: str
    skew_s: float
    schema: Schema
    shards: int | None


async def check_database(service: str, url: str, settings: Settings) -> list[Check]:
    """Look at a service's database: does it answer, its version, schema, shards and clock."""
    name = f"database of {service}"
    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_S_MAX)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [Check(name, False, f"{type(error).__name__}: {error}", f"look at ATTAIN_{service.upper()}_DATABASE")]
    try:
        server = connection.get_server_version()
        size = await connection.fetchval("select pg_size_pretty(pg_database_size(current_database()))")
        skew = abs(time.time() - await connection.fetchval("select extract(epoch from clock_timestamp())::float8"))
        schema, shards = await schema_of(connection), None
        if schema.revision is not None:
            shards = await connection.fetchval("select max(shard) + 1 from consumer_shard")
    finally:
        await connection.close()
    return judge_database(
        service, Installed(server.major, f"{server.major}.{server.minor}", size, skew, schema, shards), settings
    )


def judge_database(service: str, there: Installed, settings: Settings) -> list[Check]:
    """Return what is to be said of a database that answers."""
    name = f"database of {service}"
    fault = schema_fault(service, there.schema, allow_newer=settings.allow_newer_schema)
    return [
        Check(name, there.version >= POSTGRES_MIN, f"PostgreSQL {there.release}, {there.size}",
              f"use PostgreSQL {POSTGRES_MIN} or newer"),
        Check(f"schema of {service}", not fault, fault or newer_schema(service, there.schema)
              or f"revision {there.schema.revision}"),
        Check(f"shards of {service}", there.shards in (None, settings.shards), f"{there.shards or 'none yet'}, the setting"
              f" says {settings.shards}", "set ATTAIN_SHARDS to what was installed, which only `attain reshard` changes"),
        Check(f"clock of the {name}", there.skew_s < SKEW_S_MAX, f"{there.skew_s:.1f} s from here",
              "synchronise the clocks (NTP)"),
    ]  # fmt: skip


async def check_kafka(settings: Settings) -> list[Check]:
    """Look at Kafka: does it answer, and has every topic a partition a shard, each with all its replicas."""
    client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(ANSWER_S_MAX * 1000))
    try:
        await client.start()
        topics = {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}
        brokers = len((await client.describe_cluster())["brokers"])
    except (KafkaError, OSError) as error:
        return [
            Check("Kafka", False, f"{settings.kafka}: {type(error).__name__}", "look at ATTAIN_KAFKA and its security")
        ]
    finally:
        await client.close()
    return judge_kafka(brokers, topics, settings)


def judge_kafka(brokers: int, topics: Mapping[str, Sequence[Mapping[str, Any]]], settings: Settings) -> list[Check]:
    """Return what is to be said of a cluster that answers; the partitions of a topic are as Kafka describes them."""
    ours = {name: topics.get(name, ()) for name in (topic.name(settings.topic_suffix) for topic in TOPICS)}
    other = [f"{name}: {len(found)}" for name, found in ours.items() if len(found) != settings.shards]
    wanted = settings.replication_factor
    fewer = [name for name, found in ours.items() if any(len(one["replicas"]) < wanted for one in found)]
    lacking = [name for name, found in ours.items() if any(len(one["isr"]) < len(one["replicas"]) for one in found)]
    return [
        Check("Kafka", brokers >= wanted, f"{settings.kafka}: {_some(brokers, 'broker')}",
              f"ATTAIN_REPLICATION_FACTOR is {wanted}: start as many brokers"),
        Check("topics", not other, ", ".join(other) or f"{len(TOPICS)} with {settings.shards} partitions",
              "run topics; one with another number of partitions must be deleted first"),
        Check("replicas of topics", not fewer, ", ".join(fewer) or f"{wanted} or more of each partition",
              f"ATTAIN_REPLICATION_FACTOR is {wanted}: give these topics more replicas"),
        Check("replicas in step", not lacking, ", ".join(lacking) or "all", "a broker is down or slow; see its log"),
    ]  # fmt: skip


def check_settings(settings: Settings) -> Iterator[Check]:
    """Look at whether the settings agree, and whether the keys and files that they name can be read and used."""
    for service in known_services(settings):
        fault = fault_of(settings, service)
        yield Check(f"settings of {service}", not fault, fault or "whole, and every file that they name is readable",
                    "a service would not start with them")  # fmt: skip
    if settings.reporting_database:
        yield _check_public_url(settings)
    if settings.credential_keys is not None:
        try:
            keys = keys_of(settings.credential_keys, "")
        except (Refused, OSError) as error:
            yield Check("keys of records", False, str(error), "see Rotate keys in the runbook")
        else:
            yield Check("keys of records", True, f"{_some(len(keys), 'key')} for tenants without their own")


def _check_public_url(settings: Settings) -> Check:
    host = urlsplit(settings.public_url).hostname or ""
    seen = f"{settings.public_url}, which this machine alone reaches" if host in LOOPBACK else settings.public_url
    return Check("public address", bool(host) or settings.credential_keys is None,
                 seen or "none: no record is signed, and links of exports are relative",
                 "set ATTAIN_PUBLIC_URL to where browsers and verifiers of signed records reach reporting")  # fmt: skip


def check_disk(folder: Path) -> Check:
    """Look at the room that is left where the local stack keeps its data."""
    free = shutil.disk_usage(folder).free
    return Check("disk", free >= DISK_BYTES_MIN, f"{free / 2**30:.1f} GiB left in {folder}",
                 "make room: a full disk stops intake, with 503, until there is some")  # fmt: skip


def check_versions(settings: Settings, running: Mapping[str, str]) -> Check:
    """Look at whether all services run the version of this command; `running` has what each says, where it answers."""
    others = {service: version for service, version in running.items() if version != settings.version}
    seen = ", ".join(f"{service} {version}" for service, version in (others or running).items())
    return Check("versions", not others, f"this command {settings.version}; {seen or 'no service answers'}",
                 "an upgrade is not over, or was not done everywhere")  # fmt: skip


def check_certificates(settings: Settings) -> Iterator[Check]:
    """Look at how long the certificates of the settings are valid."""
    for name in ("kafka_ca_file", "kafka_certificate_file"):
        path: Path | None = getattr(settings, name)
        if path is None:
            continue
        try:
            ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
        except (OSError, ValueError) as error:
            yield Check(name, False, f"{path}: {type(error).__name__}", f"look at ATTAIN_{name.upper()}")
            continue
        days = (ends - datetime.datetime.now(datetime.UTC)).days
        yield Check(name, days >= CERTIFICATE_DAYS_MIN, f"valid for {days} days", "renew it; the runbook says how")


def check_service(context: Context, service: str) -> list[Check]:
    """Look at a running service: alive, ready, in step with this clock, and not behind."""
    try:
        with context.client(service, scope="admin service", timeout_s=ANSWER_S_MAX) as client:
            alive, ready = client.get("/livez"), client.get("/readyz")
            answer = client.get("/v1/lag")
            lag = checked(answer).json()
    except (httpx.HTTPError, StackError) as error:
        return [
            Check(service, False, str(error) or type(error).__name__, "see its log; a last line names what it lacks")
        ]
    at = email.utils.parsedate_to_datetime(answer.headers["date"])
    skew = abs((datetime.datetime.now(datetime.UTC) - at).total_seconds())
    stages, blocked = lag["stages"], lag.get("blocked_learners", 0)
    behind = [one for one in stages if one["behind_events"] is None or (one["behind_seconds"] or 0.0) > BEHIND_S_MAX]
    told = ", ".join(f"{one['name']} {one['behind_events']}" for one in behind or stages)
    return [
        Check(service, alive.is_success and ready.is_success, _probes(alive, ready), "see its log"),
        Check(f"clock of {service}", skew < SKEW_S_MAX + 1, f"{skew:.0f} s from here", "synchronise the clocks (NTP)"),
        Check(f"stages of {service}", not behind, f"events behind: {told}", "see AttainStageBehind in the runbook"),
        Check(f"learners of {service}", not blocked, f"{blocked} blocked", "see AttainLearnersBlocked in the runbook"),
    ]  # fmt: skip


def _probes(alive: httpx.Response, ready: httpx.Response) -> str:
    """Return what the probes of a service say, with what it waits for or goes on without."""
    return ", ".join([f"livez {alive.status_code}", f"readyz {ready.status_code}", *ready.text.splitlines()[1:]])


def check_round_trip(context: Context) -> Check:
    """Send one piece of evidence in a tenant of its own and wait until reporting shows it; the piece stays."""
    # Imported here: commands import this module.
    from deploy.local.commands.framework import publish

    began, name = time.monotonic(), "evidence end to end"
    now = datetime.datetime.now(datetime.UTC)
    piece = {
        "id": f"probe-{now.timestamp():.6f}", "source": "urn:attain:doctor", "learner": "probe",
        "competencies": [f"{PROBE}:probe"], "score": {"raw": 1, "max": 1}, "occurred_at": now.isoformat(),
    }  # fmt: skip
    inside = Context(context.home, PROBE, json=context.json)
    try:
        inside.token()
    except StackError as error:
        return Check(name, True, f"not looked at: {error}; ATTAIN_TOKEN_KEY_FILE would do")
    try:
        publish(inside, PROBE, "Probe of attain doctor", "code,title\nprobe,Probe\n", "")
        with inside.client("evidence") as evidence, inside.client("reporting") as reporting:
            sent = checked(evidence.post("/v1/evidence", json=piece)).json()
            query = {"source": str(piece["source"]), "source_id": str(piece["learner"])}
            learner = checked(evidence.get("/v1/learners", params=query)).json()["learner"]
            # Answered when the piece is on the record, and with 503 after the longest wait.
            shown = checked(reporting.get(f"/v1/learners/{learner}/record", params={"wait": sent["position"]})).json()
            if not any(item["competency"] == f"{PROBE}:probe" for item in shown["items"]):
                return Check(name, False, "taken in, and not on the record", "run attain verify")
    except (httpx.HTTPError, StackError, KeyError) as error:
        return Check(name, False, f"{type(error).__name__}: {error}", "run attain status")
    return Check(name, True, f"on the record after {time.monotonic() - began:.2f} s")


def version_of(context: Context, service: str) -> str | None:
    """Return which version a service says it is, None where it does not answer."""
    try:
        with context.client(service, scope="admin service", timeout_s=ANSWER_S_MAX) as client:
            said = _VERSION.search(client.get("/metrics").text)
    except (httpx.HTTPError, StackError):
        return None
    return said[1] if said else "without a version"


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def known_services(settings: Settings) -> dict[str, str]:
    """Return the databases that these settings name, by service."""
    found = {service: getattr(settings, f"{service}_database") for service in SERVICES}
    return {service: url for service, url in found.items() if url}
