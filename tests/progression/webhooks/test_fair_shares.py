"""Receivers of one tenant that take all the time they are given: those of another are sent to all the same."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.progression.domain.subscribing import Subscription
from services.progression.handlers import posting
from services.progression.handlers.posting import LOOKUPS_MAX, Answer, Poster
from shared.settings import Settings
from tests.support.receiver import Receiver, receiving

TIMEOUT_S = 2.0
POSTS_MAX = 10
"""Fewer than in truth, so that all are under way long before the first is given up."""


@pytest.fixture
async def poster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Poster]:
    monkeypatch.setattr(posting, "POSTS_MAX", POSTS_MAX)
    poster = Poster(Settings(webhook_private_addresses=True, webhook_timeout_s=TIMEOUT_S))
    yield poster
    await poster.close()


def to(tenant: str, url: str) -> Subscription:
    return Subscription("id", tenant, "name", url, "for the tests", (), (), "", "key", b"secret")


async def post(poster: Poster, tenant: str, url: str) -> Answer:
    return await poster.post(to(tenant, url), "e", b'{"subject": "ada", "position": 1}', 1)


async def test_slow_receivers_of_one_tenant_hold_up_no_other(poster: Poster) -> None:
    slow, well = Receiver(lambda _: "slow"), Receiver(lambda _: "take")
    async with receiving(slow), receiving(well):
        greedy = [asyncio.create_task(post(poster, "greedy", slow.url)) for _ in range(POSTS_MAX + 20)]
        while len(slow.seen) < POSTS_MAX:
            await asyncio.sleep(0.01)
        answer = await post(poster, "modest", well.url)
        under_way = sum(not task.done() for task in greedy)
        outcomes = {(await task).outcome for task in greedy}

    assert (answer.outcome, answer.ms < TIMEOUT_S * 1000 / 2) == ("taken", True)
    assert under_way == POSTS_MAX + 20
    assert outcomes == {"no answer in time"}


async def test_who_waits_for_a_turn_of_the_tenant_is_not_late_by_that(poster: Poster) -> None:
    slow, well = Receiver(lambda _: "slow"), Receiver(lambda _: "take")
    async with receiving(slow), receiving(well):
        greedy = [asyncio.create_task(post(poster, "greedy", slow.url)) for _ in range(POSTS_MAX)]
        while len(slow.seen) < POSTS_MAX:
            await asyncio.sleep(0.01)
        answer = await post(poster, "greedy", well.url)
        await asyncio.gather(*greedy)

    assert (answer.failure, answer.outcome) == (None, "taken")


async def test_names_that_nobody_answers_for_hold_up_no_other_tenant(
    poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up, known = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *more: Any) -> Any:
        if host != "nowhere.example":
            return known(host, *more)
        given_up.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    well = Receiver(lambda _: "take")
    async with receiving(well):
        greedy = [
            asyncio.create_task(post(poster, "greedy", "http://nowhere.example/")) for _ in range(10 * LOOKUPS_MAX)
        ]
        await asyncio.sleep(0.1)
        answer = await post(poster, "modest", well.url)
        in_a_thread = await asyncio.wait_for(asyncio.to_thread(lambda: True), TIMEOUT_S / 2)
        given_up.set()
        await asyncio.gather(*greedy)

    assert (answer.outcome, answer.ms < TIMEOUT_S * 1000 / 2) == ("taken", True)
    assert in_a_thread
