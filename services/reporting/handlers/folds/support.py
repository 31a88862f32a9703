"""The fold of the restricted log `support`: what is suggested of whom, and what came of it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from services.reporting.domain.support import Closed, Suggested
from services.reporting.handlers.folds.base import Fold, decoded
from services.reporting.tables.support import FORGOTTEN, OPEN, close
from services.reporting.tables.writes import Unfolded, forget, upsert
from shared.contracts.internal_events import IDENTITY_ERASED, IdentityErased
from shared.contracts.support_events import SUPPORT_CLOSED, SUPPORT_SUGGESTED
from shared.database import Connection
from shared.handling import Settle, ShardBatch, Write

Key = tuple[str, str, str]
"""Tenant, learner, id of the event that told it."""
_DECODERS: dict[str, Callable[[msgspec.Raw], Any]] = {
    SUPPORT_SUGGESTED: msgspec.json.Decoder(Suggested).decode,
    SUPPORT_CLOSED: msgspec.json.Decoder(Closed).decode,
    IDENTITY_ERASED: msgspec.json.Decoder(IdentityErased).decode,
}


class SupportFold(Fold):
    """Folds suggestions, each by the id of the event that told it."""

    model = "support"

    async def fold(self, batches: Sequence[ShardBatch], settle: Settle) -> Write:
        """Fold a batch in memory."""
        opened: dict[Key, Suggested] = {}
        closed: dict[Key, tuple[str, str, int]] = {}
        erased: set[tuple[str, str]] = set()
        unfolded: list[Unfolded] = []
        for event, data in decoded(batches, _DECODERS, unfolded):
            if event.type == SUPPORT_SUGGESTED:
                opened[event.tenant, data.learner.id, event.id] = data
            elif event.type == SUPPORT_CLOSED:
                key = (event.tenant, data.learner.id, data.replaces)
                closed[key] = (data.decided_at, data.outcome, data.days)
            else:
                erased.add((event.tenant, event.subject))
        rows = [_row(key, opened[key], closed.pop(key, None)) for key in sorted(opened)]

        async def write(connection: Connection) -> None:
            await upsert(connection, "suggestion", self.version, rows)
            await close(connection, self.version, [(*key, *closed[key]) for key in sorted(closed)])
            await forget(connection, self.model, erased)
            await self._keep_aside(connection, unfolded)

        return write


def _row(key: Key, told: Suggested, closed: tuple[str, str, int] | None) -> tuple[Any, ...]:
    asked = (
        told.scope.id, told.side, told.need, told.waiting_since, told.weakest_prerequisite, "\n".join(told.tried),
    )  # fmt: skip
    over = (*OPEN, *asked) if closed is None else (*closed, *FORGOTTEN)
    return (*key, told.decided_at, told.respond_by, told.owner, *over)
