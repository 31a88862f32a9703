"""Faults of Kafka's data: topics, retention, limits, all of it, and a cluster without a majority."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.topics import TOPICS, Topic
from tests.faults.cluster import SETTINGS, Cluster
from tests.faults.run import Run
from tests.support.disposable import Topics

SHARDS = 8
TINY_BYTES = 3000
"""Fewer than a batch of a few events has, and more than none."""
DELIVERED = "1048588"
"""What a broker takes unless told otherwise."""


@contextlib.asynccontextmanager
async def topic_lost(run: Run, topic: Topic) -> AsyncIterator[None]:
    """A topic is deleted, and created again, empty."""
    await Topics(run.cluster.kafka, SHARDS).delete(topic.name())
    yield
    await run.cluster.create_topics()


@contextlib.asynccontextmanager
async def all_topics_lost(run: Run) -> AsyncIterator[None]:
    """Every topic is deleted, and created again, empty; as in `everything_lost`, none is on its way to evidence."""
    async with run.load.without_kafka():
        await Topics(run.cluster.kafka, SHARDS).delete(*(topic.name() for topic in TOPICS))
        yield
        await run.cluster.create_topics()
    # A log to which nothing is appended is sent again when its relay next looks at the tails.
    await asyncio.sleep(float(SETTINGS["ATTAIN_TAIL_CHECK_S"]) + 1)


@contextlib.asynccontextmanager
async def everything_lost(run: Run) -> AsyncIterator[None]:
    """Kafka loses its disk. What producers were promised of submitted evidence is Kafka's to keep, so none is on its way."""
    async with run.load.without_kafka():
        await run.cluster.lose_kafka()
        yield


@contextlib.asynccontextmanager
async def retention_cut(run: Run, topic: Topic) -> AsyncIterator[None]:
    """All that a topic holds is deleted while its readers are away, as retention does under a slow reader."""
    async with contextlib.AsyncExitStack() as stack:
        for reader in ("progression", "reporting"):
            await stack.enter_async_context(run.cluster.down(reader))
        yield
        await _delete_records(run.cluster, topic.name())
    await run.cluster.ready("progression", "reporting")


@contextlib.asynccontextmanager
async def records_refused(run: Run, topic: Topic) -> AsyncIterator[None]:
    """The broker refuses batches of more than a few events."""
    await _limit(run.cluster, topic.name(), str(TINY_BYTES))
    try:
        yield
    finally:
        await _limit(run.cluster, topic.name(), DELIVERED)


@contextlib.asynccontextmanager
async def minority_left(run: Run) -> AsyncIterator[None]:
    """Two of three brokers are away: nothing can be acknowledged."""
    async with run.cluster.down("kafka-2"), run.cluster.down("kafka-3"):
        yield
    await run.cluster.ready("kafka-2", "kafka-3")


async def _delete_records(cluster: Cluster, topic: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(SHARDS)]
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    async with _admin(cluster) as admin:
        await admin.delete_records({place: RecordsToDelete(before_offset=end) for place, end in ends.items()})


async def _limit(cluster: Cluster, topic: str, size: str) -> None:
    async with _admin(cluster) as admin:
        configs = {"max.message.bytes": size}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


@contextlib.asynccontextmanager
async def _admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.kafka)
    async with asyncio.timeout(30):
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()
