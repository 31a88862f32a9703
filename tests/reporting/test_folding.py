"""Folding: each event once, whatever the delivery; a read model is a function of its log."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.reporting.entrypoints.consuming import ModelConsumer
from services.reporting.handlers.lag import blocked_learners
from services.reporting.tables.rights import note_access
from shared.contracts.internal_events import IDENTITY_ERASED, MASTERY_UPDATED
from shared.database import ARRAY_ROWS_MAX, Database
from shared.feed import FeedClient
from shared.settings import Settings
from shared.shards import shard_of
from tests.reporting.builders import (
    SHOWN_AT,
    Event,
    assigned_anew,
    assignment,
    checkpoint,
    closing,
    competency,
    framework,
    happened,
    mastery,
    snapshot_amended,
    snapshot_closed,
    suggested,
    support_closed,
)
from tests.reporting.running import LOGS, new_schema
from tests.support.producer import Producer, running_producer
from tests.support.servers import new_database
from tests.support.waiting import until

LEARNER = "ada"


class Bench:
    """A consumer that is handed records by the test, over a real database and a real feed."""

    consumer: ModelConsumer

    def __init__(self, database: Database, producer: Producer, config: Settings) -> None:
        self.database = database
        self.producer = producer
        self.config = config
        self.feed = FeedClient(producer.url, config)
        self.tenant = f"t{time.monotonic_ns()}"
        self.shard = shard_of(self.tenant, LEARNER, config.shards)
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self, model: str = "mastery") -> ModelConsumer:
        """Run a consumer of a read model, as a process would."""
        consumer = ModelConsumer(model, 1, self.database, self.feed, self.config)
        await consumer.prepare()
        self.tasks.append(asyncio.create_task(consumer.tick()))
        partitions = [TopicPartition(consumer.topic, shard) for shard in range(self.config.shards)]
        consumer.on_partitions_assigned(partitions)
        return consumer

    async def told(self, *events: Event, log: str = "progression") -> list[ConsumerRecord[bytes, bytes]]:
        """Append events to the log, and return the records that Kafka would bring."""
        places = await self.producer.append(log, self.tenant, events)
        shard = places[0][0]
        async with self.producer.database.connection() as connection:
            entries = await self.producer.logs[log].read(connection, {shard: places[0][1] - 1}, 10_000)
        return [
            ConsumerRecord(f"attain.{log}", shard, entry.pos, 0, 0, b"", entry.body, None, 0, len(entry.body), ())
            for entry in entries
        ]

    async def deliver(self, records: list[ConsumerRecord[bytes, bytes]], consumer: ModelConsumer | None = None) -> None:
        """Hand over records as one poll, and wait until the last of them is folded."""
        consumer = consumer or self.consumer
        shard = records[0].partition
        last: int = max(record.offset for record in records)

        async def is_claimed() -> bool:
            return shard in consumer.owned()

        async def is_folded() -> bool:
            return await self.position(consumer, shard) >= last

        await until(is_claimed)
        await consumer.on_records(records)
        await until(is_folded)

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run a query on the service's database."""
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    async def states(self) -> list[tuple[Any, ...]]:
        """Return the states of this test's tenant."""
        return await self.rows(
            "select competency, status, evidence_count, seq from mastery_v1 where tenant = $1 order by 1", self.tenant
        )

    async def position(self, consumer: ModelConsumer, shard: int) -> int:
        """Return how far a shard is folded."""
        rows = await self.rows(
            "select pos from consumer_shard where consumer = $1 and shard = $2", consumer.name, shard
        )
        return int(rows[0][0])


@pytest.fixture(scope="module")
async def given_servers(postgres: str, name: str, config: Settings) -> AsyncIterator[tuple[Database, Producer]]:
    """Return the service's database and a producer whose events come by its feed only."""
    async with new_schema(postgres, name) as url, new_database(postgres, f"{name}_logs") as logs:
        database = await Database.connect(url)
        async with running_producer(logs, LOGS, config, relayed=False) as producer:
            yield database, producer
        await database.close()


@pytest.fixture
async def bench(given_servers: tuple[Database, Producer], config: Settings) -> AsyncIterator[Bench]:
    """Return a bench whose tenant no other test uses."""
    database, producer = given_servers
    made = Bench(database, producer, config)
    made.consumer = await made.run()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await made.feed.close()


