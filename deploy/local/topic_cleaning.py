"""Lets topics lose what they hold before their retention does, as after an erasure; no reader loses anything by it."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.local.errors import StackError
from shared.kafka_security import client_options
from shared.settings import Settings
from shared.topics import SUBMITTED, TOPICS

OF_LOGS = tuple(topic for topic in TOPICS if topic is not SUBMITTED)
"""Topics that a log stands behind: a reader that is behind goes on by the feed. What was submitted stands nowhere else yet."""


def clean_topics(config: Settings) -> int:
    """
    Delete the records that the topics of logs hold now, in all partitions that Kafka has; return how many there were.

    Raises:
        StackError: one of the topics is not there, so it is not the Kafka or the suffix of an installation.
    """
    return asyncio.run(_clean(config))


async def _clean(config: Settings) -> int:
    options = client_options(config)
    consumer, admin = AIOKafkaConsumer(**options, enable_auto_commit=False), AIOKafkaAdminClient(**options)
    await consumer.start()
    await admin.start()
    try:
        found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        names = [topic.name(config.topic_suffix) for topic in OF_LOGS]
        missing = [name for name in names if name not in found]
        if missing:
            raise StackError(f"{config.kafka} has no topic {missing[0]}: look at ATTAIN_KAFKA and ATTAIN_TOPIC_SUFFIX")
        partitions = [TopicPartition(name, one["partition"]) for name in names for one in found[name]]
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        await admin.delete_records({place: RecordsToDelete(end) for place, end in ends.items()})
        return sum(end - begins[place] for place, end in ends.items())
    finally:
        await admin.close()
        await consumer.stop()
