"""Databases and topics of the real servers that a test is given."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.database import Database
from shared.errors import Unavailable


async def empty_tables(url: str) -> None:
    """Delete the rows of every table."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetchval("select string_agg(quote_ident(tablename), ',') from pg_tables"
                                           " where schemaname = 'public'")  # fmt: skip
        await connection.execute(f"truncate {tables}")
    finally:
        await connection.close()


async def cut_connections(admin_url: str, database_url: str) -> None:
    """Terminate every backend of a database, as a restart of the server does."""
    admin = await asyncpg.connect(admin_url)
    try:
        name = urlsplit(database_url).path[1:]
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
    finally:
        await admin.close()


async def answers(database: Database) -> bool:
    """Tell whether a pool lends connections that can be asked."""
    with contextlib.suppress(Unavailable):
        async with database.connection() as connection:
            await connection.execute("select 1")
            return True
    return False


class Topics:
    """Creates, deletes and looks into the topics of one test."""

    def __init__(self, servers: str, shards: int) -> None:
        self.servers = servers
        self.shards = shards
        self._made: set[str] = set()

    async def create(self, *topics: str) -> None:
        """Create topics with a partition a shard."""
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(topic, self.shards, 1) for topic in topics])
            self._made.update(topics)
            await eventually(lambda: self._present(admin, topics))

    async def delete(self, *topics: str) -> None:
        """Delete topics and wait until they are gone."""
        async with self._admin() as admin:
            await admin.delete_topics(list(topics))
            self._made.difference_update(topics)
            await eventually(lambda: self._absent(admin, topics))

    async def clean(self) -> None:
        """Delete what is left."""
        if self._made:
            async with self._admin() as admin:
                await admin.delete_topics(list(self._made))

    async def send(self, topic: str, shard: int, values: Sequence[bytes]) -> None:
        """Send values to one partition, in order."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers)
        await producer.start()
        try:
            for value in values:
                await producer.send(topic, value, partition=shard)
            await producer.flush()
        finally:
            await producer.stop()

    async def records(self, topic: str, shard: int) -> list[ConsumerRecord[bytes, bytes]]:
        """Return all that a partition holds now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False, fetch_max_wait_ms=20)
        await consumer.start()
        try:
            partition = TopicPartition(topic, shard)
            consumer.assign([partition])
            begin = (await consumer.beginning_offsets([partition]))[partition]
            end = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, begin)
            found: list[ConsumerRecord[bytes, bytes]] = []
            while begin + len(found) < end:
                for run in (await consumer.getmany(timeout_ms=200)).values():
                    found += run
            return found
        finally:
            await consumer.stop()

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def _present(self, admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
        described = await admin.describe_topics(list(topics))
        return all(
            not topic["error_code"] and all(p["leader"] >= 0 for p in topic["partitions"]) for topic in described
        )

    async def _absent(self, admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
        return not set(topics) & set(await admin.list_topics())


async def eventually(claim: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    """Wait until a claim holds; fails when it does not within the time."""
    deadline = time.monotonic() + within_s
    while not await claim():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.02)