async def test_the_last_state_of_a_key_is_stored(bench: Bench) -> None:
    await bench.deliver(
        await bench.told(
            mastery(LEARNER, "m:a", "not_yet", seq=1), mastery(LEARNER, "m:b"), mastery(LEARNER, "m:a", seq=2)
        )
    )

    assert await bench.states() == [("m:a", "mastered", 3, 2), ("m:b", "mastered", 3, 1)]


async def test_a_second_delivery_changes_nothing(bench: Bench) -> None:
    records = await bench.told(mastery(LEARNER, "m:a", evidence_count=1), mastery(LEARNER, "m:a", evidence_count=2))
    await bench.deliver(records)
    before, position = await bench.states(), await bench.position(bench.consumer, bench.shard)
    await bench.deliver(records[:1])
    await bench.deliver(records)
    await bench.deliver(await bench.told(mastery(LEARNER, "m:b")))

    assert before == [("m:a", "mastered", 2, 1)]
    assert await bench.states() == [*before, ("m:b", "mastered", 3, 1)]
    assert await bench.position(bench.consumer, bench.shard) == position + 1


async def test_a_hole_is_filled_from_the_feed(bench: Bench) -> None:
    records = await bench.told(*(mastery(LEARNER, f"m:{n}", seq=n) for n in range(1, 6)))
    await bench.deliver([records[0], records[4]])

    assert [row[0] for row in await bench.states()] == ["m:1", "m:2", "m:3", "m:4", "m:5"]


async def test_records_out_of_order_give_the_state_of_the_log(bench: Bench) -> None:
    records = await bench.told(*(mastery(LEARNER, "m:a", seq=n) for n in range(1, 6)))
    await bench.deliver([records[3], records[0], records[4], records[1]])

    assert await bench.states() == [("m:a", "mastered", 3, 5)]


async def test_two_processes_on_one_shard_fold_each_event_once(bench: Bench) -> None:
    """The one that was claimed from is fenced, and writes nothing."""
    first = await bench.told(mastery(LEARNER, "m:a", seq=1))
    await bench.deliver(first)
    other = await bench.run()
    second = await bench.told(mastery(LEARNER, "m:a", seq=2))
    await bench.deliver(second, other)
    third = await bench.told(mastery(LEARNER, "m:a", seq=3))
    await bench.consumer.on_records([*second, *third])

    async def is_fenced() -> bool:
        return bench.shard not in bench.consumer.owned()

    await until(is_fenced)
    between = await bench.states()
    await bench.deliver(third, other)

    assert between == [("m:a", "mastered", 3, 2)]
    assert await bench.states() == [("m:a", "mastered", 3, 3)]


async def test_a_state_is_stored_whole(bench: Bench) -> None:
    await bench.deliver(await bench.told(mastery(LEARNER, "m:a", "not_yet", basis=("e1",), why="Because.")))
    rows = await bench.rows("select data, score, mastered_at from mastery_v1 where tenant = $1", bench.tenant)
    data = json.loads(rows[0][0])

    assert (data["why"], data["basis"], data["missing"]) == ("Because.", ["e1"], ["1 more piece"])
    assert data["policy"] == {"id": "classroom", "version": "0123456789ab"}
    assert rows[0][1:] == (0.4, None)


async def test_a_checkpoint_tells_the_evidence_position(bench: Bench) -> None:
    await bench.deliver(await bench.told(checkpoint(LEARNER, 5), mastery(LEARNER, "m:a"), checkpoint(LEARNER, 9)))
    rows = await bench.rows("select evidence from checkpoint where shard = $1", bench.shard)

    assert rows == [(9,)]


async def test_what_cannot_be_read_is_set_aside_and_the_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    before = await blocked_learners(bench.database)
    broken: Event = (MASTERY_UPDATED, LEARNER, {"learner": LEARNER, "competency": "m:a", "status": "brilliant"})
    await bench.deliver(await bench.told(broken, mastery(LEARNER, "m:b")))
    rows = await bench.rows("select subject, reason, pos from unfolded where tenant = $1", bench.tenant)

    assert [row[0] for row in await bench.states()] == ["m:b"]
    assert rows[0][0] == LEARNER
    assert "brilliant" in rows[0][1]
    assert await blocked_learners(bench.database) - before == 1
    (entry,) = [vars(entry) for entry in caplog.records if "aside" in entry.message]
    assert (entry["tenant"], entry["shard"], entry["position"]) == (bench.tenant, bench.shard, rows[0][2])


