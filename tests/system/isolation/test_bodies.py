"""Who sends a body is known before it is read: here each is announced and never comes, so whoever waits for it would read it."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.system.isolation.routes import CASES, Route
from tests.system.isolation.victim import Victim, token_of

ANSWER_S = 5.0
BY_FORM = {"POST /sign-in", "POST /sign-in/lti", "POST /sign-in/lti/launch"}
"""Who sends these is said in the form."""
BY_ROSTER = {
    "POST /v1/learners/{learner}/review-requests", "POST /v1/learners/{learner}/review-requests/{id}/statement",
}  # fmt: skip
"""What a token needs no scope for."""


async def _unsent(victim: Victim, route: Route, framing: str, token: str | None) -> int:
    """Return the status that a route answers to the head of a request; 0 where it waits for the body."""
    at = urlsplit(victim.url(route))
    lines = [
        f"{route.method} {at.path}?{at.query} HTTP/1.1", f"Host: {at.netloc}", "Content-Type: application/json", framing,
        "X-Experience-API-Version: 1.0.3",
    ]  # fmt: skip
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(ANSWER_S):
            return int((await reader.readline()).split()[1])
    except TimeoutError:
        return 0
    finally:
        writer.close()


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000000", "Content-Length: 99999999", "Transfer-Encoding: chunked"]
)
async def test_nothing_is_read_of_whom_nobody_knows(victim: Victim, framing: str) -> None:
    routes = [
        each for each in CASES.values() if each.method in ("POST", "PUT") and each.name.split(" ", 1)[1] not in BY_FORM
    ]
    answered = await asyncio.gather(*(_unsent(victim, each, framing, None) for each in routes))

    # Pages send people to sign in.
    wrong = {each.name: status for each, status in zip(routes, answered, strict=True)
             if status not in ((200, 401) if each.is_page else (401,))}  # fmt: skip
    assert wrong == {}


async def test_nothing_is_read_of_whose_token_does_not_allow_it(victim: Victim) -> None:
    token = token_of(victim.stack, victim.tenant, "")
    routes = [each for each in CASES.values() if each.method in ("POST", "PUT") and not each.is_page
              and each.name.split(" ", 1)[1] not in BY_ROSTER]  # fmt: skip
    answered = await asyncio.gather(*(_unsent(victim, each, "Transfer-Encoding: chunked", token) for each in routes))

    wrong = {each.name: status for each, status in zip(routes, answered, strict=True) if status != 403}
    assert wrong == {}
