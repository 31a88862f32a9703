"""Places for event streams: a tenant that opens as many as it can leaves some to the others."""

from collections.abc import AsyncGenerator

import pytest

from shared.errors import Unavailable
from shared.streams import Streams


async def _endless() -> AsyncGenerator[str, None]:
    while True:
        yield "news"


async def _opened(streams: Streams, tenant: str) -> AsyncGenerator[str, None]:
    streams.check(tenant)
    stream = streams.counted(tenant, _endless())
    assert await anext(stream) == "news"
    return stream


async def _as_many_as_it_can(streams: Streams, tenant: str) -> list[AsyncGenerator[str, None]]:
    opened = []
    with pytest.raises(Unavailable):
        while True:
            opened.append(await _opened(streams, tenant))
    return opened


async def test_no_tenant_takes_all_places() -> None:
    streams = Streams(40)
    greedy, second, third = [await _as_many_as_it_can(streams, tenant) for tenant in ("greedy", "second", "third")]

    assert (len(greedy), len(second), len(third)) == (20, 10, 5)
    for stream in greedy:
        await stream.aclose()
    assert len(await _as_many_as_it_can(streams, "third")) == 10


async def test_streams_that_were_let_in_at_the_same_moment_are_no_more_than_there_are_places() -> None:
    streams = Streams(2)
    for _ in range(10):
        streams.check("school")
    opened = [streams.counted("school", _endless()) for _ in range(10)]

    assert [await anext(stream, "ended") for stream in opened].count("news") == 1
