"""A clock that stands far ahead: nothing ages, nobody decides, evidence is folded, and it goes on by itself once it is right."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
import pytest_asyncio
from aiokafka import ConsumerRecord, TopicPartition

from services.progression.curriculum import Framework
from services.progression.decisions import CompetencyDecided
from services.progression.handlers.clock import Clock
from services.progression.handlers.decisions import Decisions
from services.progression.handlers.fold import MasteryFold
from services.progression.handlers.judgements import Judgements
from services.progression.handlers.logs import CONSUMER, DecisionInbox, Logs
from services.progression.handlers.memory import pack
from services.progression.learner import LearnerState
from services.progression.tables import clock as tables
from services.progression.tables import key_states
from shared.consumer import ShardConsumer
from shared.contracts import EVIDENCE_RECORDED, Competency
from shared.database import Database
from shared.errors import Unavailable
from shared.events import encode_json, envelope, now, placed
from shared.feed import FeedClient
from shared.migrate import migrate
from shared.observability import metrics
from shared.settings import Settings
from tests.support.disposable import eventually
from tests.support.journal import piece
from tests.support.servers import Servers

FAR = "2099-01-01T00:00:00.000000Z"
TENANT = "school"
AGEING = {
    "id": "a", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
    "upkeep": {"reverify_after_days": 10},
}  # fmt: skip


class _Stored(msgspec.Struct):
    data: CompetencyDecided


class Hand:
    """A clock's hand that a test can move."""

    def __init__(self) -> None:
        self.at = ""

    def __call__(self) -> str:
        """Return where it stands; the true time unless it was moved."""
        return self.at or now()


class Progression:
    """The fold of progression over a real database, fed by hand instead of by Kafka."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.hand = Hand()
        self.clock = Clock(database, settings, self.hand)
        self.logs = Logs(settings.shards)
        self.fold = MasteryFold(database, self.logs, settings, self.clock, lambda rows: None)
        self.consumer = ShardConsumer(
            CONSUMER, "evidence", database, self.fold, FeedClient("http://127.0.0.1:9", settings), settings,
            DecisionInbox(self.logs.decisions),
        )  # fmt: skip
        self._sent = 0

    async def begin(self) -> None:
        """Take the one shard, put a policy that ages into force, and let the loops run."""
        async with self.database.transaction() as connection:
            for log in (*self.logs.relayed(), self.logs.decisions):
                await log.prepare(connection)
        decisions = Decisions(self.database, self.logs, self.settings)
        _, positions = await decisions.set_policy(TENANT, msgspec.json.encode(AGEING), "")
        await self.consumer.prepare()
        self.consumer.on_partitions_assigned([TopicPartition("attain.evidence", 0)])
        self._loops = [asyncio.create_task(self.consumer.tick()), asyncio.create_task(self.clock.run())]
        await eventually(lambda: decisions.folded(positions))

    async def end(self) -> None:
        """Stop the loops."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def send(self, n: int, days_ago: int) -> None:
        """Deliver a piece of evidence of a learner of its own."""
        self._sent += 1
        at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
        recorded = piece(n, learner=f"l{n}", occurred_at=at.strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
        body = envelope(id=recorded.evidence_id, source="evidence", type=EVIDENCE_RECORDED, tenant=TENANT,
                        subject=recorded.learner, time=now(), data=encode_json(recorded))  # fmt: skip
        value = placed(body, 1, 0, self._sent)
        record = ConsumerRecord("attain.evidence", 0, self._sent - 1, 0, 0, b"", value, None, 0, len(value), ())
        await self.consumer.on_records([record])

    async def told(self) -> list[str]:
        """Return the short names of what was told."""
        async with self.database.connection() as connection:
            rows: Sequence[str] = [
                row[0] for row in await connection.fetch(
                    "select convert_from(body, 'utf8')::json->>'type' from event_log where log = 'advancement' order by pos")
            ]  # fmt: skip
        return [type.removeprefix("attain.competency.").removesuffix(".v1") for type in rows]


@pytest_asyncio.fixture
async def progression(server_addresses: Servers) -> AsyncIterator[Progression]:
    url = await server_addresses.create_database("clock")
    await asyncio.to_thread(migrate, "progression", url)
    database = await Database.connect(url)
    made = Progression(database, Settings(shards=1, head_check_s=3600, batch_gap_ms=0))
    await made.begin()
    yield made
    await made.end()
    await database.close()


async def test_a_service_clock_in_2099_ages_nobody_and_goes_on_once_it_is_right(progression: Progression) -> None:
    await eventually(lambda: _true(progression.clock.believed))
    await progression.send(1, days_ago=1)
    progression.hand.at = FAR
    await eventually(lambda: _true(not progression.clock.believed))
    await progression.send(2, days_ago=40)
    await asyncio.sleep(1.5)

    assert await progression.told() == ["mastered", "mastered"], "folded, and neither is due"
    assert metrics.clock_doubted._value.get() == 1
    with pytest.raises(Unavailable, match="2099"):
        progression.clock.require()

    progression.hand.at = ""
    await eventually(lambda: _told(progression, ["mastered", "mastered", "reverify_due"]))
    assert metrics.clock_doubted._value.get() == 0
    progression.clock.require()


async def test_when_the_database_too_stands_years_ahead_it_is_seen_by_what_was_believed_last(
    progression: Progression,
) -> None:
    await eventually(lambda: _true(progression.clock.believed))
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=121)
    async with progression.database.connection() as connection:
        await connection.execute("update clock_seen set at = $1", long_ago)
    await eventually(lambda: _true(not progression.clock.believed))

    assert "ATTAIN_CLOCK_GAP_DAYS_MAX" in progression.clock.doubt
    async with progression.database.connection() as connection:
        assert (await tables.read(connection)).seen == long_ago, "a doubted clock moves nothing"
        await connection.execute("update clock_seen set at = $1", long_ago + datetime.timedelta(days=2))
    await eventually(lambda: _true(progression.clock.believed))