async def test_events_of_unknown_types_are_passed_over(bench: Bench) -> None:
    await bench.deliver(await bench.told(("attain.mastery.celebrated.v1", LEARNER, {}), mastery(LEARNER, "m:a")))

    assert [row[0] for row in await bench.states()] == ["m:a"]


async def test_a_framework_version_is_current_with_its_last_part(bench: Bench) -> None:
    consumer = await bench.run("curriculum")
    current = "select version from framework_v1 where tenant = $1"
    codes = [competency(code, n) for n, code in enumerate("abc")]
    first = await bench.told(*framework("m", codes, [("a", "b")], "v1", parts=3), log="curriculum")
    await bench.deliver(first[:2], consumer)
    before = await bench.rows(current, bench.tenant)
    await bench.deliver(first, consumer)
    after = await bench.rows(current, bench.tenant)
    await bench.deliver(await bench.told(*framework("m", codes[:1], [], "v2"), log="curriculum"), consumer)

    assert (before, after) == ([], [("v1",)])
    assert await bench.rows(current, bench.tenant) == [("v2",)]


async def test_what_a_term_ended_with_is_the_same_in_one_batch_as_in_many(bench: Bench) -> None:
    kept = "select competency, term, status, seq from term_record_v1 where tenant = $1 order by 1, 2"
    events = [
        mastery(LEARNER, "m:a", "not_yet", seq=1), mastery(LEARNER, "m:b", seq=2), closing(LEARNER, "t1", bench.shard),
        mastery(LEARNER, "m:a", seq=3), mastery(LEARNER, "m:c", seq=4), mastery(LEARNER, "m:a", seq=5),
        closing(LEARNER, "t2", bench.shard), mastery(LEARNER, "m:a", "reverify_due", seq=6), mastery(LEARNER, "m:b", seq=7),
    ]  # fmt: skip
    await bench.deliver(await bench.told(*events))
    at_once, states = await bench.rows(kept, bench.tenant), await bench.states()
    bench.tenant, bench.shard = f"{bench.tenant}x", shard_of(f"{bench.tenant}x", LEARNER, bench.config.shards)
    for event in events:
        await bench.deliver(await bench.told(event))

    assert at_once == [
        ("m:a", "t1", "not_yet", 1), ("m:a", "t2", "mastered", 5), ("m:b", "t2", "mastered", 2), ("m:c", "t1", None, None)
    ]  # fmt: skip
    assert await bench.rows(kept, bench.tenant) == at_once
    assert await bench.states() == states


async def test_a_term_may_be_closed_between_many_states_of_one_batch(bench: Bench) -> None:
    """As after a policy that decides all anew, or where a read model is rebuilt."""
    codes = sorted(f"m:{n}" for n in range(ARRAY_ROWS_MAX + 1))
    before = [mastery(LEARNER, code, "not_yet", seq=seq) for seq, code in enumerate(codes, start=1)]
    after = [mastery(LEARNER, code, seq=seq) for seq, code in enumerate(codes, start=1_000)]
    await bench.deliver(await bench.told(*before, closing(LEARNER, "t1", bench.shard), *after))

    kept = await bench.rows("select competency, status from term_record_v1 where tenant = $1 order by 1", bench.tenant)
    assert kept == [(code, "not_yet") for code in codes]
    assert [row[:2] for row in await bench.states()] == [(code, "mastered") for code in codes]


async def test_what_is_told_of_terms_is_kept_once_and_forgotten_with_the_learner(bench: Bench) -> None:
    consumer = await bench.run("advancement")
    snapshots = "select term, digest, standings from term_snapshot_v1 where tenant = $1 order by 1"
    amendments = (
        "select term, scope, before, after, cause_kind, digest from term_amendment_v1 where tenant = $1 order by 6"
    )
    events = [
        happened(LEARNER, "level.advanced", "m#Maths/1"), snapshot_closed(LEARNER, "t1"),
        snapshot_amended(LEARNER, "t1", "m:a"), snapshot_amended(LEARNER, "t1", "m:a", "mastered", digest="2c"),
        snapshot_closed(LEARNER, "t2", "3d", 4),
    ]  # fmt: skip
    records = await bench.told(*events, log="advancement")
    for each in (records, records):
        await bench.deliver(each, consumer)
    kept = await bench.rows(snapshots, bench.tenant), await bench.rows(amendments, bench.tenant)
    erased: Event = ("attain.learner.erased.v1", LEARNER, {"learner": {"id": LEARNER}})
    await bench.deliver(await bench.told(erased, log="advancement"), consumer)

    assert kept == (
        [("t1", "0a", 1), ("t2", "3d", 4)],
        [
            ("t1", "m:a", "mastered", "not_yet", "retraction", "1b"),
            ("t1", "m:a", "mastered", "mastered", "retraction", "2c"),
        ],
    )
    assert await bench.rows(snapshots, bench.tenant) == await bench.rows(amendments, bench.tenant) == []


