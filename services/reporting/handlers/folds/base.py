"""
What the folds of the input logs into read models have in common: decode, keep a key's last word, set aside what cannot be read.

A read model is a function of its log alone, and what an event says replaces what an earlier one said of the same key;
so batches of any size, and a rebuild, give the same rows.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import msgspec

from services.reporting.tables.read_models import consumer_name
from services.reporting.tables.writes import Unfolded, note_unfolded, tenants_folded
from shared.database import Connection
from shared.events import Envelope
from shared.handling import Settle, ShardBatch, Stateless, Write, is_fault_of_code

log = logging.getLogger(__name__)
TURN_EVENTS = 500
"""So many events are folded, in about 2 ms, before requests get their turn."""


class Fold(Stateless):
    """What the folds have in common: no cache, so nothing to forget; what cannot be read is kept aside and counted."""

    model: str
    edition = 1
    """Raised where the fold makes other rows of the same log: what an earlier edition has made is then rebuilt by itself."""

    def __init__(self, version: int, blocked_max: int) -> None:
        self.version = version
        self.consumer = consumer_name(self.model, version)
        self._blocked_max = blocked_max

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory; see `shared.handling.Handler`."""
        raise NotImplementedError

    async def _keep_aside(self, connection: Connection, unfolded: Sequence[Unfolded]) -> None:
        """
        Keep what cannot be folded, and go on with the others.

        Raises:
            RuntimeError: so many subjects an hour, of more than one tenant of several, that our code is wrong; the shard waits.
        """
        if not unfolded:
            return
        blocked = await note_unfolded(connection, self.consumer, unfolded)
        first = unfolded[0]
        log.error("%s set %s events aside, the first: %s", self.consumer, len(unfolded), first.reason,
                  extra={"tenant": first.tenant, "consumer": self.consumer, "shard": first.shard,
                         "position": first.pos})  # fmt: skip
        if is_fault_of_code(blocked, await tenants_folded(connection, self.consumer), self._blocked_max):
            raise RuntimeError(f"{self.consumer}: events of {sum(blocked.values())} subjects cannot be read")


async def in_turns(events: Sequence[Envelope]) -> AsyncIterator[Sequence[Envelope]]:
    """Yield the events in slices; requests are served in between."""
    for start in range(0, len(events), TURN_EVENTS):
        if start:
            await asyncio.sleep(0)
        yield events[start : start + TURN_EVENTS]


def decoded(
    batches: Sequence[ShardBatch], decoders: dict[str, Callable[[msgspec.Raw], Any]], unfolded: list[Unfolded]
) -> Iterator[tuple[Envelope, Any]]:
    """Yield the events of the types that have a decoder, with their data; other types are not for this read model."""
    for batch in batches:
        for event in batch.events:
            decode = decoders.get(event.type)
            if decode is None:
                continue
            try:
                data = decode(event.data)
            except msgspec.DecodeError as error:
                unfolded.append(set_aside(event, error))
                continue
            yield event, data


def set_aside(event: Envelope, error: Exception) -> Unfolded:
    """Return the row that keeps an event which cannot be read."""
    return Unfolded(event.shard, event.position, event.tenant, event.subject, str(error)[:500], bytes(event.data))
