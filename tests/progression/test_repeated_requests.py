"""A request that decides, sent again under its key: the same answer and one effect, and no other request under that key."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from services.progression.domain.curriculum import Framework
from services.progression.domain.decisions import CompetencyDecided, LevelDecided
from services.progression.domain.disclosing import Reader
from services.progression.domain.subscribing import Subscription
from services.progression.handlers.adopting import Adoptions
from services.progression.handlers.checking import Judgement
from services.progression.handlers.disclosing import Disclosures
from services.progression.handlers.judgements import Judgements
from services.progression.handlers.posting import Poster
from services.progression.handlers.schools import Places
from services.progression.handlers.webhooks import Webhooks
from shared.contracts.internal_events import Competency
from shared.errors import Forbidden, Gone, InvalidEvent, Refused
from shared.tenant_limits import TenantLimits
from tests.support.disposable import eventually
from tests.support.hand_fed import HandFed, hand_fed
from tests.support.journal import TENANT, piece
from tests.support.servers import Servers

UPPER = "math#math/2"
HELD = {
    "id": "held", "method": {"type": "streak", "n": 1}, "decision": {"latch": "first_crossing"},
    "override": {"roles": ["teacher"], "may_lower": True},
}  # fmt: skip
GRAPH = Framework(
    "math", "Mathematics",
    (Competency("add", "Adds", 1, "1", "math"), Competency("mul", "Multiplies", 2, "2", "math")), (),
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def progression(server_addresses: Servers) -> AsyncIterator[HandFed]:
    async with hand_fed(server_addresses) as made:
        await made.decide(HELD)
        _, positions = await made.decisions.publish_framework(TENANT, GRAPH)
        await eventually(lambda: made.decisions.folded(positions))
        yield made


@pytest.fixture
def judgements(progression: HandFed) -> Judgements:
    return Judgements(progression.database, progression.logs, progression.settings, progression.clock)


@pytest.fixture
def learner() -> str:
    """Of a test alone, as its keys are."""
    return str(uuid.uuid4())


def goal(learner: str, author: str = "t-1") -> LevelDecided:
    return LevelDecided(learner, UPPER, "choose", "teacher", author)


def placed(learner: str, reason: str = "new here") -> LevelDecided:
    return LevelDecided(learner, UPPER, "place", "registrar", "r-1", reason)


def withheld(learner: str) -> LevelDecided:
    return LevelDecided(learner, UPPER, "withhold", "teacher", "t-1", "not yet")


def held(learner: str, reason: str = "copied") -> CompetencyDecided:
    return CompetencyDecided(learner, "math:add", "override", "teacher", "t-1", "override", reason, status="not_yet")


def credited(learner: str) -> CompetencyDecided:
    return CompetencyDecided(learner, "math:add", "credit", "teacher", "t-1", "transfer", "shown at another school")


async def decided(progression: HandFed, *learners: str) -> list[str]:
    """Return the kinds of what the inbox has of learners, in order."""
    async with progression.database.connection() as connection:
        rows = await connection.fetch(
            "select convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'kind' from event_log"
            " where log = 'decisions' and subject = any($1) order by pos", learners,
        )  # fmt: skip
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("ask", "kinds"),
    [
        (goal, ["choose"]),
        (held, ["override"]),
        (credited, ["credit"]),
        (withheld, ["withhold"]),
        (placed, ["presume", "place"]),
    ],
    ids=["goal", "hold", "credit", "withheld", "placement"],
)
async def test_a_decision_sent_again_is_answered_as_the_first_time_and_made_once(
    progression: HandFed, judgements: Judgements, learner: str, ask: Callable[[str], Judgement], kinds: Sequence[str]
) -> None:
    """Also once it is folded: a hold could not be set again, and a placement would presume nothing."""
    asked, key = [ask(learner), ask(str(uuid.uuid4()))], f"again-{learner}"
    first = await judgements.decide(TENANT, asked, key)
    at_once = await judgements.decide(TENANT, asked, key)
    await eventually(lambda: _drained(progression))
    later = await judgements.decide(TENANT, asked, key)

    assert first == at_once == later
    assert await decided(progression, learner) == kinds
    assert len({each.id for each in first}) == 2 * len(kinds)


async def test_of_sendings_at_once_one_decides_and_all_are_answered_alike(
    progression: HandFed, judgements: Judgements, learner: str
) -> None:
    for no in range(20):
        asked = [placed(learner, f"reason {no}")]
        answers = await asyncio.gather(*(judgements.decide(TENANT, asked, f"race-{no}") for _ in range(4)))

        assert all(answer == answers[0] for answer in answers)
    assert (await decided(progression, learner)).count("place") == 20


async def test_under_one_key_nothing_else_is_asked_for_not_even_of_another_learner(
    progression: HandFed, judgements: Judgements, learner: str
) -> None:
    other = str(uuid.uuid4())
    await judgements.decide(TENANT, [goal(learner)], "one")
    for asked in ([goal(other)], [goal(learner), goal(other)], [withheld(learner)], [credited(learner)]):
        with pytest.raises(Refused, match="Idempotency-Key"):
            await judgements.decide(TENANT, asked, "one")

    assert await decided(progression, learner, other) == ["choose"]


async def test_a_key_is_its_senders_own_and_without_one_each_request_is_another(
    progression: HandFed, judgements: Judgements, learner: str
) -> None:
    made = [
        *await judgements.decide(TENANT, [goal(learner)], "own"),
        *await judgements.decide(TENANT, [goal(learner, "t-2")], "own"),
        *await judgements.decide(TENANT, [goal(learner)]),
        *await judgements.decide(TENANT, [goal(learner)]),
    ]

    assert len({each.id for each in made}) == 4
    assert await decided(progression, learner) == ["choose"] * 4


async def test_what_was_refused_was_not_decided_and_its_key_may_be_used_again(
    progression: HandFed, judgements: Judgements, learner: str
) -> None:
    with pytest.raises(InvalidEvent):
        await judgements.decide(TENANT, [held(learner, reason="")], "refused")
    await judgements.decide(TENANT, [held(learner)], "refused")
    await eventually(lambda: _drained(progression))
    with pytest.raises(Forbidden, match="second person"):
        await judgements.decide(TENANT, [held(learner)], "another")

    assert await decided(progression, learner) == ["override"]


async def test_what_was_decided_of_a_learner_who_was_erased_since_is_gone(
    progression: HandFed, judgements: Judgements, learner: str
) -> None:
    await progression.send(piece(1, learner=learner, competency="math:add"))
    await judgements.decide(TENANT, [goal(learner)], "erased")
    await eventually(lambda: _drained(progression))
    await progression.erase(learner)

    async def erased() -> bool:
        return await decided(progression, learner) == []

    await eventually(erased)
    with pytest.raises(Gone):
        await judgements.decide(TENANT, [goal(learner)], "erased")


async def test_a_policy_proposed_again_or_twice_at_once_is_one_proposal(
    progression: HandFed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_roster(*_: object) -> Places:
        return Places({}, {})

    monkeypatch.setattr("services.progression.handlers.adopting.places_of", no_roster)
    limits = TenantLimits(progression.database, progression.settings, ())
    adoptions = Adoptions(progression.database, progression.logs, progression.decisions, limits, progression.settings)
    text = msgspec.json.encode(HELD | {"id": "stricter"})

    async def propose(reason: str = "fewer doubts", key: str = "k-1") -> dict[str, Any]:
        return await adoptions.propose(TENANT, text, "", "grandfathered", reason, "t-1", key)

    at_once = await asyncio.gather(propose(), propose())
    again = await propose()
    with pytest.raises(Refused, match="Idempotency-Key"):
        await propose("another reason")
    unnamed = [await propose(key=""), await propose(key="")]
    kept = await adoptions.proposals(TENANT)

    assert msgspec.json.encode(at_once[0]) == msgspec.json.encode(at_once[1]) == msgspec.json.encode(again)
    assert {each["id"] for each in kept} == {again["id"], *(each["id"] for each in unnamed)}
    assert len(kept) == 3


async def test_a_webhook_begun_again_is_one_with_its_secret_until_that_is_changed(progression: HandFed) -> None:
    poster = Poster(progression.settings)
    webhooks = Webhooks(progression.database, progression.logs, poster, progression.settings)
    given = Subscription("", TENANT, "sis", "https://8.8.8.8/hook", "for the report card", (), (), "", "", b"")

    async def begin(start: str = "now", key: str = "k-1") -> Subscription:
        return await webhooks.add(given, "a-1", start, {0: 0}, key)

    first, second = await asyncio.gather(begin(), begin())
    with pytest.raises(Refused, match="Idempotency-Key"):
        await begin("beginning")
    other = await begin(key="k-2")
    rotated = [await webhooks.rotate(TENANT, first.id, "a-1", "k-3") for _ in range(2)]
    with pytest.raises(Refused, match="changed since"):
        await begin()
    with pytest.raises(Refused, match="Idempotency-Key"):
        await webhooks.rotate(TENANT, other.id, "a-1", "k-3")
    await webhooks.remove(TENANT, first.id)
    with pytest.raises(Gone):
        await begin()
    await poster.close()

    assert first == second != other
    assert rotated[0] == rotated[1] != (first.key, first.secret)
    assert [each["id"] for each in await webhooks.of_tenant(TENANT)] == [other.id]


async def test_a_reader_declared_again_is_one_and_nobody_else_is_declared_under_its_key(progression: HandFed) -> None:
    register = Disclosures(progression.database, progression.settings, progression.logs.requests)

    async def declare(name: str = "warehouse", key: str = "d-1") -> str:
        given = Reader("", TENANT, "kafka", "", name, "figures of the district", (), ())
        return (await register.declare(given, "a-1", key)).id

    at_once = await asyncio.gather(declare(), declare())
    again, other, unnamed = await declare(), await declare(key="d-2"), [await declare(key="") for _ in range(2)]
    with pytest.raises(Refused, match="Idempotency-Key"):
        await declare("lake")

    assert {*at_once, again} == {again}
    assert {each.id for each in await register.readers(TENANT) if each.via == "kafka"} == {again, other, *unnamed}
    assert len({again, other, *unnamed}) == 4


async def _drained(progression: HandFed) -> bool:
    async with progression.database.connection() as connection:
        behind = await connection.fetchval(
            "select count(*) from log_head h join consumer_shard c on c.shard = h.shard"
            " where h.log = 'decisions' and c.inbox_pos < h.pos"
        )
    return bool(behind == 0)
