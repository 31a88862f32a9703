"""Topics are emptied wherever they hold something, whatever this command believes of the installation."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.errors import StackError
from deploy.local.stack import Stack
from deploy.local.topic_cleaning import OF_LOGS, clean_topics
from shared.settings import Settings
from shared.topics import SUBMITTED
from tests.support.disposable import Topics

SHARDS, SUFFIX = 4, "-cleaning"


@pytest.fixture
async def topics(servers: Stack) -> AsyncIterator[Topics]:
    topics = Topics(servers.kafka, SHARDS)
    await topics.create(*(topic.name(SUFFIX) for topic in (*OF_LOGS, SUBMITTED)))
    yield topics
    await topics.clean()


async def test_partitions_beyond_the_shards_of_the_settings_are_emptied_too(servers: Stack, topics: Topics) -> None:
    name, submitted = OF_LOGS[0].name(SUFFIX), SUBMITTED.name(SUFFIX)
    for topic in (name, submitted):
        for shard in (0, SHARDS - 1):
            await topics.send(topic, shard, [b"about a learner"])
    settings = Settings(kafka=servers.kafka, topic_suffix=SUFFIX, shards=SHARDS // 2)
    deleted = await asyncio.to_thread(clean_topics, settings)

    assert deleted == 2
    for shard in range(SHARDS):
        assert await topics.records(name, shard) == []
    assert len(await topics.records(submitted, SHARDS - 1)) == 1, "no log has it yet"


async def test_where_there_are_no_topics_nobody_is_told_that_they_are_empty(servers: Stack) -> None:
    settings = Settings(kafka=servers.kafka, topic_suffix="-elsewhere")

    with pytest.raises(StackError, match=r"attain\.evidence-elsewhere"):
        await asyncio.to_thread(clean_topics, settings)
