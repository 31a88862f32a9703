"""Names, asked of evidence for people whom the roster lets see them; kept nowhere else, and here for half a minute."""

import time
from collections.abc import Collection
from uuid import UUID

from shared.errors import Unavailable
from shared.peer import Peer

KEPT_S = 30.0
KEPT = 20_000
ASKED_AT_ONCE = 1000


class People:
    """The names of learners; a record is readable without one, so evidence being away is no error."""

    def __init__(self, evidence: Peer) -> None:
        self._evidence = evidence
        self._known: dict[tuple[str, str], tuple[float, str]] = {}

    async def names(self, tenant: str, learners: Collection[str]) -> dict[str, str]:
        """Return the names of those learners that have one; the caller has checked who asks."""
        now = time.monotonic()
        known = {
            learner: held[1] for learner in learners if (held := self._known.get((tenant, learner))) and held[0] > now
        }
        unknown = [learner for learner in learners if learner not in known and _is_uuid(learner)]
        for start in range(0, len(unknown), ASKED_AT_ONCE):
            found = await self._ask(tenant, unknown[start : start + ASKED_AT_ONCE])
            if len(self._known) > KEPT:
                self._known.clear()
            for learner in unknown[start : start + ASKED_AT_ONCE]:
                self._known[tenant, learner] = (now + KEPT_S, found.get(learner, ""))
            known |= found
        return {learner: name for learner, name in known.items() if name}

    async def _ask(self, tenant: str, learners: list[str]) -> dict[str, str]:
        try:
            answer = await self._evidence.ask("/v1/names", body={"tenant": tenant, "learners": learners})
            found: dict[str, str] = answer.json()
        except (Unavailable, ValueError):
            return {}
        return found


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
