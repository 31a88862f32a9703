"""Tenants that are ended, as the ledger of evidence knows: their webhooks and shadows that a restore brought back go again."""

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable

import msgspec

from services.progression.tables import shadows, webhooks
from shared.database import Database
from shared.errors import Unavailable
from shared.peer import Peer
from shared.settings import Settings
from shared.tasks import Pulse, raise_if_cancelled

log = logging.getLogger(__name__)
AWAY_S = 1.0
"""How long evidence is waited for where it does not answer."""


class _Erasure(msgspec.Struct):
    tenant: str
    erased_at: datetime.datetime
    ended: bool = False


_decode = msgspec.json.Decoder(list[_Erasure]).decode


class EndedTenants:
    """Ends webhooks and shadows of ended tenants; whoever begins a tenant anew keeps what comes from then on."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def then(self, work: Callable[[], Awaitable[None]], pulse: Pulse) -> None:
        """Do work that tells others of tenants once nothing is there of those that are ended."""
        while True:
            raise_if_cancelled()
            pulse.beat()
            try:
                await self.end_again()
                break
            except Unavailable as error:
                log.warning("evidence does not say which tenants are ended: %s", error)
                await asyncio.sleep(AWAY_S)
        await work()

    async def end_again(self) -> None:
        """End what there is of ended tenants from before their end; raises `Unavailable`."""
        async with Peer(self._settings.evidence_url, self._settings) as evidence:
            answer = await evidence.ask("/v1/erasures", {"ended": "true"})
        # An earlier version of evidence tells of erased learners too.
        for one in (each for each in _decode(answer.content) if each.ended):
            async with self._database.transaction() as connection:
                hooks = await webhooks.remove_before(connection, one.tenant, one.erased_at)
                policies = await shadows.stop_before(connection, one.tenant, one.erased_at)
            if hooks or policies:
                log.warning(
                    "%s webhooks and %s shadow policies of tenant %s, which a restore had brought back, are ended again",
                    hooks, policies, one.tenant,
                )  # fmt: skip
