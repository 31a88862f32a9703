"""
Apache Kafka on this machine: one process that is broker and controller (KRaft), on loopback.

A connection proves little on a machine where others run brokers too: the broker is ready when it names our cluster id.
"""

import asyncio
import logging
import os
import shutil
import time
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import jars
from deploy.local.child import Program, Say, finish, inherited
from deploy.local.errors import StackError
from deploy.local.home import Home, State
from deploy.local.processes import MARK
from deploy.local.services import python, python_environment
from shared.kafka_security import client_options
from shared.settings import settings_or_exit

HEAP_MB = 512
# The broker of a laptop lives for minutes or hours: compiling its methods a second time, for years, costs more than it saves.
JAVA_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
# Topics are created with one partition a shard, never by a client that mistypes a name.
auto.create.topics.enable=false
num.partitions=8
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=6000
log.retention.hours=168
message.max.bytes=1048588
# After kill -9 the new broker waits until the session of the dead one has ended: 12 s with the default of 9 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
"""

# A broker that is not up yet is the normal case here, not worth a line on the terminal for every attempt.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


async def prepare(home: Home, state: State, say: Say) -> Program:
    """
    Return the broker of this home, ready to be started: jars fetched, storage formatted. Idempotent.

    Raises:
        StackError: no Java, no jars and no network, or the storage cannot be written.
    """
    java = await asyncio.to_thread(jars.find_java)
    heap = os.environ.get("ATTAIN_KAFKA_HEAP_MB", str(HEAP_MB))
    run = [
        java.path, f"-Xmx{heap}m", *JAVA_FLAGS, *java.quiet_flags(),
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
        "-cp", os.pathsep.join(await _class_path(home, state, say)),
    ]  # fmt: skip
    port, controller_port = home.port("kafka"), home.port("kafka-controller")
    data = home.kafka / "data"
    await _format(home, state, run, data)
    properties = home.kafka / "server.properties"
    properties.write_text(SERVER_PROPERTIES.format(port=port, controller_port=controller_port, data=data))
    return Program(
        name="kafka",
        title=f"Kafka {jars.KAFKA_VERSION}",
        command=[*run, "kafka.Kafka", str(properties)],
        environment=inherited(state.id),
        log=home.log("kafka"),
        address=f"127.0.0.1:{port}",
        answers=lambda: answers(f"127.0.0.1:{port}", state.cluster_id),
    )


async def answers(bootstrap: str, cluster_id: str | None = None) -> bool:
    """Return whether a broker answers there that serves its cluster, and the given cluster if one is given."""
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
        writer.close()
    except (OSError, ValueError):
        return False
    options = client_options(settings_or_exit("attain")) | {"bootstrap_servers": bootstrap}
    client = AIOKafkaAdminClient(**options, request_timeout_ms=5000)
    try:
        await client.start()
        cluster = await client.describe_cluster()
    except Exception:  # noqa: BLE001 - what a starting broker makes a client raise is of many kinds; all mean "not yet"
        return False
    finally:
        await client.close()
    return bool(cluster["brokers"]) and cluster_id in (None, cluster["cluster_id"])


async def _class_path(home: Home, state: State, say: Say) -> list[str]:
    home.kafka.mkdir(exist_ok=True)
    file = home.kafka / "jars.json"
    known = jars.remembered(file)
    if known is not None:
        return known
    say(f"Kafka {jars.KAFKA_VERSION}: looking for its jars; the first time they are fetched (44 MB) and then kept")
    began = time.monotonic()
    answer = home.kafka / "jars.json.new"
    answer.unlink(missing_ok=True)
    try:
        await finish(
            "fetching the jars of Kafka",
            python("deploy.local.jars"),
            python_environment() | {MARK: state.id},
            answer,
        )
    except StackError as error:
        raise StackError("the jars of Kafka are not here and could not be fetched", error.detail) from error
    # Warnings of the tool come before the answer, which is the last line.
    answer.write_text(answer.read_text().splitlines()[-1])
    answer.replace(file)
    found = jars.remembered(file)
    if found is None:
        raise StackError(f"the jars of Kafka are not whole; see {file}")
    say(f"Kafka {jars.KAFKA_VERSION}: {len(found)} jars here after {time.monotonic() - began:.1f} s")
    return found


async def _format(home: Home, state: State, run: list[str], data: Path) -> None:
    """Format the storage beside its place and move it there whole: a format that was killed leaves nothing behind."""
    if (data / "meta.properties").exists():
        return
    new = home.kafka / "data.new"
    for unfinished in (new, data):
        shutil.rmtree(unfinished, ignore_errors=True)
    properties = home.kafka / "format.properties"
    # The ports of this file are never opened.
    properties.write_text(SERVER_PROPERTIES.format(port=1, controller_port=2, data=new))
    await finish(
        "formatting the storage of Kafka",
        [*run, "kafka.tools.StorageTool", "format", "-t", state.cluster_id, "-c", str(properties)],
        inherited(state.id),
        home.log("kafka"),
    )
    new.rename(data)
