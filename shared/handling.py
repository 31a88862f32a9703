"""What a consumer and the handler that folds for it give each other."""

import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.database import Connection
from shared.events import Envelope


class InboxEntry(NamedTuple):
    """A decision that waits in a shard's inbox: its dense position and its JSON."""

    shard: int
    pos: int
    body: bytes


class Inbox(Protocol):
    """The second input of a consumer: decisions with their own dense positions."""

    async def read(self, connection: Connection, after: dict[int, int], limit: int) -> list[InboxEntry]:
        """Return the entries behind the given positions, in shard and position order."""


@dataclasses.dataclass(slots=True)
class ShardBatch:
    """What one shard has to fold, in this order: decisions, then events with consecutive positions."""

    shard: int
    decisions: list[InboxEntry]
    events: list[Envelope]
    last: int
    """The position of the producer's log that is folded once this batch is."""
    generation: int


Settle = Callable[[], Awaitable[None]]
Write = Callable[[Connection], Awaitable[None]]


class Handler(Protocol):
    """Folds batches; may cache state, because a shard has one owner."""

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """
        Fold in memory and return what writes the outcome, inside the transaction, after the compare-and-set.

        Must call `settle` before it reads the database: the previous batch may still be committing. Touches nothing
        outside; when the write fails, `forget` follows and the same records come again.
        """

    def forget(self, shards: Collection[int]) -> None:
        """Drop everything cached for the shards: another owner may have moved them, or a commit failed."""

    async def claimed(self, shards: Collection[int]) -> None:
        """Load what is needed to fold the shards; called after they became ours and before their first batch."""

    def committed(self) -> None:
        """The last write is durable."""

    def pending(self, shards: Collection[int]) -> list[int]:
        """Return the shards with work of their own to go on with: each is given an empty batch."""


def is_fault_of_code(apart: Mapping[str, int], tenants: Collection[str], at_most: int) -> bool:
    """
    Tell whether so many were set apart within an hour, by tenant, that our code is wrong and not the data: the shard waits.

    What one of several tenants has alone, such as a rule of its own that raises, stops none of the others: it is not counted.
    """
    counted = sum(apart.values()) - (max(apart.values(), default=0) if len({*tenants, *apart}) > 1 else 0)
    return counted > at_most


class Stateless:
    """The part of a `Handler` that keeps nothing between batches."""

    def forget(self, shards: Collection[int]) -> None:
        """Nothing is cached."""

    async def claimed(self, shards: Collection[int]) -> None:
        """Nothing is to be loaded."""

    def committed(self) -> None:
        """Nothing waits for the commit."""

    def pending(self, shards: Collection[int]) -> list[int]:
        """Nothing is to be done but what the log says."""
        return []
