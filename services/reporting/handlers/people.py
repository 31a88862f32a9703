"""Names, asked of evidence for people whom the roster lets see them; kept nowhere else, and here for half a minute."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.reporting.domain.needs import Waits
from services.reporting.domain.owners import owners
from services.reporting.tables.reads import snapshot
from services.reporting.tables.rights import people_around
from shared.auth import Identity
from shared.database import Database
from shared.errors import Unavailable
from shared.peer import Peer

KEPT_S = 30.0
KEPT = 20_000
ASKED_AT_ONCE = 1000


class People:
    """The names of learners and staff; a record is readable without one, so evidence being away is no error."""

    def __init__(self, evidence: Peer) -> None:
        self._evidence = evidence
        self._known: dict[tuple[str, str, str], tuple[float, str]] = {}

    async def names(self, tenant: str, learners: Collection[str]) -> dict[str, str]:
        """Return the names of those learners that have one; the caller has checked who asks."""
        return await self._names("/v1/names", "learners", tenant, filter(_is_uuid, learners))

    async def staff(self, tenant: str, people: Iterable[str | None]) -> dict[str, str]:
        """Return the names of those people, by the subjects of their tokens, that have one; the caller has checked who asks."""
        return await self._names("/v1/staff/names", "people", tenant, filter(None, people))

    async def _names(self, path: str, member: str, tenant: str, ids: Iterable[str]) -> dict[str, str]:
        now, wanted = time.monotonic(), dict.fromkeys(ids)
        known = {id: held[1] for id in wanted if (held := self._known.get((member, tenant, id))) and held[0] > now}
        unknown = [id for id in wanted if id not in known]
        for start in range(0, len(unknown), ASKED_AT_ONCE):
            asked = unknown[start : start + ASKED_AT_ONCE]
            found = await self._ask(path, {"tenant": tenant, member: asked})
            if len(self._known) > KEPT:
                self._known.clear()
            for id in asked:
                self._known[member, tenant, id] = (now + KEPT_S, found.get(id, ""))
            known |= found
        return {id: name for id, name in known.items() if name}

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, str]:
        try:
            answer = await self._evidence.ask(path, body=body)
            found: dict[str, str] = answer.json()
        except (Unavailable, ValueError):
            return {}
        return found


async def owners_of(
    database: Database, people: People, caller: Identity, waiting: Sequence[Waits], class_id: str | None
) -> Mapping[tuple[str, str], list[str]]:
    """Return the names of who owns what waits, as `domain.owners` has them; through a class only through the one shown."""
    learners = sorted({each.learner for each in waiting})
    if not learners:
        return {}
    async with snapshot(database) as view:
        rows = await people_around(view, caller.tenant, caller.today, learners, class_id)
    return owners(rows, await people.staff(caller.tenant, (row["person"] for row in rows)))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
