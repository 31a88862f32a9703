import asyncio
import os
import signal
import stat
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import kafka, stack
from deploy.local.home import Home
from deploy.local.stack import Stack
from tests.support.servers import administrator_url
from tests.support.waiting import wait_until


def test_half_made_folders_of_a_crash_do_not_block_a_start(servers: Stack) -> None:
    assert not (servers.home / "kafka" / "data.new").exists()
    assert not (servers.home / "postgres" / "data.new").exists()
    assert stack.running(servers.home) == servers


def test_broker_is_recognised_by_its_cluster(servers: Stack) -> None:
    state = Home(servers.home).state()
    assert state is not None

    assert asyncio.run(kafka.answers(servers.kafka, state.cluster_id))
    assert not asyncio.run(kafka.answers(servers.kafka, "another-cluster"))


def test_each_role_reaches_its_own_database_only(servers: Stack) -> None:
    own = servers.databases["evidence"]
    others = [urlunsplit(urlsplit(own)._replace(path=f"/{name}")) for name in ("attain_reporting", "postgres")]

    assert asyncio.run(_value(own, "SELECT current_user")) == "attain_evidence"
    for other in others:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(_value(other, "SELECT 1"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_value(own.replace("attain_evidence:", "attain_evidence:x"), "SELECT 1"))


def test_postgres_answers_only_what_is_durable(servers: Stack) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert asyncio.run(_value(servers.databases["evidence"], f"SHOW {setting}")) == "on"


def test_secrets_are_readable_by_their_owner_only_and_in_no_log(servers: Stack) -> None:
    state = Home(servers.home).state()
    assert state is not None
    logs = "".join(file.read_text(errors="replace") for file in (servers.home / "logs").iterdir())

    for name in ("state.json", "run.json", "token.key"):
        assert stat.S_IMODE((servers.home / name).stat().st_mode) == 0o600
    for secret in (*state.passwords.values(), servers.token_key_file.read_text().strip()):
        assert secret not in logs


def test_killed_servers_are_started_again_with_their_data(servers: Stack) -> None:
    asyncio.run(_keep_something(servers))
    for name in ("kafka", "postgres"):
        os.kill(servers.pids[name], signal.SIGKILL)

    wait_until(lambda: _restarted(servers))
    assert asyncio.run(_read_kafka(servers.kafka)) == b"kept"
    assert asyncio.run(_value(administrator_url(servers, "evidence"), "SELECT text FROM kept")) == "kept"
    assert not psutil.pid_exists(servers.pids["kafka"])


def _restarted(servers: Stack) -> bool:
    now = stack.running(servers.home)
    assert now is not None
    return (
        all(now.pids[name] != servers.pids[name] for name in ("kafka", "postgres"))
        and asyncio.run(kafka.answers(now.kafka))
        and asyncio.run(_answers(now.databases["evidence"]))
    )


async def _answers(url: str) -> bool:
    try:
        await _value(url, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _keep_something(servers: Stack) -> None:
    connection = await asyncpg.connect(administrator_url(servers, "evidence"))
    await connection.execute("CREATE TABLE kept AS SELECT 'kept' AS text")
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka, acks="all")
    await producer.start()
    await producer.send_and_wait("kept", b"kept")
    await producer.stop()


async def _read_kafka(bootstrap: str) -> object:
    consumer = AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return (await asyncio.wait_for(consumer.getone(), 20)).value
    finally:
        await consumer.stop()
