"""
Requests under a key of their sender's: what they ask for is done once, however often they are sent.

What was taken up is a row of a log that nobody follows, written in the transaction that has the effect. It holds no content
and no learner, only what tells a repetition from another request.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from services.progression.tables import requests
from shared.database import Connection
from shared.errors import Refused
from shared.event_log import EventLog
from shared.events import Draft, encode_json, envelope, now
from shared.shards import shard_of, stable_id

REQUESTED = "attain.decision.requested.v1"


class Request(msgspec.Struct, frozen=True):
    """What was asked for under a key: `id` follows from tenant, sender and key alone, `digest` is of the content."""

    tenant: str
    id: str
    digest: str

    def item(self, number: int) -> str:
        """Return the id of one of the things that it makes."""
        return stable_id(self.id, str(number))


class TakenUp(msgspec.Struct, frozen=True):
    """What is kept of a request: data of `REQUESTED`. `items` is how many things it has made."""

    digest: str
    items: int


class _Row(msgspec.Struct):
    data: TakenUp


def request_of(tenant: str, sender: str, key: str, asked: Sequence[object]) -> Request | None:
    """Return the request that is sent under a key; None without one: it is then another each time."""
    if not key:
        return None
    return Request(tenant, stable_id(tenant, sender, "request", key), hashlib.sha256(encode_json(asked)).hexdigest())


async def taken_up(connection: Connection, request: Request | None) -> TakenUp | None:
    """
    Return what is kept of a request that was sent before, None the first time.

    Other sendings of it wait from then on until the caller's transaction ends.

    Raises:
        Refused: something else was asked for under this key.
    """
    if request is None:
        return None
    await requests.lock(connection, request.id)
    body = await requests.find(connection, request.tenant, request.id)
    if body is None:
        return None
    before = msgspec.json.decode(body, type=_Row).data
    if before.digest != request.digest:
        raise Refused("something else was asked for under this Idempotency-Key", reason="other_content")
    return before


async def take_up(connection: Connection, log: EventLog, request: Request | None, items: int = 1) -> None:
    """Keep that a request is taken up, in the transaction of what it makes; nothing but the commit may follow."""
    if request is None:
        return
    body = envelope(
        id=request.id, source="progression", type=REQUESTED, tenant=request.tenant, subject=request.id, time=now(),
        data=encode_json(TakenUp(request.digest, items)),
    )  # fmt: skip
    shard = shard_of(request.tenant, request.id, log.shards)
    await log.append(connection, [Draft(shard, request.tenant, request.id, body)])
