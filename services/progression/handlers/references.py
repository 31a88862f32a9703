"""What a receiver alone is told of learners: its own ids and the roster's places, asked of the service that knows them."""

import re
from collections.abc import Collection

import msgspec

from services.progression.domain.subscribing import Address
from shared.contracts.public_members import Placement, Ref
from shared.peer import Peer
from shared.settings import Settings

_OPAQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Known(msgspec.Struct, frozen=True):
    """A learner whom a source knows."""

    ids: tuple[str, ...]
    placement: Placement | None = None


# An earlier version of evidence answers the ids alone.
_decode = msgspec.json.Decoder(dict[str, _Known | tuple[str, ...]]).decode


class References:
    """A client of the identity table; close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._evidence = Peer(settings.evidence_url, settings)

    async def of(self, tenant: str, source: str, learners: Collection[str]) -> dict[str, Address]:
        """
        Return the address of each learner at one source: empty where it does not know the learner, or `source` is empty.

        Raises:
            Unavailable: the service does not answer.
        """
        found = dict.fromkeys(learners, Address())
        # The subject of an event on no learner may be any text, and evidence refuses what is no id.
        asked = sorted(name for name in found if _OPAQUE.fullmatch(name))
        if not source or not asked:
            return found
        body = {"tenant": tenant, "source": source, "learners": asked, "placed": True}
        answer = await self._evidence.ask("/v1/learners/references", body=body)
        for learner, known in _decode(answer.content).items():
            ids, placement = (known.ids, known.placement) if isinstance(known, _Known) else (known, None)
            found[learner] = Address(tuple(Ref(source, id) for id in ids), placement)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._evidence.close()
