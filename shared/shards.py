"""Which shard a key belongs to: shard == Kafka partition, everywhere."""

import functools
import uuid

from aiokafka.partitioner import murmur2


@functools.lru_cache(maxsize=200_000)
def shard_of(tenant: str, subject: str, shards: int) -> int:
    """
    Return the shard of a learner (or framework, or source) of a tenant: 0 .. shards - 1.

    Source: murmur2 as in Kafka's default partitioner, over the UTF-8 of `tenant|subject`.
    """
    return (int(murmur2(f"{tenant}|{subject}".encode())) & 0x7FFFFFFF) % shards


NAMESPACE = uuid.UUID("0b8a8d3e-6f0e-5d0c-9f43-5f1d6a1f7a11")


def stable_id(*parts: str) -> str:
    """Return the uuid5 over the parts: the same parts give the same id, on every machine and run."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))
