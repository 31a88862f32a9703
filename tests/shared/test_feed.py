import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.database import Database
from shared.errors import Unavailable
from shared.event_log import Head
from shared.feed import FeedClient
from shared.settings import Settings
from tests.support.producer import running_producer


async def test_the_feed_gives_the_events_and_heads_of_the_log(database: Database, url: str, local: Settings) -> None:
    async with running_producer(url, ["test"], local, relayed=False) as producer:
        (place, *_) = await producer.append("test", "t", [("attain.test.v1", "s", {"n": n}) for n in range(5)])
        feed = FeedClient(producer.url, local)
        events = await feed.read("test", place[0], 1, 3)
        heads = await feed.heads("test")
        await feed.close()

    assert [event.position for event in events] == [2, 3, 4]
    assert heads[place[0]] == Head(1, 5)


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Serve one answer to everything."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Elsewhere\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"position": 1}\n',
    ],
    ids=["nothing", "error", "redirect", "page", "cut off", "other json"],
)
async def test_what_is_no_feed_is_a_feed_that_is_away(answer: bytes, local: Settings) -> None:
    async with answering(answer) as url:
        feed = FeedClient(url, local)
        with pytest.raises(Unavailable):
            await feed.read("test", 0, 0, 10)
        with pytest.raises(Unavailable):
            await feed.heads("test")
        await feed.close()


async def test_nobody_there_is_a_feed_that_is_away(local: Settings) -> None:
    feed = FeedClient("http://127.0.0.1:9", local)
    with pytest.raises(Unavailable):
        await feed.heads("test")
    await feed.close()


async def test_a_token_file_that_is_missing_is_a_feed_that_is_away(local: Settings) -> None:
    """It is mounted and rotated by others."""
    feed = FeedClient("http://127.0.0.1:9", local.model_copy(update={"service_token_file": Path("/no/such/file")}))
    with pytest.raises(Unavailable):
        await feed.heads("test")
    await feed.close()
