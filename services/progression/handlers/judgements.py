"""What people decide of learners: once it is checked (`checking`) it is put into the inbox of the learner's shard."""

import uuid
from collections.abc import Collection, Mapping, Sequence

import msgspec

from services.progression.domain.decisions import (
    COMPETENCY_DECIDED,
    LEVEL_DECIDED,
    SUPPORT_DECIDED,
    CompetencyDecided,
    LevelDecided,
    SupportDecided,
)
from services.progression.handlers.checking import Checking, Judgement
from services.progression.handlers.logs import Logs
from services.progression.handlers.requests import Request, request_of, take_up, taken_up
from services.progression.tables import requests
from shared.clock import Clock
from shared.crash_points import reach
from shared.database import Connection, Database
from shared.errors import Gone
from shared.event_log import Head
from shared.events import Draft, Position, encode_json, envelope, now
from shared.settings import Settings
from shared.shards import shard_of

TYPES: dict[type[Judgement], str] = {
    CompetencyDecided: COMPETENCY_DECIDED,
    LevelDecided: LEVEL_DECIDED,
    SupportDecided: SUPPORT_DECIDED,
}


class Made(msgspec.Struct, frozen=True):
    """A decision that is durable: its id, and the position to wait for."""

    id: str
    learner: str
    position: str


class Judgements:
    """Puts decisions on learners into the inbox."""

    def __init__(self, database: Database, logs: Logs, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._logs = logs
        self._shards = settings.shards

    async def decide(
        self, tenant: str, asked: Sequence[Judgement], key: str = "", places: Sequence[str] = ()
    ) -> list[Made]:
        """
        Store decisions of one person, all or none; they are folded a moment later.

        A placement presumes what lies below the level and has no evidence, and names what is not shown. Asked for again under
        the same `key`, nothing is decided: the answer is that of the first time. `places` are JSON pointers to each of the
        decisions in what was sent, with which the pointer of a refusal begins; none where one is sent alone.

        Raises:
            InvalidEvent: of something that no framework has, or without what the policy asks for; with a pointer.
            Forbidden: the role may not do this under the policy.
            Refused: a sign-off of what does not wait for one, or the person has asked for something else under this key.
            Gone: the learner was erased.
            Unavailable: the clock that would date them is not believed.
        """
        self._clock.require()
        request = request_of(tenant, asked[0].author, key, asked)
        async with self._database.transaction() as connection:
            before = await taken_up(connection, request)
            if request is not None and before is not None:
                return await self._made_before(connection, request, before.items, {each.learner for each in asked})
            checked = await Checking(connection, tenant, self._shards).all(
                zip(places or [""] * len(asked), asked, strict=True)
            )
            ids = [str(uuid.uuid4()) if request is None else request.item(no) for no in range(len(checked))]
            drafts = [self._draft(tenant, id, judgement) for id, judgement in zip(ids, checked, strict=True)]
            heads: dict[int, Head] = await self._logs.decisions.heads(connection)
            positions = await self._logs.decisions.append(connection, drafts)
            await take_up(connection, self._logs.requests, request, len(drafts))
            reach("judgement.decided")
        reach("judgement.committed")
        return [
            _made(id, judgement.learner, heads, draft.shard, pos)
            for id, judgement, draft, pos in zip(ids, checked, drafts, positions, strict=True)
        ]

    async def _made_before(
        self, connection: Connection, request: Request, items: int, learners: Collection[str]
    ) -> list[Made]:
        """Return what was made of a request when it was sent before."""
        ids = [request.item(no) for no in range(items)]
        rows = {row["id"]: row for row in await requests.decisions(connection, request.tenant, learners, ids)}
        if len(rows) < items:
            raise Gone("it was decided, and the learner was erased since", reason="erased")
        heads = await self._logs.decisions.heads(connection)
        return [_made(id, rows[id]["learner"], heads, rows[id]["shard"], rows[id]["pos"]) for id in ids]

    def _draft(self, tenant: str, id: str, judgement: Judgement) -> Draft:
        body = envelope(
            id=id, source="progression", type=TYPES[type(judgement)], tenant=tenant, subject=judgement.learner, time=now(),
            data=encode_json(judgement),
        )  # fmt: skip
        return Draft(shard_of(tenant, judgement.learner, self._shards), tenant, judgement.learner, body)


def _made(id: str, learner: str, heads: Mapping[int, Head], shard: int, pos: int) -> Made:
    return Made(id, learner, str(Position("decisions", heads[shard].generation, shard, pos)))
