"""A clock that stands far ahead: nothing ages, nobody decides, evidence is folded, and it goes on by itself once it is right."""

import asyncio
import datetime
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided
from services.progression.domain.learner import LearnerState
from services.progression.handlers.judgements import Judgements
from services.progression.handlers.memory import pack, unpack_learner
from services.progression.tables import key_states
from shared.clock import read_clocks
from shared.contracts.internal_events import Competency, EvidenceRecorded
from shared.errors import Refused, Unavailable
from shared.events import now
from shared.observability import metrics
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

FAR = "2099-01-01T00:00:00.000000Z"
AGEING = {
    "id": "a", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
    "upkeep": {"reverify_after_days": 10},
}  # fmt: skip


SIGNED = {
    "advancement": {"require": {"supporting": {"share": 1}}, "sign_off": {"by": "teacher"}}, "settle": 60
}  # fmt: skip


class _Stored(msgspec.Struct):
    data: CompetencyDecided


@pytest_asyncio.fixture
async def progression(server_addresses: Servers) -> AsyncIterator[HandFed]:
    async with hand_fed(server_addresses) as made:
        await made.decide(AGEING)
        yield made


def shown(n: int, days_ago: int) -> EvidenceRecorded:
    """A piece that shows it, of a learner of its own."""
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    return piece(n, learner=f"l{n}", occurred_at=at.strftime("%Y-%m-%dT%H:%M:%S.000000Z"))


async def test_a_service_clock_in_2099_ages_nobody_and_goes_on_once_it_is_right(progression: HandFed) -> None:
    await progression.send(shown(1, days_ago=1))
    progression.hand.at = FAR
    await eventually(lambda: _true(not progression.clock.believed))
    await progression.send(shown(2, days_ago=40))
    await asyncio.sleep(1.5)

    assert await progression.told() == ["mastered", "mastered"], "folded, and neither is due"
    assert metrics.clock_doubted._value.get() == 1
    with pytest.raises(Unavailable, match="2099"):
        progression.clock.require()

    progression.hand.at = ""
    await eventually(lambda: _told(progression, ["mastered", "mastered", "reverify_due"]))
    assert metrics.clock_doubted._value.get() == 0
    progression.clock.require()


async def test_a_shard_that_wakes_for_a_deadline_which_has_moved_goes_on(
    progression: HandFed, caplog: pytest.LogCaptureFixture
) -> None:
    """As where newer evidence has moved it: what a shard remembers is the earliest that it was told."""
    await progression.send(shown(1, days_ago=1))
    shard = progression.fold._shards[0]
    shard.remember_deadline(now())
    progression.consumer.wake()
    await eventually(lambda: _true(shard.deadline is not None and shard.deadline > now()))
    await progression.send(shown(2, days_ago=1))

    await eventually(lambda: _told(progression, ["mastered", "mastered"]))
    # Other loggers speak of what earlier tests have left behind.
    assert not [record.message for record in caplog.records if record.name.startswith(("shared", "services"))]


async def test_when_the_database_too_stands_years_ahead_it_is_seen_by_what_was_believed_last(
    progression: HandFed,
) -> None:
    await eventually(lambda: _true(progression.clock.believed))
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=121)
    async with progression.database.connection() as connection:
        await connection.execute("update clock_seen set at = $1", long_ago)
    await eventually(lambda: _true(not progression.clock.believed))

    assert "ATTAIN_CLOCK_GAP_DAYS_MAX" in progression.clock.doubt
    async with progression.database.connection() as connection:
        assert (await read_clocks(connection)).seen == long_ago, "a doubted clock moves nothing"
        await connection.execute("update clock_seen set at = $1", long_ago + datetime.timedelta(days=2))
    await eventually(lambda: _true(progression.clock.believed))


async def test_a_leader_signs_off_in_place_of_a_teacher_only_once_that_has_waited_long_enough(
    progression: HandFed,
) -> None:
    """Two competencies wait for a teacher; one of them has escalated."""
    await eventually(lambda: _true(progression.clock.believed))
    learner = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    graph = Framework("math", "Mathematics", (Competency("a", "A", 1), Competency("b", "B", 2)), ())
    standing = LearnerState(awaiting={"math:a": ("teacher", now(), ""), "math:b": ("teacher", now(), FAR)})
    _, positions = await progression.decisions.publish_framework(TENANT, graph)
    await eventually(lambda: progression.decisions.folded(positions))
    async with progression.database.connection() as connection:
        await key_states.save_standings(connection, [(TENANT, learner, 0, pack(standing), None)])
    judgements = Judgements(progression.database, progression.logs, progression.settings, progression.clock)
    signed = [
        CompetencyDecided(learner, f"math:{code}", "sign_off", "school_leader", "l-1", "sign_off") for code in "ab"
    ]
    await judgements.decide(TENANT, signed[:1])
    for refused in (signed[1:], [msgspec.structs.replace(signed[0], role="counsellor")], signed):
        with pytest.raises(Refused, match="does not wait for a sign-off"):
            await judgements.decide(TENANT, refused)
    async with progression.database.connection() as connection:
        rows = await connection.fetch(
            "select body from event_log where log = 'decisions' and subject = $1 order by pos", learner
        )
    made = [msgspec.json.decode(row["body"], type=_Stored).data for row in rows]

    assert [(each.role, each.instead_of) for each in made] == [("school_leader", "teacher")]
    assert [each.decided("d", "t").by for each in made] == ["teacher"]


async def _true(holds: bool) -> bool:
    return holds


async def _told(progression: HandFed, expected: list[str]) -> bool:
    return await progression.told() == expected


async def test_what_waits_to_be_told_of_a_level_is_told_by_whoever_folds_the_shard_next(progression: HandFed) -> None:
    """It lies with its deadline in the standing, which is stored with what caused it."""
    _, positions = await progression.decisions.publish_framework(
        TENANT, Framework("math", "Mathematics", (Competency("add", "Adding", 1, level="1"),), ())
    )
    await eventually(lambda: progression.decisions.folded(positions))
    await progression.decide(AGEING | SIGNED)
    await progression.send(shown(1, days_ago=1))
    await eventually(lambda: _told(progression, ["mastered"]))
    await progression.end()

    async with progression.database.transaction() as connection:
        stored = await key_states.standing_of(connection, TENANT, "l1")
        assert stored is not None
        standing = unpack_learner(stored)
        [[held]] = standing.held.values()
        standing.held = {"math#/1": (msgspec.structs.replace(held, until=now()),)}
        await key_states.save_standings(connection, [(TENANT, "l1", 0, pack(standing), now())])
    heir = HandFed(progression.database, progression.settings)
    await heir.begin()
    try:
        await eventually(lambda: _told(heir, ["mastered", "attain.level.sign_off_requested"]))
    finally:
        await heir.end()