async def test_who_is_assigned_to_a_learner_is_told_anew_in_one_batch_as_in_many(bench: Bench) -> None:
    """What was told before is forgotten in the version that is kept for a rollback too, but not where that is further already."""
    rows = "select person, target, active from {} where tenant = $1 order by 1, 2"
    async with bench.database.connection() as connection:
        for table in ("assignment_v2", "assignment_v3"):
            await connection.execute(f"create table {table} (like assignment_v1 including all)")
        await connection.execute(
            "insert into consumer_shard (consumer, shard, log, pos) select 'reporting-roster-v3', s, 'roster', 1000000"
            " from generate_series(0, $1 - 1) s",
            bench.config.shards,
        )
    consumer = await bench.run("roster")
    for at_once in (True, False):
        bench.tenant = f"{bench.tenant}{at_once}"
        before = await bench.told(
            assignment("aunt", "guardian", "learner", LEARNER), assignment("mum", "guardian", "learner", LEARNER),
            assignment("aunt", "guardian", "learner", LEARNER, active=False), log="roster",
        )  # fmt: skip
        async with bench.database.connection() as connection:
            for table, target in (("assignment_v1", "ben"), ("assignment_v2", LEARNER), ("assignment_v3", LEARNER)):
                await connection.execute(
                    f"insert into {table} values ($1, 'aunt', 'guardian', 'learner', $2, true)", bench.tenant, target
                )
        anew = await bench.told(assigned_anew(LEARNER), assignment("mum", "guardian", "learner", LEARNER), log="roster")
        for records in [before + anew] if at_once else [before, anew, anew]:
            await bench.deliver(records, consumer)
        kept = [await bench.rows(rows.format(f"assignment_v{version}"), bench.tenant) for version in (1, 2, 3)]

        assert kept == [[("aunt", "ben", True), ("mum", LEARNER, True)], [], [("aunt", LEARNER, True)]]
    async with bench.database.connection() as connection:
        await connection.execute("drop table assignment_v2, assignment_v3")


async def test_all_who_are_forgotten_at_once_are_taken_out_of_an_entry_of_the_log_of_looks(bench: Bench) -> None:
    """And so is who of the family looked, unless that one has looked at somebody else as well."""
    consumer = await bench.run("roster")
    names = (f"ben {n}" for n in itertools.count())
    ben = next(one for one in names if shard_of(bench.tenant, one, bench.config.shards) == bench.shard)
    looks = [
        ("tea", "teacher", "k", [LEARNER, ben, "cy"]), ("mum", "guardian", LEARNER, [LEARNER]),
        ("dad", "guardian", "home", [LEARNER, "cy"]), ("own", "learner", ben, [ben]), ("sis", "guardian", "cy", ["cy"]),
    ]  # fmt: skip
    async with bench.database.connection() as connection:
        for person, role, target, learners in looks:
            await note_access(connection, bench.tenant, person, role, "record", target, learners)
    gone: list[Event] = [(IDENTITY_ERASED, id, {"learner": id, "certificate": "c"}) for id in (LEARNER, ben)]
    await bench.deliver(await bench.told(*gone, log="roster"), consumer)

    assert await bench.rows(
        "select person, role, target, learners from access_log where tenant = $1 order by id", bench.tenant
    ) == [
        ("tea", "teacher", "k", ["cy"]), ("", "guardian", "", []), ("dad", "guardian", "home", ["cy"]),
        ("", "learner", "", []), ("sis", "guardian", "cy", ["cy"]),
    ]  # fmt: skip


async def test_a_nul_in_what_a_person_wrote_stops_nobody(bench: Bench) -> None:
    consumer = await bench.run("advancement")
    reason = {"code": "withdrawn", "text": "a\0b"}
    events = [snapshot_amended(LEARNER, "t1", "m:a", reason=reason), happened(LEARNER, "level.withdrawn", "m#Maths/1")]
    await bench.deliver(await bench.told(*events, log="advancement"), consumer)

    assert await bench.rows("select reason from term_amendment_v1 where tenant = $1", bench.tenant) == [("a\ufffdb",)]


