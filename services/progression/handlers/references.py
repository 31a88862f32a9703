"""A receiver's own ids of learners, asked of the service that alone knows them."""

import re
from collections.abc import Collection

import msgspec

from shared.peer import Peer
from shared.settings import Settings

_OPAQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class References:
    """A client of the identity table; close it after use."""

    def __init__(self, settings: Settings) -> None:
        self._evidence = Peer(settings.evidence_url, settings)

    async def of(self, tenant: str, source: str, learners: Collection[str]) -> dict[str, list[dict[str, str]]]:
        """
        Return the `refs` of learners at one source: none where it does not know the learner, or `source` is empty.

        Raises:
            Unavailable: the service does not answer.
        """
        refs: dict[str, list[dict[str, str]]] = {learner: [] for learner in learners}
        # The subject of an event on no learner may be any text, and evidence refuses what is no id.
        asked = sorted(name for name in refs if _OPAQUE.fullmatch(name))
        if not source or not asked:
            return refs
        body = {"tenant": tenant, "source": source, "learners": asked}
        answer = await self._evidence.ask("/v1/learners/references", body=body)
        for learner, ids in msgspec.json.decode(answer.content, type=dict[str, list[str]]).items():
            refs[learner] = [{"source": source, "id": id} for id in ids]
        return refs

    async def close(self) -> None:
        """Close the connections."""
        await self._evidence.close()
