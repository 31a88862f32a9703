"""The fold of progression over a real database, fed by hand instead of by Kafka, with a clock that can be moved."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from services.progression.handlers.decisions import Decisions
from services.progression.handlers.fold import MasteryFold
from services.progression.handlers.logs import DecisionInbox, Logs
from services.progression.handlers.refolder import Refolder
from services.progression.tables.published import CONSUMER
from shared.clock import Clock
from shared.consumer import ShardConsumer
from shared.contracts.internal_events import EVIDENCE_RECORDED, IDENTITY_ERASED, EvidenceRecorded, IdentityErased
from shared.database import Database
from shared.events import encode_json, envelope, now, placed
from shared.feed import FeedClient
from shared.settings import Settings
from tests.support.disposable import eventually
from tests.support.journal import TENANT
from tests.support.servers import Servers, migrated_database


class Hand:
    """A clock's hand that a test can move."""

    def __init__(self) -> None:
        self.at = ""

    def __call__(self) -> str:
        """Return where it stands; the true time unless it was moved."""
        return self.at or now()


class HandFed:
    """The fold of progression over a real database, fed by hand instead of by Kafka."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.hand = Hand()
        self.clock = Clock(database, settings, self.hand)
        self.logs = Logs(settings.shards)
        self.refolder = Refolder(settings.progression_database)
        self.fold = MasteryFold(database, self.logs, settings, self.clock, lambda rows: None, self.refolder)
        self.consumer = ShardConsumer(
            CONSUMER, "evidence", database, self.fold, FeedClient("http://127.0.0.1:9", settings), settings,
            DecisionInbox(self.logs.decisions),
        )  # fmt: skip
        self.fold.sweeping.wake = self.consumer.wake
        self.decisions = Decisions(database, self.logs, settings)
        self._sent = 0

    async def begin(self) -> None:
        """Take the one shard, and let the loops run."""
        async with self.database.transaction() as connection:
            for log in self.logs.all():
                await log.prepare(connection)
        await self.consumer.prepare()
        self.consumer.on_partitions_assigned([TopicPartition("attain.evidence", 0)])
        self._loops = [asyncio.create_task(self.consumer.tick()), asyncio.create_task(self.clock.run())]
        await eventually(self._believes)

    async def decide(self, policy: Mapping[str, Any]) -> None:
        """Put a policy into force; returns when its decision is folded, and what is stale is refolded from then on."""
        _, _, positions = await self.decisions.set_policy(TENANT, msgspec.json.encode(policy), "")
        await eventually(lambda: self.decisions.folded(positions))

    async def end(self) -> None:
        """Stop the loops."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.refolder.stop()

    async def send(self, *pieces: EvidenceRecorded, tenant: str = TENANT) -> None:
        """Deliver pieces of a tenant in one poll."""
        events = [(EVIDENCE_RECORDED, piece.evidence_id, piece.learner, piece) for piece in pieces]
        await self._deliver(events, tenant)

    async def erase(self, learner: str) -> None:
        """Deliver that a learner is erased."""
        erased = IdentityErased(learner, "certificate")
        await self._deliver([(IDENTITY_ERASED, f"erased-{learner}", learner, erased)])

    async def _deliver(
        self, events: Sequence[tuple[str, str, str, EvidenceRecorded | IdentityErased]], tenant: str = TENANT
    ) -> None:
        records = []
        for type, id, learner, data in events:
            self._sent += 1
            body = envelope(id=id, source="evidence", type=type, tenant=tenant, subject=learner, time=now(),
                            data=encode_json(data))  # fmt: skip
            value = placed(body, 1, 0, self._sent)
            records.append(
                ConsumerRecord("attain.evidence", 0, self._sent - 1, 0, 0, b"", value, None, 0, len(value), ())
            )
        await self.consumer.on_records(records)

    async def told(self) -> list[str]:
        """Return the short names of what was told of learners."""
        async with self.database.connection() as connection:
            rows: Sequence[str] = [
                row[0] for row in await connection.fetch(
                    "select convert_from(body, 'utf8')::json->>'type' from event_log where log = 'advancement' order by pos")
            ]  # fmt: skip
        of_learners = [type for type in rows if not type.startswith("attain.recalculation.")]
        return [type.removeprefix("attain.competency.").removesuffix(".v1") for type in of_learners]

    async def _believes(self) -> bool:
        return self.clock.believed


@contextlib.asynccontextmanager
async def hand_fed(servers: Servers) -> AsyncIterator[HandFed]:
    """Give one of one shard over a database of its own."""
    async with migrated_database(servers.postgres, f"handfed_{secrets.token_hex(4)}", "progression") as url:
        database = await Database.connect(url)
        made = HandFed(database, Settings(shards=1, head_check_s=3600, batch_gap_ms=0, progression_database=url))
        await made.begin()
        try:
            yield made
        finally:
            await made.end()
            await database.close()
