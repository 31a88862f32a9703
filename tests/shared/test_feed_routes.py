from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from shared.auth import Authenticator, issue_token
from shared.database import Database
from shared.event_log import EventLog
from shared.events import Draft, decode_envelope, envelope
from shared.feed_routes import feed_router
from shared.settings import Settings
from shared.web import make_app


def token(scope: str) -> dict[str, str]:
    """Return the headers of a caller with a scope."""
    signed = issue_token(bytes(32), subject="me", tenant="t", scope=scope, expires_s=60)
    return {"Authorization": f"Bearer {signed}"}


@pytest_asyncio.fixture
async def feed(database: Database, local: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The feed of a log with 25 events in shard 1, ten a page."""
    settings = local.model_copy(update={"page_rows_max": 10})
    log = EventLog("test", 4)
    body = envelope(id="id", source="test", type="attain.test.v1", tenant="t", subject="s",
                    time="2026-01-01T00:00:00.000000Z", data=b"{}")  # fmt: skip
    async with database.transaction() as connection:
        await log.prepare(connection)
        await connection.execute("update log_head set generation = 3")
        await log.append(connection, [Draft(1, "t", "s", body)] * 25)
    app = make_app("test", "", Authenticator(settings), None)
    app.include_router(feed_router(database, [log], settings))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=token("service")
    ) as made:
        yield made


def positions(answer: httpx.Response) -> list[int]:
    """Return the positions of a page."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["attain-head"] == "test.3.1.25"
    return [decode_envelope(line).position for line in answer.content.splitlines()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", range(1, 11)),
        ("&after=20", range(21, 26)),
        ("&after=test.3.1.20", range(21, 26)),
        ("&after=20&limit=2", range(21, 23)),
        ("&after=3&limit=100000", range(4, 14)),
        ("&after=25", []),
        ("&after=999999999999999999", []),
        ("&limit=0", []),
    ],
)
async def test_the_feed_goes_on_behind_a_cursor_in_bounded_pages(
    feed: httpx.AsyncClient, query: str, expected: range
) -> None:
    assert list(expected) == positions(await feed.get(f"/v1/feed?log=test&shard=1{query}"))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("log=test&shard=1&after=test.2.1.20", 410),
        ("log=test&shard=1&after=test.4.1.20", 410),
        ("log=test&shard=1&after=test.3.2.20", 422),
        ("log=test&shard=1&after=other.3.1.20", 422),
        ("log=test&shard=1&after=-1", 422),
        ("log=test&shard=1&after=x", 422),
        ("log=test&shard=1&limit=-1", 422),
        ("log=test&shard=4", 422),
        ("log=test&shard=-1", 422),
        ("log=test&shard=99999999999999999999", 422),
        ("log=other&shard=1", 422),
        ("shard=1", 422),
    ],
)
async def test_a_cursor_of_something_else_is_refused(feed: httpx.AsyncClient, query: str, status: int) -> None:
    """One of another generation with 410: whoever holds it has to begin anew."""
    assert (await feed.get(f"/v1/feed?{query}")).status_code == status


async def test_heads_tell_generation_and_position_of_every_shard(feed: httpx.AsyncClient) -> None:
    answer = await feed.get("/v1/heads?log=test")
    assert msgspec.json.decode(answer.content) == {"0": [3, 0], "1": [3, 25], "2": [3, 0], "3": [3, 0]}


@pytest.mark.parametrize("path", ["/v1/feed?log=test&shard=1", "/v1/heads?log=test"])
async def test_the_feed_is_for_services(feed: httpx.AsyncClient, path: str) -> None:
    """It holds all tenants."""
    assert (await feed.get(path, headers=token("admin records:read"))).status_code == 403
    assert (await feed.get(path, headers={"Authorization": ""})).status_code == 401
