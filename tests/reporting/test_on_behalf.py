"""What reporting asks in a person's name of a progression that is of the version before, as while an installation is upgraded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from services.reporting.handlers.on_behalf import OnBehalf
from shared.auth import Authenticator, Identity
from shared.errors import InvalidEvent, NotFound, Unavailable
from shared.peer import Peer
from shared.settings import Settings
from shared.web import Caller, Strict, make_app
from tests.support.producer import free_port

ASKED = {"scope": "math:c1", "outcome": "dismissed"}


class Closing(Strict):
    """What closed a suggestion in the version before, which had no `cause`."""

    scope: str
    outcome: str


async def test_a_version_without_a_newer_member_or_route_is_one_that_is_away_for_now(key: Path) -> None:
    caller = Identity("t-1", "north", frozenset({"decisions:write"}))
    async with _earlier(Settings(token_key_file=key, port=free_port())) as progression:

        async def close(**more: str) -> object:
            return await progression.ask(caller, "/close", "decisions:write", body=ASKED | more, newer=["cause"])

        taken = await close()
        with pytest.raises(Unavailable, match="an earlier version answers, until all of the installation is upgraded"):
            await close(cause="ungraded")
        with pytest.raises(Unavailable, match="an earlier version answers"):
            await progression.ask(caller, "/plans", "decisions:write", body=ASKED)
        with pytest.raises(NotFound, match="nothing is suggested there"):
            await close(scope="math:c2")
        with pytest.raises(InvalidEvent, match="other is not known here"):
            await close(other="x")

    assert taken == {"closed": "math:c1"}


@contextlib.asynccontextmanager
async def _earlier(settings: Settings) -> AsyncIterator[OnBehalf]:
    app = make_app("progression", "", Authenticator(settings), None)

    @app.post("/close")
    async def close(body: Closing, caller: Caller) -> dict[str, str]:
        caller.require("decisions:write")
        if body.scope != ASKED["scope"]:
            raise NotFound("nothing is suggested there")
        return {"closed": body.scope}

    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        async with Peer(f"http://127.0.0.1:{settings.port}", settings) as peer:
            yield OnBehalf(peer, settings)
    finally:
        server.should_exit = True
        await serving
