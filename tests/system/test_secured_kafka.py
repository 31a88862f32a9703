"""The services against brokers with SASL_SSL and ACLs, each as a user that may do what it needs and nothing else."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from deploy.local import stack
from deploy.local.home import Home
from shared.kafka_security import client_options
from shared.migrate import migrate
from shared.topics import EVIDENCE, TOPICS, create, rights
from tests.support.command import attain
from tests.support.homes import fresh_folder, fresh_home
from tests.support.producer import free_port
from tests.support.secured_kafka import ADMIN, SecuredKafka, as_settings, secured_kafka
from tests.support.servers import administrator_url

pytestmark = pytest.mark.timeout(240)
SERVICES = ("evidence", "progression", "reporting")
USERS = {name: f"secret-of-{name}" for name in (ADMIN, *SERVICES, "stranger")}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with fresh_folder() as made:
        yield made


@pytest.fixture(scope="module")
async def broker(folder: Path) -> AsyncIterator[SecuredKafka]:
    async with secured_kafka(folder / "home", USERS) as running:
        await create(as_settings(running.settings(ADMIN)))
        for service in SERVICES:
            await running.allow(service, rights(service, ""))
        yield running


@pytest.mark.long
async def test_each_service_works_with_its_own_rights_only(broker: SecuredKafka, tmp_path: Path) -> None:
    shown, audited, examined = await asyncio.to_thread(_load_and_verify, broker, tmp_path)

    assert shown["mastered_pairs"] > 1000
    assert audited["ok"], audited
    assert examined["ok"], [check for check in examined["checks"] if not check["ok"]]
    assert {"topics", "kafka_ca_file", "evidence end to end"} <= {check["name"] for check in examined["checks"]}


async def test_a_wrong_password_is_refused(broker: SecuredKafka) -> None:
    settings = as_settings(broker.settings("evidence", kafka_password="guessed"))

    with pytest.raises(KafkaConnectionError):
        await _names(client_options(settings))


async def test_a_user_without_rights_sees_and_reads_nothing(broker: SecuredKafka) -> None:
    options = client_options(as_settings(broker.settings("stranger")))

    assert await _names(options) == set()
    async with _consumer(options) as consumer:
        consumer.subscribe([EVIDENCE.name()])
        with pytest.raises(GroupAuthorizationFailedError):
            await asyncio.wait_for(consumer.getone(), 20)


@pytest.mark.parametrize("user", [*SERVICES, "stranger"])
async def test_a_user_writes_and_reads_the_topics_that_it_has_a_right_to_and_no_other(
    broker: SecuredKafka, user: str
) -> None:
    """Topics are shared by tenants: who could write or read one could do so for every tenant."""
    options = client_options(as_settings(broker.settings(user)))
    granted = set(rights(user, "")) if user in SERVICES else set()
    names = [topic.name() for topic in TOPICS]
    written = {name for name in names if await _can_write(options, name)}
    read = {name for name in names if await _can_read(options, name)}

    assert written == {name for kind, name, operation in granted if (kind, operation) == ("topic", "Write")}
    assert read == {name for kind, name, operation in granted if (kind, operation) == ("topic", "Read")}
    assert await _names(options) == read


async def test_mutual_tls_knows_a_client_by_its_certificate(broker: SecuredKafka) -> None:
    admin = as_settings(broker.mutual_settings(ADMIN))
    nameless = as_settings(broker.mutual_settings(ADMIN) | {"ATTAIN_KAFKA_CERTIFICATE_FILE": ""}
                           ).model_copy(update={"kafka_certificate_file": None})  # fmt: skip

    assert await _names(client_options(admin)) >= {topic.name() for topic in TOPICS}
    assert await _names(client_options(as_settings(broker.mutual_settings("stranger")))) == set()
    with pytest.raises(KafkaConnectionError):
        await _names(client_options(nameless))


async def test_a_broker_with_another_authority_is_not_trusted(broker: SecuredKafka) -> None:
    settings = as_settings(broker.settings(ADMIN)).model_copy(update={"kafka_ca_file": None})

    with pytest.raises(KafkaConnectionError):
        await _names(client_options(settings))


async def _names(options: dict[str, Any]) -> set[str]:
    client = AIOKafkaAdminClient(**options, request_timeout_ms=5000)
    try:
        await client.start()
        return {name for name in await client.list_topics() if name.startswith("attain.")}
    finally:
        await client.close()


async def _can_write(options: dict[str, Any], topic: str) -> bool:
    record = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 16)
    record.append(0, int(time.time() * 1000), None, b"x", [])
    return await _allowed(options, ProduceRequest(None, 1, 5000, [(topic, [(0, bytes(record.build()))])]))


async def _can_read(options: dict[str, Any], topic: str) -> bool:
    return await _allowed(options, FetchRequest(100, 0, 1 << 20, 0, [(topic, [(0, 0, 1 << 20)])]))


async def _allowed(options: dict[str, Any], request: Any) -> bool:
    """Send a request on one partition as it is, whatever a well-behaved client would ask for first; tell its answer."""
    client = AIOKafkaClient(**options)
    await client.bootstrap()
    try:
        [broker] = client.cluster.brokers()
        answer = await client.send(broker.nodeId, request)
    finally:
        await client.close()
    [(_, [(_, code, *_)])] = answer.topics
    assert code in (0, TopicAuthorizationFailedError.errno), code
    return bool(code == 0)


@contextlib.asynccontextmanager
async def _consumer(options: dict[str, Any]) -> Any:
    consumer = AIOKafkaConsumer(**options, group_id="stranger", auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _load_and_verify(broker: SecuredKafka, folder: Path) -> tuple[dict[str, Any], ...]:
    """Start PostgreSQL and the services, each with the user of its name; return what demo, verify and doctor say."""
    with pytest.MonkeyPatch.context() as patch, _postgres(patch, broker) as running:
        ports = {service: free_port() for service in SERVICES}
        urls = {f"ATTAIN_{service.upper()}_URL": f"http://127.0.0.1:{port}" for service, port in ports.items()}
        key = {"ATTAIN_TOKEN_KEY_FILE": str(Home(running.home).token_key_file)}
        programs = []
        for service in SERVICES:
            migrate(service, administrator_url(running, service))
            own = {
                f"ATTAIN_{service.upper()}_DATABASE": running.databases[service],
                "ATTAIN_PORT": str(ports[service]),
                "ATTAIN_SESSION_TIMEOUT_S": "6",
            }
            environment = os.environ | urls | key | own | broker.settings(service)
            log = (folder / f"{service}.log").open("wb")
            command = [sys.executable, "-m", f"services.{service}.app"]
            programs.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        try:
            for service in SERVICES:
                _until_ready(urls[f"ATTAIN_{service.upper()}_URL"], folder / f"{service}.log")
            databases = {f"ATTAIN_{service.upper()}_DATABASE": running.databases[service] for service in SERVICES}
            operator = urls | key | databases | broker.settings(ADMIN)
            return attain("demo", urls | key, "--small"), attain("verify", urls | key), attain("doctor", operator)
        finally:
            for program in programs:
                program.terminate()
            for program in programs:
                program.wait(60)


@contextlib.contextmanager
def _postgres(patch: pytest.MonkeyPatch, broker: SecuredKafka) -> Iterator[stack.Stack]:
    """Run the laptop's PostgreSQL beside the broker."""
    with fresh_home() as home:
        yield stack.start(home, services=False, owner=os.getpid(), environment=broker.settings(ADMIN))


def _until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + 40
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
