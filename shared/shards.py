"""Which shard a key belongs to: shard == Kafka partition, everywhere."""

import functools
import hashlib
import uuid

from aiokafka.partitioner import murmur2


@functools.lru_cache(maxsize=200_000)
def shard_of(tenant: str, subject: str, shards: int) -> int:
    """
    Return the shard of a learner (or framework, or source) of a tenant: 0 .. shards - 1.

    Source: murmur2 as in Kafka's default partitioner, over the UTF-8 of `tenant|subject`.
    """
    return (int(murmur2(f"{tenant}|{subject}".encode())) & 0x7FFFFFFF) % shards


def shards_fault(what: str, installed: int, wanted: int) -> str:
    """Return what is wrong with the setting where `what` so many shards (0: none yet), such as "its database has"; else empty."""
    if installed in (0, wanted):
        return ""
    return f"ATTAIN_SHARDS is {wanted}, but {what} {installed} shards: set it to that, which only `reshard` changes"


NAMESPACE = uuid.UUID("0b8a8d3e-6f0e-5d0c-9f43-5f1d6a1f7a11")
_namespace = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)


def stable_id(*parts: str) -> str:
    """Return the uuid5 over the parts: the same parts give the same id, on every machine and run."""
    hasher = _namespace.copy()
    hasher.update("\x1f".join(parts).encode())
    return uuid5_text(hasher.hexdigest())


def uuid5_text(sha1: str) -> str:
    """Return the text of the uuid5 with a SHA-1 in hex, as RFC 9562 sets version and variant; `uuid.uuid5` costs thrice."""
    return f"{sha1[:8]}-{sha1[8:12]}-5{sha1[13:16]}-{'89ab'[int(sha1[16], 16) & 3]}{sha1[17:20]}-{sha1[20:32]}"
