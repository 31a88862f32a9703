"""A learner who was set apart and is redriven ends where everybody else is, and nothing false is told on the way."""

import uuid
from typing import Any

import msgspec
import pytest

from services.progression.domain import refolding
from services.progression.domain.decisions import COMPETENCY_DECIDED, CompetencyDecided
from services.progression.domain.inputs import Input, Key
from services.progression.domain.shard_fold import ShardFold
from services.progression.handlers import adopting, fold
from services.progression.handlers.adopting import Adoptions
from services.progression.handlers.histories import histories_of_keys
from services.progression.handlers.lag import blocked_learners
from services.progression.handlers.logs import REDRIVEN
from services.progression.handlers.schools import Places
from shared.contracts.internal_events import EvidenceRecorded
from shared.events import Draft, encode_json, envelope, now
from shared.tenant_limits import TenantLimits
from tests.progression.test_sweeping import all_that_is_stored, streak
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers


async def is_apart(progression: HandFed) -> bool:
    async with progression.database.connection() as connection:
        return bool(await connection.fetchval("select count(*) from blocked_learner"))


async def set_apart(progression: HandFed, monkeypatch: pytest.MonkeyPatch, cause: EvidenceRecorded) -> None:
    """Send a piece that raises, by which its learner is set apart."""
    with monkeypatch.context() as broken:
        broken.setattr(ShardFold, "_fold_key", lambda *_: 1 / 0)
        await progression.send(cause)
        await eventually(lambda: is_apart(progression))


async def told_blocked(progression: HandFed) -> int:
    """What a process says that has set nobody apart itself, as after a restart."""
    return await blocked_learners(progression.database)


async def are_apart(progression: HandFed, count: int) -> bool:
    return await told_blocked(progression) == count


async def redrive(progression: HandFed, learner: str) -> None:
    """Redrive a learner; returns once it is folded again."""
    positions = await progression.decisions.redrive(TENANT, learner)
    await eventually(lambda: progression.decisions.folded(positions))
    assert not await is_apart(progression)


async def has_told(progression: HandFed, *events: str) -> bool:
    return await progression.told() == list(events)


async def test_who_is_set_apart_by_a_refold_and_redriven_is_told_nothing_twice(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(3))
        await progression.send(*[piece(n, learner="ada") for n in range(3)])
        await eventually(lambda: has_told(progression, "mastered"))
        with monkeypatch.context() as broken:
            broken.setattr(refolding, "_refold_for", lambda *_: 1 / 0)
            await progression.decide(streak(2))
            await eventually(lambda: is_apart(progression))
        apart = await told_blocked(progression)
        await redrive(progression, "ada")

        assert await progression.told() == ["mastered"]
        assert (apart, await told_blocked(progression)) == (1, 0)


@pytest.mark.parametrize(("before", "since"), [(5, 3), (3, 5)], ids=["an easier policy", "a harder policy"])
async def test_who_is_redriven_ends_as_if_never_set_apart_whatever_came_meanwhile(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch, before: int, since: int
):
    """The third piece raises; then comes a policy, whose sweep passes the learner over, and a fourth piece."""
    found = []
    for is_broken in (True, False):
        async with hand_fed(server_addresses) as progression:
            await progression.decide(streak(before))
            await progression.send(*[piece(n) for n in range(2)])
            with monkeypatch.context() as broken:
                if is_broken:
                    broken.setattr(ShardFold, "_fold_key", lambda *_: 1 / 0)
                await progression.send(piece(2))
                await eventually(lambda: is_journalled(progression, 3))
            await progression.decide(streak(since))
            await eventually(lambda: is_swept(progression))
            await progression.send(piece(3))
            await eventually(lambda: is_journalled(progression, 4))
            if is_broken:
                await redrive(progression, "ada")
            states, standings, _ = await all_that_is_stored(progression)
            found.append((states, standings, await progression.told()))

    assert found[0] == found[1]
    assert found[0][2] == ["mastered"]


async def test_who_raises_again_when_redriven_stays_apart_from_the_same_place(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """Redriven twice at once in vain, and once more when the fault is gone."""
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(3))
        await progression.send(*[piece(n) for n in range(2)])
        with monkeypatch.context() as broken:
            broken.setattr(ShardFold, "_fold_key", lambda *_: 1 / 0)
            await progression.send(piece(2))
            await eventually(lambda: is_apart(progression))
            async with progression.database.transaction() as connection:
                redrives = [redriving(), redriving()]
                positions = await progression.logs.decisions.append(connection, redrives)
            await eventually(lambda: progression.decisions.folded({0: positions[-1]}))
            assert await is_apart(progression)
        await redrive(progression, "ada")

        assert await progression.told() == ["mastered"]


