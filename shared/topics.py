"""
The topics of Attain, and the command that creates them: `python -m shared.topics create` (`acls` prints who needs what).

Every topic but the first is a dense log with a feed; none is compacted. Kafka keeps seven days and is disposable:
everything can be sent again from the logs.
"""

import argparse
import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from shared.events import topic_of
from shared.kafka_security import client_options
from shared.settings import SERVICES, Settings, settings_or_exit
from shared.waiting import wait_for_server

START_S_MAX = 60
"""For so long the broker may take to start."""
RETENTION_MS = 7 * 24 * 3600 * 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """A topic: `log` is the name in positions and feeds."""

    log: str
    producer: str
    consumers: tuple[str, ...]
    meaning: str

    def name(self, suffix: str = "") -> str:
        """Return the Kafka name of this topic in an installation."""
        return topic_of(self.log, suffix)


SUBMITTED = Topic("evidence.submitted", "learning systems", ("evidence",), "native evidence to be taken in; free key")
EVIDENCE = Topic("evidence", "evidence", ("progression",), "what was observed; key tenant|learner")
PROGRESSION = Topic("progression", "progression", ("reporting",), "what it means; key tenant|learner")
ADVANCEMENT = Topic(
    "advancement", "progression", ("district platforms", "reporting"), "public events; key tenant|learner"
)
SUPPORT = Topic("support", "progression", ("reporting",), "restricted events; key tenant|learner")
CURRICULUM = Topic("curriculum", "progression", ("evidence", "reporting"), "frameworks; key tenant|framework")
ROSTER = Topic("roster", "evidence", ("reporting",), "classes, staff, enrolments; key tenant|learner or tenant|source")
QUARANTINED = Topic("evidence.quarantined", "evidence", ("operators",), "reason and pointer; key tenant|source")
TOPICS = (SUBMITTED, EVIDENCE, PROGRESSION, ADVANCEMENT, SUPPORT, CURRICULUM, ROSTER, QUARANTINED)


@contextlib.asynccontextmanager
async def _admin(config: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(config))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _present(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return how many partitions each topic of the cluster has."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def narrow(config: Settings, shards: int) -> list[str]:
    """
    Return the names of the topics that are there with fewer partitions than `shards`.

    Raises:
        SystemExit: one has more.
    """
    async with _admin(config) as admin:
        present = await _present(admin)
    names = [name for topic in TOPICS if (name := topic.name(config.topic_suffix)) in present]
    for name in names:
        if present[name] > shards:
            raise SystemExit(f"topic {name} has {present[name]} partitions, more than {shards} shards")
    return [name for name in names if present[name] < shards]


async def widen(config: Settings, shards: int) -> list[str]:
    """
    Give the topics that `narrow` returns one partition a shard; return their names.

    Nothing is deleted: what is submitted waits on, and what a log had sent is of an earlier generation by then.

    Raises:
        SystemExit: see `narrow`, or Kafka refuses.
    """
    names = await narrow(config, shards)
    if names:
        async with _admin(config) as admin:
            answer = await admin.create_partitions({name: NewPartitions(total_count=shards) for name in names})
            for name, code, reason in answer.topic_errors:
                if code:
                    raise SystemExit(f"topic {name} gets no more partitions: {reason or code}")
    return names


async def create(config: Settings) -> list[str]:
    """Create the missing topics with one partition a shard; return their names. Fails where a partition count differs."""
    async with _admin(config) as admin:
        present = await _present(admin)
        names = [topic.name(config.topic_suffix) for topic in TOPICS]
        for name in names:
            if present.get(name, config.shards) != config.shards:
                raise SystemExit(f"ATTAIN_SHARDS is {config.shards}, but topic {name} has {present[name]} partitions")
        missing = [name for name in names if name not in present]
        with contextlib.suppress(TopicAlreadyExistsError):
            await admin.create_topics([_new_topic(name, config) for name in missing])
        return missing


def _new_topic(name: str, config: Settings) -> NewTopic:
    configs = {"retention.ms": str(RETENTION_MS), "cleanup.policy": "delete"}
    if config.replication_factor >= 3:
        # What is submitted is Kafka's alone until it is taken in, and a leader acknowledges by itself unless told otherwise.
        configs["min.insync.replicas"] = "2"
    return NewTopic(name, config.shards, config.replication_factor, topic_configs=configs)


def rights(service: str, suffix: str) -> list[tuple[str, str, str]]:
    """
    Return what a service's Kafka user must be allowed, and no more: (resource type, name, operation).

    A producer reads its own topics too, because the relay looks at their tails; the names of groups are prefixes.
    """
    found = [("group", service, "Read")]
    for topic in TOPICS:
        operations: tuple[str, ...] = ("Read", "Describe") if service in topic.consumers else ()
        if topic.producer == service:
            operations = ("Read", "Write", "Describe")
        found += [("topic", topic.name(suffix), operation) for operation in operations]
    return found


def main() -> None:
    """Create the topics of the installation that the environment names, or print the ACLs of its services."""
    parser = argparse.ArgumentParser(description="The topics of an Attain installation.")
    parser.add_argument("command", choices=["create", "acls"], help="make what is missing; or print the rights as TSV")
    asked = parser.parse_args().command
    config = settings_or_exit("topics")
    if asked == "acls":
        for service in SERVICES:
            for right in rights(service, config.topic_suffix):
                print(service, *right, sep="\t")
        return
    try:
        created = asyncio.run(wait_for_server("Kafka", lambda: create(config), (KafkaConnectionError,), START_S_MAX))
    except KafkaError as error:
        raise SystemExit(f"topics: ATTAIN_KAFKA: {config.kafka}: {error}") from None
    print(f"topics: {len(created)} created, {len(TOPICS) - len(created)} present")


if __name__ == "__main__":
    main()
