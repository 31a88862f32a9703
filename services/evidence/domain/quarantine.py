"""What is told of a piece that cannot be used: where it is kept, why, and what is at fault; never its bytes."""

import hashlib

import msgspec

from shared.contracts.internal_events import QUARANTINED, Quarantined
from shared.events import Draft, encode_json, envelope
from shared.shards import shard_of, stable_id


class Refusal(msgspec.Struct, frozen=True):
    """A record that can never be used as it is."""

    quarantine_id: str
    tenant: str
    source: str | None
    item_id: str | None
    learner: str | None
    reason: str
    pointer: str
    detail: str
    original: bytes
    form: str = "native"


def quarantine_id(topic: str, partition: int, offset: int, value: bytes) -> str:
    """Return the id of a record's place and bytes: a redelivery is the same one, a recreated topic is not."""
    return stable_id(topic, str(partition), str(offset), hashlib.sha256(value).hexdigest())


def quarantined(refusal: Refusal, way: str, time: str, shards: int) -> Draft:
    """Return the event of a refusal."""
    source = refusal.source or ""
    data = Quarantined(refusal.quarantine_id, source, refusal.reason, refusal.pointer, way)
    body = envelope(
        id=refusal.quarantine_id, source="evidence", type=QUARANTINED, tenant=refusal.tenant, subject=source, time=time,
        data=encode_json(data),
    )  # fmt: skip
    return Draft(shard_of(refusal.tenant, source, shards), refusal.tenant, source, body)
