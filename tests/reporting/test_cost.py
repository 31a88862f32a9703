"""What a request does not pay for: threads, models that check what is answered once more, and batches of events."""

import asyncio
import inspect
from collections.abc import Iterator

import msgspec
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from services.reporting.domain.given_often import GivenOften
from services.reporting.entrypoints import ROUTERS
from services.reporting.handlers.folds import FOLDS
from services.reporting.handlers.folds.base import TURN_EVENTS
from shared.events import Envelope, encode_json
from shared.handling import ShardBatch
from tests.reporting.builders import SHOWN_AT, Event, happened, mastery

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)


def test_no_request_waits_for_a_thread() -> None:
    in_threads = {
        f"{route.path}: {call}"
        for route in ROUTES
        for call in calls(route.dependant)
        if not any(inspect.iscoroutinefunction(one) for one in (call, type(call).__call__))
    }

    assert len(ROUTES) > 30
    assert in_threads == set()


def test_no_answer_is_checked_by_a_model() -> None:
    views = [route for route in ROUTES if route.path.startswith(("/v1/learners/", "/v1/classes", "/v1/districts"))]

    assert len(views) > 8
    assert [route.path for route in views if route.response_field is not None] == []


class Told(GivenOften, frozen=True):
    """An answer."""

    number: int


def test_what_is_given_often_is_encoded_once_and_told_from_others() -> None:
    one, other = Told(1), Told(2)

    assert one.content is one.content
    assert one.content == b'{"number":1}'
    assert one.digest == Told(1).digest != other.digest


@pytest.mark.parametrize(("model", "event"), [
    ("mastery", mastery("ada", "m:a")), ("advancement", happened("ada", "competency.mastered", "m:a"))
])  # fmt: skip
async def test_requests_have_their_turn_while_a_batch_is_folded(model: str, event: Event) -> None:
    type, subject, data = event
    raw = msgspec.Raw(encode_json(data))
    events = [Envelope(str(n), type, "demo", subject, SHOWN_AT, raw, 1, 0, n) for n in range(4 * TURN_EVENTS)]
    turns = 0

    async def serve() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def settle() -> None:
        return

    serving = asyncio.create_task(serve())
    await FOLDS[model](1, 10).fold([ShardBatch(0, [], events, events[-1].position, 1)], settle)
    serving.cancel()

    assert turns >= 3
