"""Where one piece of evidence is on its way: taken in, in the log, sent, folded, shown."""

from typing import Any

from services.evidence.handlers import reading
from services.evidence.tables import pieces
from shared.database import Database
from shared.errors import Unavailable
from shared.events import Position
from shared.peer import Peer


def onward(sent: bool, folded: bool | None, shown: bool | None) -> list[dict[str, Any]]:
    """
    Return the stages after acceptance; what a later one has passed is done in the earlier ones too.

    They are asked one after the other while the piece moves on, and what was sent is noted after it has gone.
    """
    folded = True if shown else folded
    return [
        {"stage": "sent", "done": sent or bool(folded)},
        {"stage": "folded", "done": folded},
        {"stage": "shown", "done": shown},
    ]


class Tracing:
    """Follows a piece through the services by its position: each is asked how far it is with the piece's shard."""

    def __init__(self, database: Database, progression: Peer, reporting: Peer) -> None:
        self._database = database
        self._progression = progression
        self._reporting = reporting

    async def trace(self, tenant: str, evidence_id: str) -> dict[str, Any]:
        """
        Return what happened to a piece here, and its `stages` in order; `done` is None where a service does not answer.

        Raises:
            NotFound: the tenant has no such piece.
        """
        found = await reading.trace(self._database, tenant, evidence_id)
        stages = [
            {"stage": "received", "done": found["received_at"] is not None, "at": found["received_at"]},
            {"stage": "accepted", "done": found["position"] is not None, "at": found["accepted_at"]},
        ]
        if found["position"] is not None:
            place = Position.parse(found["position"])
            stages += onward(
                await self._is_sent(place),
                await self._is_past(self._progression, place),
                await self._is_past(self._reporting, place),
            )
        else:
            stages += onward(False, False, False)
        return found | {"stages": stages}

    async def _is_sent(self, place: Position) -> bool:
        async with self._database.connection() as connection:
            return await pieces.sent_up_to(connection, place.shard) >= place.pos

    async def _is_past(self, service: Peer, place: Position) -> bool | None:
        try:
            told = (await service.ask("/v1/positions", {"shard": place.shard})).json()
        except Unavailable:
            return None
        return bool((told["generation"], told["evidence"]) >= (place.generation, place.pos))
