"""Webhooks against receivers that are slow, fail, reset, redirect, or never end: nothing lost, each learner's in order."""

import asyncio
import base64
import datetime
import hashlib
import hmac
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.progression.handlers import delivering
from services.progression.handlers.posting import Poster
from services.progression.tables import webhooks as tables
from shared.errors import NotFound, Refused
from shared.shards import shard_of
from tests.support.outlet import SHARDS, TENANT, Outlet
from tests.support.receiver import Manner, Receiver, Request, receiving
from tests.support.waiting import until

LEARNERS = [f"learner-{number}" for number in range(24)]
MANNERS: tuple[Manner, ...] = ("500", "422", "reset", "slow", "drip", "endless", "redirect", "nonsense")


def take(_: Request) -> Manner:
    return "take"


def whole(receiver: Receiver, expected: dict[str, list[int]]):
    async def holds() -> bool:
        taken = receiver.by_learner()
        return all(taken.get(learner, [])[-1:] == positions[-1:] for learner, positions in expected.items())

    return holds


def taken(receiver: Receiver, many: int):
    async def holds() -> bool:
        return len(receiver.taken) >= many

    return holds


async def test_through_every_kind_of_trouble_nothing_is_lost_and_each_learners_events_come_in_order(outlet: Outlet):
    chance = random.Random(3)
    trap = Receiver(take)

    def moody(_: Request) -> Manner:
        return chance.choice(MANNERS) if chance.random() < 0.3 else "take"

    hostile, healthy = Receiver(moody), Receiver(take)
    async with receiving(trap), receiving(hostile), receiving(healthy):
        hostile.redirect_to = trap.url
        await outlet.tell(LEARNERS, 5)
        await outlet.subscribe(hostile.url)
        well = await outlet.subscribe(healthy.url)
        expected = await outlet.positions()
        async with outlet.dispatching():
            await until(whole(healthy, expected), within_s=15)
            troubled = sum(len(positions) for positions in hostile.by_learner().values())
            await until(whole(hostile, expected), within_s=100)
        attempts = await outlet.webhooks.deliveries(TENANT, well.id, None, 1000)

    assert hostile.by_learner() == healthy.by_learner() == expected
    assert troubled < sum(map(len, expected.values()))
    # A machine that stops for half a second makes even a healthy receiver late: what is sent again, the log gives a reason for.
    assert len(hostile.seen) > len(attempts) >= len(healthy.seen)
    assert sum(line["outcome"] == "taken" for line in attempts) == sum(map(len, expected.values()))
    assert trap.seen == []


async def test_what_was_just_taken_is_not_sent_again_where_the_webhook_has_to_wait(outlet: Outlet):
    failing = True
    late, *others = LEARNERS
    apart = [learner for learner in others if shard_of(TENANT, learner, SHARDS) != shard_of(TENANT, late, SHARDS)]

    def manner(request: Request) -> Manner:
        return "late" if request.learner == late else "500" if failing else "take"

    async with receiving(Receiver(manner)) as receiver:
        await outlet.tell([late, *apart], 1)
        expected = await outlet.positions()
        agreed = await outlet.subscribe(receiver.url)
        async with outlet.dispatching():

            async def waits() -> bool:
                return bool((await outlet.state(agreed.id))["failures"] >= delivering.TRIES_BEFORE_WAITING)

            await until(waits)
            failing = False
            await until(whole(receiver, expected), within_s=15)

    assert receiver.by_learner() == expected
    assert [request.learner for request in receiver.seen].count(late) == 1


async def parked_counts(outlet: Outlet) -> tuple[float | None, ...]:
    """What a scrape shows: webhooks that are parked, and learners."""
    await outlet.webhooks.measure()
    return tuple(REGISTRY.get_sample_value("attain_webhooks_parked", {"what": what}) for what in ("webhook", "learner"))