async def test_support_is_the_same_in_one_batch_as_in_many_and_is_forgotten_with_the_learner(bench: Bench) -> None:
    rows = "select scope, cause, owner, due_by, weakest, detail, outcome, days from suggestion_v1 where tenant = $1 order by 1"
    consumer = await bench.run("support")
    kept = []
    for at_once in (True, False):
        bench.tenant = f"{bench.tenant}{at_once}"
        asked = await bench.told(
            suggested(LEARNER, "m:a"), suggested(LEARNER, "m:b", "work_below_the_cut", weakest_prerequisite="m:a"),
            log="support",
        )  # fmt: skip
        closed = support_closed(LEARNER, "m:a", json.loads(asked[0].value or b"")["id"])
        over = await bench.told(closed, log="support")
        for records in [asked + over] if at_once else [asked, over, over]:
            await bench.deliver(records, consumer)
        kept.append(await bench.rows(rows, bench.tenant))
    erased: Event = (IDENTITY_ERASED, LEARNER, {"learner": LEARNER, "certificate": "c"})
    await bench.deliver(await bench.told(erased, log="support"), consumer)

    assert kept[0] == kept[1] == [
        ("m:b", "work_below_the_cut", "teacher", "2026-03-11", "m:a", "essay", None, None),
        (None, None, "teacher", "2026-03-11", None, None, "done", 3),
    ]  # fmt: skip
    assert await bench.rows(rows, bench.tenant) == []


WAITING = "select scope, queue, opened_at, closed_at, owner, detail from {} where tenant = $1 order by scope, queue"


async def test_what_happened_and_what_waits_are_the_same_in_one_batch_as_in_many(bench: Bench) -> None:
    consumer = await bench.run("advancement")
    level, other = "m#Maths/1", "m#Maths/2"
    events = [
        happened(LEARNER, "competency.ready", "m:a", because=["m:b", "m:c"]),
        happened(LEARNER, "level.sign_off_requested", level, approver_roles=["counsellor"]),
        happened(LEARNER, "competency.mastered", "m:a", decided_at="2026-03-05T00:00:00.000000Z"),
        happened(LEARNER, "level.advanced", level, decided_at="2026-03-06T00:00:00.000000Z"),
        happened(LEARNER, "level.ready", other, waiting_since=SHOWN_AT),
        happened(LEARNER, "competency.mastered", "m:a", decided_at="2026-03-07T00:00:00.000000Z"),
    ]
    await bench.deliver(await bench.told(*events, log="advancement"), consumer)
    at_once = await bench.rows(WAITING.format("waiting_v1"), bench.tenant)
    log = await bench.rows("select kind, scope from advancement_v1 where tenant = $1 order by position", bench.tenant)
    bench.tenant, bench.shard = f"{bench.tenant}x", shard_of(f"{bench.tenant}x", LEARNER, bench.config.shards)
    for event in events:
        await bench.deliver(await bench.told(event, log="advancement"), consumer)

    assert at_once == [
        (level, "sign_off", SHOWN_AT, "2026-03-06T00:00:00.000000Z", "counsellor", ""),
        (other, "ready", SHOWN_AT, None, "teacher", ""),
        ("m:a", "ready", SHOWN_AT, "2026-03-05T00:00:00.000000Z", "teacher", "m:b\nm:c"),
    ]
    assert log == [(kind.removeprefix("attain.").removesuffix(".v1"), data["scope"]["id"]) for kind, _, data in events]  # type: ignore[index]
    assert await bench.rows(WAITING.format("waiting_v1"), bench.tenant) == at_once


async def test_many_entries_are_closed_as_few_are(bench: Bench) -> None:
    consumer = await bench.run("advancement")
    scopes = [f"m:{n}" for n in range(ARRAY_ROWS_MAX + 2)]
    ready = [happened(LEARNER, "competency.ready", scope) for scope in scopes]
    await bench.deliver(await bench.told(*ready, log="advancement"), consumer)
    mastered = [happened(LEARNER, "competency.mastered", scope) for scope in scopes[:-1]]
    await bench.deliver(await bench.told(*mastered, log="advancement"), consumer)

    assert await bench.rows("select scope from waiting_v1 where tenant = $1 and closed_at is null", bench.tenant) == [
        (scopes[-1],)
    ]
