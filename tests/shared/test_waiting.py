"""Waiting for a server: ever less often, told once it takes long, and not for ever."""

import asyncio
import logging
import types

import pytest

from shared import waiting
from shared.waiting import LONGEST_S, wait_for_server


class Away(Exception):
    """The server does not answer."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept instead of sleeping."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    # Not `asyncio.sleep` itself: whatever else the loop runs in turns would not let go of it any more.
    own = types.SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
    monkeypatch.setattr(waiting, "asyncio", own)
    return slept


async def test_a_server_is_asked_less_and_less_often(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> str:
        if len(waits) < 12:
            raise Away
        return "there"

    with caplog.at_level(logging.WARNING):
        assert await wait_for_server("Kafka", ask, (Away,), 60) == "there"

    assert all(earlier < later for earlier, later in zip(waits[0:4:2], waits[2:5:2], strict=True))
    assert 0.1 < waits[0] <= 0.2
    assert max(waits) <= LONGEST_S
    assert all(wait >= 0.7 * LONGEST_S for wait in waits[6:])
    assert len(set(waits)) == len(waits)
    assert "Kafka does not answer yet: Away" in caplog.text


async def test_what_is_no_waiting_matter_and_what_takes_too_long_is_raised(waits: list[float]) -> None:
    async def away() -> None:
        raise Away

    async def wrong() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await wait_for_server("Kafka", wrong, (Away,), 60)
    assert waits == []
    with pytest.raises(Away):
        await wait_for_server("Kafka", away, (Away,), 0.1)