async def test_a_learner_whose_event_is_refused_for_good_is_parked_and_the_others_go_on(
    outlet: Outlet, caplog: pytest.LogCaptureFixture
):
    refusing = True

    def picky(request: Request) -> Manner:
        return "422" if refusing and request.learner == LEARNERS[0] else "take"

    config = outlet.settings.model_copy(update={"webhook_attempts_max": 3})
    async with receiving(Receiver(picky)) as receiver:
        await outlet.tell(LEARNERS, 3)
        expected = await outlet.positions()
        agreed = await outlet.subscribe(receiver.url)
        async with outlet.dispatching(config):

            async def parked() -> bool:
                return bool((await outlet.state(agreed.id))["parked_learners"] == 1)

            await until(parked)
            await until(whole(receiver, {learner: expected[learner] for learner in LEARNERS[1:]}))
            waiting = await outlet.webhooks.waiting(TENANT, agreed.id)
            counted = await parked_counts(outlet)
            attempts = len([request for request in receiver.seen if request.learner == LEARNERS[0]])
            refusing = False
            await outlet.webhooks.set_state(TENANT, agreed.id, "active")
            await until(whole(receiver, expected))

    assert (waiting[0]["learner"], waiting[0]["attempts"], waiting[0]["reason"]) == (LEARNERS[0], 3, "answered 422")
    assert attempts == 3
    assert receiver.by_learner() == expected
    assert (counted, await parked_counts(outlet)) == ((0, 1), (0, 0))
    (line,) = [entry.message for entry in caplog.records if "parked" in entry.message]
    assert LEARNERS[0] in line


async def test_a_receiver_that_is_down_parks_the_webhook_and_a_resume_loses_nothing(
    outlet: Outlet, caplog: pytest.LogCaptureFixture
):
    config = outlet.settings.model_copy(update={"webhook_failures_max": 6})
    receiver = Receiver(take)
    async with receiving(receiver):
        pass
    await outlet.tell(LEARNERS, 3)
    expected = await outlet.positions()
    agreed = await outlet.subscribe(receiver.url)
    async with outlet.dispatching(config):

        async def parked() -> bool:
            return bool((await outlet.state(agreed.id))["state"] == "parked")

        await until(parked)
        reason = (await outlet.state(agreed.id))["reason"]
        counted, _ = await parked_counts(outlet)
        async with receiving(receiver):
            await asyncio.sleep(0.3)
            before = len(receiver.seen)
            await outlet.webhooks.set_state(TENANT, agreed.id, "active")
            await until(whole(receiver, expected))

    assert " failures in a row, the last: " in reason
    assert (counted, await parked_counts(outlet)) == (1, (0, 0))
    assert reason in caplog.text
    assert before == 0
    assert receiver.by_learner() == expected


async def test_a_receiver_that_wants_no_more_is_left_alone_at_once(outlet: Outlet):
    async with receiving(Receiver(lambda _: "410")) as receiver:
        await outlet.tell(LEARNERS[:1], 3)
        agreed = await outlet.subscribe(receiver.url)
        async with outlet.dispatching():

            async def parked() -> bool:
                return bool((await outlet.state(agreed.id))["state"] == "parked")

            await until(parked)
            await asyncio.sleep(0.3)

    assert len(receiver.seen) == 1


async def test_a_replay_sends_the_same_events_again_and_a_paused_webhook_nothing(outlet: Outlet):
    async with receiving(Receiver(take)) as receiver:
        await outlet.tell(LEARNERS[:4], 2)
        expected = await outlet.positions()
        agreed = await outlet.subscribe(receiver.url)
        async with outlet.dispatching():
            await until(whole(receiver, expected))
            await outlet.webhooks.set_state(TENANT, agreed.id, "paused")
            await asyncio.sleep(0.2)
            await outlet.tell(LEARNERS[:4], 1)
            await asyncio.sleep(0.3)
            first = list(receiver.taken)
            await outlet.webhooks.replay(TENANT, agreed.id, dict.fromkeys(range(SHARDS), 0))
            await until(whole(receiver, await outlet.positions()))
    again = receiver.taken[len(first) :]
    by_id = {request.event["id"]: request.body for request in again}

    assert len(first) == 8
    assert len(again) == 12
    assert all(by_id[request.event["id"]] == request.body for request in first)


