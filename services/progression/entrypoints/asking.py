"""What the reads have in common: who may see something of a learner, and `?wait=`."""

from typing import Annotated

from fastapi import Depends, Query
from fastapi.params import Depends as Dependency

from services.progression.tables import published
from shared.auth import Identity
from shared.database import Database
from shared.errors import Gone, InvalidEvent
from shared.events import Position
from shared.permissions import View
from shared.settings import Settings
from shared.web import Caller, wait_for

Wait = Annotated[str | None, Query(description="a position of the log evidence or decisions that must be folded first")]


def may_read(caller: Identity, learner: str, what: View) -> None:
    """Let who sees something of every learner pass, and a learner to the own record; raises `Forbidden`."""
    if not _is_own(caller, learner):
        caller.require_sight(what)


def sees(caller: Identity, learner: str, what: View) -> bool:
    """Tell whether `may_read` lets a caller pass."""
    return _is_own(caller, learner) or caller.sees(what)


def _is_own(caller: Identity, learner: str) -> bool:
    return caller.learner == learner and "records:read:self" in caller.scopes


def waits(database: Database, settings: Settings) -> Dependency:
    """Return what lets a read wait, once its caller is known, until the position that `?wait=` names is folded."""

    async def waited(_: Caller, wait: Wait = None) -> None:
        if wait is None:
            return
        position = Position.parse(wait)
        if position.log not in ("evidence", "decisions") or position.shard >= settings.shards:
            raise InvalidEvent("wait for a position of the log evidence or decisions", pointer="/wait")

        async def reached() -> bool:
            async with database.connection() as connection:
                generation, pos, inbox = (await published.folded_positions(connection))[position.shard]
            if position.log == "evidence" and generation != position.generation:
                raise Gone(f"the position is of generation {position.generation}, this is {generation}")
            return (pos if position.log == "evidence" else inbox) >= position.pos

        await wait_for(reached, settings)

    dependency: Dependency = Depends(waited)
    return dependency