async def test_a_leader_signs_off_in_place_of_a_teacher_only_once_that_has_waited_long_enough(
    progression: Progression,
) -> None:
    """Two competencies wait for a teacher; one of them has escalated."""
    await eventually(lambda: _true(progression.clock.believed))
    learner = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    graph = Framework("math", "Mathematics", (Competency("a", "A", 1), Competency("b", "B", 2)), ())
    standing = LearnerState(awaiting={"math:a": ("teacher", now(), ""), "math:b": ("teacher", now(), FAR)})
    decisions = Decisions(progression.database, progression.logs, progression.settings)
    _, positions = await decisions.publish_framework(TENANT, graph)
    await eventually(lambda: decisions.folded(positions))
    async with progression.database.connection() as connection:
        await key_states.save_standings(connection, [(TENANT, learner, 0, pack(standing), None)])
    judgements = Judgements(progression.database, progression.logs, progression.settings, progression.clock)
    signed = [
        CompetencyDecided(learner, f"math:{code}", "sign_off", "school_leader", "l-1", "sign_off") for code in "ab"
    ]
    await judgements.decide(TENANT, signed)
    async with progression.database.connection() as connection:
        rows = await connection.fetch(
            "select body from event_log where log = 'decisions' and subject = $1 order by pos", learner
        )
    made = [msgspec.json.decode(row["body"], type=_Stored).data for row in rows]

    assert [(each.role, each.instead_of) for each in made] == [("school_leader", "teacher"), ("school_leader", "")]
    assert [each.decided("d", "t").by for each in made] == ["teacher", "school_leader"]


async def _true(holds: bool) -> bool:
    return holds


async def _told(progression: Progression, expected: list[str]) -> bool:
    return await progression.told() == expected