async def test_a_dispatcher_that_is_killed_and_two_at_once_lose_nothing(outlet: Outlet):
    chance = random.Random(5)
    async with receiving(Receiver(lambda _: "500" if chance.random() < 0.2 else "take")) as receiver:
        agreed = await outlet.subscribe(receiver.url)
        for _ in range(6):
            await outlet.tell(LEARNERS, 1)
            async with outlet.dispatching(), outlet.dispatching():
                await asyncio.sleep(chance.uniform(0.05, 0.3))
        expected = await outlet.positions()
        async with outlet.dispatching(), outlet.dispatching():
            await until(whole(receiver, expected))

            async def let_go() -> bool:
                return not (await outlet.state(agreed.id))["held"]

            await until(let_go)
        repeats = len(receiver.taken) - sum(map(len, expected.values()))
        state = await outlet.state(agreed.id)

    assert receiver.by_learner() == expected
    # At most what was in flight at each of the six stops is sent twice: one event a shard.
    assert repeats <= 6 * SHARDS
    assert state["held"] == state["parked_learners"] == 0


def documented_check() -> Callable[[str, bytes, dict[str, str]], bool]:
    """Return the function by which docs/webhooks.md lets a receiver check a signature."""
    (code,) = re.findall(
        r"```python\n(.*?)```", (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(code, names)
    check: Callable[[str, bytes, dict[str, str]], bool] = names["is_ours"]
    return check


async def test_every_delivery_is_signed_with_the_key_of_the_time(outlet: Outlet):
    async with receiving(Receiver(take)) as receiver:
        agreed = await outlet.subscribe(receiver.url)
        tested = await outlet.webhooks.test(TENANT, agreed.id)
        key, secret = await outlet.webhooks.rotate(TENANT, agreed.id, "t-1")
        await outlet.webhooks.test(TENANT, agreed.id)
    secrets = {agreed.key: agreed.secret, key: secret}
    shown = {name: base64.b64encode(of).decode() for name, of in secrets.items()}
    is_ours = documented_check()
    signed = [(request.headers["attain-signature"], request.body) for request in receiver.taken]

    assert tested.failure is None
    assert [dict(part.split("=", 1) for part in header.split(","))["k"] for header, _ in signed] == [agreed.key, key]
    assert [is_ours(*each, shown) for each in signed] == [True, True]
    assert not is_ours(*signed[1], {agreed.key: shown[agreed.key]})
    assert not is_ours(signed[0][0], signed[0][1] + b" ", shown)
    assert not is_ours(signed[0][0].replace("t=1", "t=2"), signed[0][1], shown)
    assert receiver.taken[0].event["type"] == "attain.webhook.test.v1"


def earlier_check(header: str, body: bytes, secrets: dict[str, str]) -> bool:
    """Tell what a receiver finds that was written when one secret signed at a time, by the documentation of then."""
    given = dict(part.split("=", 1) for part in header.split(","))
    if given["k"] not in secrets:
        return False
    right = hmac.new(
        base64.b64decode(secrets[given["k"]]), f"{given['t']}.{given['k']}.".encode() + body, hashlib.sha256
    )
    return hmac.compare_digest(right.hexdigest(), given["v1"])


async def test_during_an_overlap_both_secrets_sign_and_afterwards_the_new_one_alone(outlet: Outlet):
    overlap = datetime.timedelta(seconds=1.5)
    async with receiving(Receiver(take)) as receiver:
        agreed = await outlet.subscribe(receiver.url)
        key, secret = await outlet.webhooks.rotate(TENANT, agreed.id, "admin", overlap=overlap)
        await outlet.webhooks.test(TENANT, agreed.id)
        async with outlet.dispatching():
            await outlet.tell(["ada"], 1)
            await until(taken(receiver, 2))
            (listed,) = await outlet.webhooks.of_tenant(TENANT)
            await asyncio.sleep(overlap.total_seconds())
            await outlet.tell(["ada"], 1)
            await until(taken(receiver, 3))
        await outlet.webhooks.measure()
        (after,) = await outlet.webhooks.of_tenant(TENANT)
        async with outlet.database.connection() as connection:
            kept = await connection.fetchval("select count(*) from webhook where former_secret is not null")
    tested, beside, alone = ((request.headers["attain-signature"], request.body) for request in receiver.taken)
    old, new = ({name: base64.b64encode(of).decode()} for name, of in ((agreed.key, agreed.secret), (key, secret)))
    is_ours = documented_check()

    assert [
        is_ours(*beside, old),
        is_ours(*beside, new),
        earlier_check(*beside, old),
        earlier_check(*beside, old | new),
    ] == ([True] * 4)
    assert [is_ours(*each, secrets) for each in (tested, alone) for secrets in (old, new)] == [False, True] * 2
    assert (listed["key"], listed["former_key"]) == (key, agreed.key)
    assert (after["former_key"], after["former_until"], kept) == (None, None, 0)


async def test_a_secret_that_is_changed_without_an_overlap_signs_no_more(outlet: Outlet):
    async with receiving(Receiver(take)) as receiver:
        agreed = await outlet.subscribe(receiver.url)
        second, _ = await outlet.webhooks.rotate(TENANT, agreed.id, "admin", overlap=datetime.timedelta(hours=1))
        third, _ = await outlet.webhooks.rotate(TENANT, agreed.id, "admin")
        async with outlet.dispatching():
            await outlet.tell(["ada"], 1)
            await until(taken(receiver, 1))
    (header,) = (request.headers["attain-signature"] for request in receiver.taken)

    assert [key for key in (agreed.key, second, third) if key in header] == [third]


async def test_a_name_that_turns_to_a_private_address_later_is_not_connected_to(outlet: Outlet):
    async with receiving(Receiver(take)) as receiver:
        agreed = await outlet.subscribe(receiver.url)
        poster = Poster(outlet.settings.model_copy(update={"webhook_private_addresses": False}))
        answer = await poster.post(agreed, "e", b"{}", 1)
        await poster.close()

    assert (answer.failure, answer.outcome) == ("unwell", "it leads to a private address")
    assert receiver.seen == []


async def test_only_what_is_agreed_is_sent_and_the_log_says_what_came_of_it(outlet: Outlet):
    async with receiving(Receiver(take)) as receiver:
        await outlet.tell(LEARNERS[:2], 2)
        await outlet.tell(LEARNERS[:2], 1, "level.advanced")
        await outlet.tell(LEARNERS[:1], 1, "learner.erased")
        agreed = await outlet.subscribe(receiver.url, types=("level.*",))
        async with outlet.dispatching():

            async def done() -> bool:
                return bool((await outlet.state(agreed.id))["behind"] == 0)

            await until(done)
        log = await outlet.webhooks.deliveries(TENANT, agreed.id, None, 10)

    assert Counter(request.event["type"] for request in receiver.taken) == {
        "attain.level.advanced.v1": 2,
        "attain.learner.erased.v1": 1,
    }
    assert [(line["status"], line["outcome"], line["attempt"]) for line in log] == [(200, "taken", 1)] * 3
    assert "secret" not in await outlet.state(agreed.id)


async def test_a_tenant_sees_and_has_its_own_webhooks_only_and_a_bounded_number(outlet: Outlet):
    outlet.webhooks._settings = outlet.settings.model_copy(update={"webhooks_max": 1})
    agreed = await outlet.subscribe("http://127.0.0.1:9/")

    with pytest.raises(Refused):
        await outlet.subscribe("http://127.0.0.1:9/")
    with pytest.raises(NotFound):
        await outlet.webhooks.remove("other", agreed.id)
    assert await outlet.webhooks.of_tenant("other") == []
    async with outlet.database.connection() as connection:
        assert await tables.active(connection) == {agreed.id: 1}


class Unhurried(Receiver):
    """A receiver that takes its time for each event."""

    async def _as_told(self, manner: Manner, request: Request, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(0.1)
        return await super()._as_told(manner, request, writer)


@pytest.mark.parametrize("held", [False, True])
async def test_a_slow_receiver_is_not_sent_what_was_forgotten_while_it_answered(
    outlet: Outlet, monkeypatch: pytest.MonkeyPatch, held: bool
):
    """Also of a learner whose events wait behind one that was refused at first."""
    monkeypatch.setattr(delivering, "PAGE_S", 0.3)
    refused: list[Request] = []

    def at_first(request: Request) -> Manner:
        refused.append(request)
        return "422" if held and len(refused) == 1 else "take"

    async with receiving(Unhurried(at_first)) as receiver:
        await outlet.tell(LEARNERS[:1], 30)
        await outlet.subscribe(receiver.url)
        async with outlet.dispatching():

            async def begun() -> bool:
                return len(receiver.taken) >= 2

            await until(begun)
            async with outlet.database.transaction() as connection:
                await outlet.log.redact(connection, shard_of(TENANT, LEARNERS[0], SHARDS), TENANT, LEARNERS[0])
            before = len(receiver.taken)
            await asyncio.sleep(2)

    assert len(receiver.taken) - before <= 4, "what is sent within the time for which a page is good"