@pytest.mark.parametrize("alone", [True, False])
async def test_what_one_of_several_tenants_has_apart_stops_no_other(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch, alone: bool
):
    """Where it is all there is, the code is wrong, and the shard waits. All who are apart are redriven at once."""
    async with hand_fed(server_addresses) as progression:
        progression.fold._settings = progression.settings.model_copy(update={"blocked_learners_max": 1})
        await progression.decide(streak(3))
        if not alone:
            await progression.send(piece(1, learner="cyd"), tenant="other")
        with monkeypatch.context() as broken:
            fold_key = ShardFold._fold_key
            broken.setattr(ShardFold, "_fold_key", lambda *of: 1 / 0 if of[1][0] == TENANT else fold_key(*of))
            await progression.send(piece(1, learner="ada"))
            await eventually(lambda: is_apart(progression))
            await progression.send(piece(1, learner="bob"))
            await progression.send(piece(2, learner="dot"), tenant="other")
            await progression.consumer.stop()
        apart = await told_blocked(progression), await blocked_learners(progression.database, "other")
        async with progression.database.connection() as connection:
            folded = await connection.fetchval("select count(*) from mastery where learner = 'dot'")

    assert apart == ((1, 0) if alone else (2, 0))
    assert folded == (0 if alone else 1)


async def test_all_of_a_tenant_who_are_apart_are_redriven_at_once(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(1))
        for tenant, name in ((TENANT, "ada"), (TENANT, "bob"), ("other", "cyd")):
            with monkeypatch.context() as broken:
                broken.setattr(ShardFold, "_fold_key", lambda *_: 1 / 0)
                await progression.send(piece(1, learner=name), tenant=tenant)
        await eventually(lambda: are_apart(progression, 3))
        positions = await progression.decisions.redrive(TENANT)
        await eventually(lambda: progression.decisions.folded(positions))

        assert await blocked_learners(progression.database, TENANT) == 0
        assert await blocked_learners(progression.database, "other") == 1
        assert await progression.told() == ["mastered", "mastered"]


async def test_what_is_decided_of_a_learner_in_the_batch_that_redrives_is_folded_too(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    credit = CompetencyDecided("ada", "math:add", "credit", "office", "urn:o1", "transfer", "shown at another school")
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(3))
        await set_apart(progression, monkeypatch, piece(1))
        async with progression.database.transaction() as connection:
            decided = [inbox(COMPETENCY_DECIDED, encode_json(credit)), redriving()]
            positions = await progression.logs.decisions.append(connection, decided)
        await eventually(lambda: progression.decisions.folded({0: positions[-1]}))

        assert await progression.told() == ["credited"]


def redriving() -> Draft:
    """Return what asks for ada to be redriven."""
    return inbox(REDRIVEN, encode_json({"learner": "ada"}))


def inbox(type: str, data: bytes) -> Draft:
    body = envelope(id=str(uuid.uuid4()), source="progression", type=type, tenant=TENANT, subject="decision",
                    time=now(), data=data)  # fmt: skip
    return Draft(0, TENANT, "decision", body)


async def test_what_is_due_of_who_is_set_apart_waits_alone_and_comes_once_redriven(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """Of ada two competencies are due, and the tick of the first raises; bob is due behind both."""
    monkeypatch.setattr(fold, "DUE_KEYS", 1)
    fold_key = ShardFold._fold_key

    def raising(self: ShardFold, key: Key, item: Input) -> bool:
        assert (key[1], item.cause) != ("ada", "clock")
        return fold_key(self, key, item)

    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(1) | {"upkeep": {"reverify_after_days": 10}})
        with monkeypatch.context() as broken:
            broken.setattr(ShardFold, "_fold_key", raising)
            await progression.send(piece(1), piece(2, competency="math:sub"), piece(3, learner="bob"))
            await eventually(lambda: has_told(progression, *["mastered"] * 3, "reverify_due"))
        async with progression.database.connection() as connection:
            ticks = await connection.fetchval("select count(*) from journal where learner = 'ada' and events = 0")
        await redrive(progression, "ada")

        await eventually(lambda: has_told(progression, *["mastered"] * 3, *["reverify_due"] * 3))
        assert ticks == 1


async def test_what_policies_are_compared_on_is_what_is_folded_of_who_is_set_apart(
    server_addresses: Servers, monkeypatch: pytest.MonkeyPatch
):
    """The third right answer is journalled alone: the same policy would else gain three in a row by it."""
    async with hand_fed(server_addresses) as progression:
        await progression.decide(streak(3))
        await progression.send(*[piece(n) for n in range(2)])
        await set_apart(progression, monkeypatch, piece(2))
        async with progression.database.connection() as connection:
            shadowed = await histories_of_keys(connection, [(TENANT, "ada", "math:add")])
        monkeypatch.setattr(adopting, "places_of", nobody_is_anywhere)
        limits = TenantLimits(progression.database, progression.settings, ())
        adoptions = Adoptions(
            progression.database, progression.logs, progression.decisions, limits, progression.settings
        )
        _, report = await adoptions.compare(TENANT, msgspec.json.encode(streak(3)), "")

        assert (report["pairs"], report["gained"]) == (1, 0)
        assert [len(history.evidence) for _, history in shadowed["ada"].values()] == [2]


async def nobody_is_anywhere(*_: Any) -> Places:
    """Answer as a roster that knows nobody."""
    return Places({}, {})


async def is_journalled(progression: HandFed, pieces: int) -> bool:
    async with progression.database.connection() as connection:
        stored = await connection.fetchval("select sum(events) from journal where learner = 'ada'")
    return bool(stored == pieces)


async def is_swept(progression: HandFed) -> bool:
    async with progression.database.connection() as connection:
        return bool(await connection.fetchval("select bool_and(swept) from activation"))
