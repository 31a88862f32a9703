import asyncio
import contextlib

import pytest

from shared import tasks
from shared.tasks import raise_if_cancelled, run_together


async def test_the_first_failure_ends_the_others_and_is_told() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        await run_together(endless(), fails())
    assert ended.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_cancellation_comes_out_whatever_is_raised_on_the_way() -> None:
    async def fails_late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise OSError

    task = asyncio.create_task(run_together(fails_late(), asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_swallowed_cancellation_ends_an_endless_loop_all_the_same() -> None:
    async def swallows() -> None:
        while True:
            raise_if_cancelled()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    task = asyncio.create_task(swallows())
    await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task


def test_looks_get_rarer_once_nothing_was_found_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("shared.tasks.time.monotonic", lambda: now)
    easing = tasks.Easing()
    rests = [easing.rest_s(0.04)]
    now += tasks.EASE_AFTER_S
    rests.append(easing.rest_s(0.04))
    easing.found()
    rests.append(easing.rest_s(0.04))

    assert rests == [0.04, 0.04 * tasks.EASED, 0.04]
