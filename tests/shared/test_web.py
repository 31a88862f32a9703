import asyncio
import datetime
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import Body, Depends, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY
from pydantic import AfterValidator, Field

from shared.auth import Authenticator, Identity, issue_token
from shared.errors import Conflict, Forbidden, Gone, InvalidEvent, NotFound, Refused, TooLarge, Unavailable
from shared.lag import ShardLag, Stage
from shared.operations import operations_router
from shared.readiness import Readiness
from shared.settings import Settings
from shared.tenancy import current_tenant
from shared.web import Caller, Instant, Strict, make_app, needs, read_body, wait_for

KEY = bytes(32)
ERRORS = {
    type.__name__: type for type in (InvalidEvent, Refused, Forbidden, NotFound, Gone, TooLarge, Conflict, Unavailable)
}


def token(scope: str) -> dict[str, str]:
    """Return the headers of a caller with a scope."""
    signed = issue_token(KEY, subject="me", tenant="t", scope=scope, expires_s=60)
    return {"Authorization": f"Bearer {signed}"}


@pytest.fixture
def small(local: Settings) -> Settings:
    """Settings with small limits."""
    return local.model_copy(update={"body_bytes_max": 1000, "body_inflated_bytes_max": 5000, "page_rows_max": 10,
                                    "wait_s_max": 0.1})  # fmt: skip


class Part(Strict):
    """A part of what somebody says."""

    reason: str = ""


class Said(Part):
    """What somebody says."""

    named: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    any: dict[str, Any] = Field(default_factory=dict)


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("an odd number has no half")
    return number


@pytest_asyncio.fixture
async def client(small: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An application with a route for each claim."""
    app = make_app("test", "", Authenticator(small), None)

    @app.post("/body")
    async def body(request: Request) -> Response:
        return Response(await read_body(request, small))

    @app.post("/model", dependencies=[needs("admin")])
    async def model(caller: Caller, count: Annotated[int, Body(embed=True)]) -> str:
        return f"{count} of {caller.tenant}, bound to {current_tenant()}"

    @app.get("/whoami")
    async def whoami(caller: Caller) -> str:
        return caller.subject

    @app.post("/whoami")
    async def rename(caller: Caller) -> None:
        """Another route of the same path."""

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def beats() -> AsyncIterator[bytes]:
            while True:
                yield b": alive\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(beats(), media_type="text/event-stream")

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        if name == "bug":
            raise KeyError("secret")
        raise ERRORS[name]("what happened", pointer="/a", extra=[1], none=None)

    @app.post("/even")
    async def even(n: Annotated[int, Body(embed=True), AfterValidator(_even)]) -> int:
        return n

    @app.get("/number")
    async def number(n: Annotated[int, Query(ge=1)]) -> int:
        return n

    async def waited(wait: str = "") -> str:
        return wait

    @app.get("/v1/listed")
    async def listed(
        caller: Caller, wait: Annotated[str, Depends(waited)], until: Annotated[str, Query(alias="to")] = ""
    ) -> str:
        return wait + until

    @app.get("/never")
    async def never() -> None:
        async def no() -> bool:
            return False

        await wait_for(no, small)

    async def ready() -> Readiness:
        return Readiness(["PostgreSQL"], ["Kafka: KafkaConnectionError"])

    async def lag() -> list[Stage]:
        return [Stage.of_shards("x", [ShardLag(3, 7, 1.5)])]

    async def blocked(tenant: str) -> int:
        return 1 if tenant else 2

    app.include_router(operations_router(ready=ready, stuck=list, lag=lag, blocked=blocked))

    @app.post("/said")
    async def said(body: Said) -> None:
        """Take what somebody says."""

    @app.get("/instant")
    async def instant(at: Instant) -> datetime.datetime:
        return at.astimezone(datetime.UTC)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


@pytest.mark.parametrize("address", ["/raise/bug%00", "/number?n=1&x=%00", "/whoami?%00"])
async def test_a_nul_in_an_address_is_refused(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address, headers=token("a"))

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(
    ("address", "pointer"), [
        ("/v1/listed?wait=a&to=b", None), ("/v1/listed?wait=a&until=b", "/until"), ("/v1/listed?&=1", "/"), ("/whoami?x=1", None),
    ],
)  # fmt: skip
async def test_a_parameter_that_a_route_does_not_have_is_refused_and_those_named_that_it_has(
    client: httpx.AsyncClient, address: str, pointer: str | None
) -> None:
    answer = await client.get(address, headers=token("a"))

    assert (answer.status_code == 200) == (pointer is None)
    if pointer is not None:
        assert answer.json()["pointer"] == pointer
        assert answer.json()["detail"].endswith("there are to, wait")
        assert (await client.get(address)).status_code == 401


GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 200),
        (b"x" * 1000, {}, 200),
        (b"x" * 1001, {}, 413),
        (b"x" * 10, {"Content-Encoding": "identity"}, 200),
        (b"x" * 10, {"Content-Encoding": "br"}, 422),
        (gzip.compress(b"x" * 5000), GZIP, 200),
        (gzip.compress(b"x" * 5001), GZIP, 413),
        (gzip.compress(bytes(600_000)), GZIP, 413),
        (gzip.compress(b"abc")[:-4], GZIP, 422),
        (gzip.compress(b"abc") + gzip.compress(b"def"), GZIP, 422),
        (gzip.compress(b"abc") + b"junk", GZIP, 422),
        (b"not gzip", GZIP, 422),
        (zlib.compress(b"abc"), GZIP, 422),
        (b"", GZIP, 422),
        (gzip.compress(b""), {"Content-Encoding": "GZIP"}, 200),
    ],
    ids=[
        "empty",
        "full",
        "over",
        "identity",
        "brotli",
        "inflates to the limit",
        "over the limit",
        "bomb",
        "cut off",
        "two members",
        "junk behind",
        "not gzip",
        "zlib",
        "empty gzip",
        "gzip of nothing",
    ],
)
async def test_a_body_is_read_whole_or_refused(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    """Neither too much is read, nor a part of what was sent taken for all of it."""
    answer = await client.post("/body", content=content, headers=headers)

    assert answer.status_code == status
    if status == 200:
        assert answer.content == (gzip.decompress(content) if "gzip" in str(headers).lower() else content)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/body", "/model"])
async def test_a_body_without_an_end_is_not_read_to_it(client: httpx.AsyncClient, path: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_000_000:
            sent += 500
            yield b"x" * 500

    answer = await client.post(path, content=endless(), headers=JSON | token("admin"))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert (answer.json()["title"], answer.json()["reason"]) == ("Too large", "too_large")
    assert sent == 1500


async def _unread() -> AsyncIterator[bytes]:
    raise AssertionError
    yield b""


@pytest.mark.parametrize("path", ["/body", "/model"])
async def test_a_body_that_is_announced_as_too_long_is_not_read_at_all(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=_unread(), headers=JSON | {"Content-Length": "1001"} | token("admin"))
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


@pytest.mark.parametrize(("sender", "status"), [("nobody", 401), ("unknown", 401), ("reader", 403)])
@pytest.mark.parametrize("framing", [{"Content-Length": "900"}, {"Content-Length": "1001"}, {}])
async def test_nothing_is_read_of_who_may_not_send_it(
    client: httpx.AsyncClient, sender: str, status: int, framing: dict[str, str]
) -> None:
    """The framework would read and decode a model before it asks who sends it."""
    known = {"nobody": {}, "unknown": {"Authorization": "Bearer x"}, "reader": token("records:read")}[sender]
    answer = await client.post("/model", content=_unread(), headers=JSON | framing | known)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_token_is_looked_at_once_a_request(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is asked for before the body is read, by the route, and by what limits the rate."""
    asked = []
    identify = Authenticator.identify

    def counted(self: Authenticator, authorization: str | None) -> Identity:
        asked.append(authorization)
        return identify(self, authorization)

    monkeypatch.setattr(Authenticator, "identify", counted)
    answer = await client.post("/model", json={"count": 3}, headers=token("admin"))

    assert (answer.status_code, answer.json()) == (200, "3 of t, bound to t")
    assert len(asked) == 1


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_are_problems_with_their_members(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/raise/{name}")
    kind = ERRORS[name]

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == kind.status
    assert answer.json() == {
        "type": "about:blank", "title": kind.title, "status": kind.status, "detail": "what happened",
        "pointer": "/a", "extra": [1],
    }  # fmt: skip
    assert ("retry-after" in answer.headers) == (kind is Unavailable)


async def test_a_bug_tells_its_kind_and_nothing_else(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/bug")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


async def test_what_the_framework_refuses_is_a_problem_too(client: httpx.AsyncClient) -> None:
    missing, wrong, method = await client.get("/no"), await client.get("/number?n=0"), await client.put("/number")

    assert (missing.status_code, wrong.status_code, method.status_code) == (404, 422, 405)
    assert {a.headers["content-type"] for a in (missing, wrong, method)} == {"application/problem+json"}
    assert (wrong.json()["pointer"], wrong.json()["where"]) == ("/n", "query")
    assert method.headers["allow"] == "GET, HEAD"


async def test_what_a_check_of_ours_says_is_told_in_its_own_words(client: httpx.AsyncClient) -> None:
    assert (await client.post("/even", json={"n": 1})).json()["detail"] == "an odd number has no half"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "a\0b"}, "/reason"), ({"named": ["a", "\0"]}, "/named"),
        ({"parts": [{}, {"reason": "\0"}]}, "/parts/1/reason"),
        ({"any": {"x": [{"\0": 1}]}}, "/any"), ({"any": {"x": "\ud800"}}, "/any"),
    ],
)  # fmt: skip
async def test_a_text_that_no_table_can_hold_is_refused_wherever_a_body_has_it(
    client: httpx.AsyncClient, body: dict[str, object], pointer: str
) -> None:
    """In the body of an event it would be kept, and stop whoever puts it into a table."""
    answer = await client.post("/said", content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert (await client.post("/said", json={"reason": "a\nb \\u0000 😀", "any": {"x": [1, None]}})).status_code == 200


@pytest.mark.parametrize("written", ["2026", " 2026", "1780000000", "1.5", "-1", "soon", "2026-03-04T10:15:00", ""])
async def test_an_instant_is_never_a_number(client: httpx.AsyncClient, written: str) -> None:
    """A year would be a second of the first of January 1970, and a correction since then one of all there is."""
    answer = await client.get("/instant", params={"at": written})

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/at")
    assert (await client.get("/instant", params={"at": "2026-03-04T10:15:00+01:00"})).json() == "2026-03-04T09:15:00Z"


async def test_head_is_answered_as_get_is_without_the_body(client: httpx.AsyncClient) -> None:
    whole, head = await client.get("/whoami", headers=token("")), await client.head("/whoami", headers=token(""))
    refused = await client.head("/whoami")
    stream = await asyncio.wait_for(client.head("/endless"), 5)

    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(whole.headers)
    assert (refused.status_code, refused.content) == (401, b"")
    assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_a_wrong_method_is_told_all_that_the_path_answers(client: httpx.AsyncClient) -> None:
    wrong, another = await client.delete("/whoami"), await client.head("/body")

    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (another.status_code, another.headers["allow"]) == (405, "POST")


async def test_a_caller_without_a_token_is_told_how_to_send_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/whoami")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await client.get("/whoami", headers=token(""))).json() == "me"


async def test_a_wait_that_is_too_long_says_ask_again(client: httpx.AsyncClient) -> None:
    answer = await client.get("/never")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_health_tells_apart_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text.splitlines()) == (
        503, ["not ready", "waits for PostgreSQL", "goes on without Kafka: KafkaConnectionError"],
    )  # fmt: skip
    assert "attain_consumer_folded_total" in (await client.get("/metrics")).text


async def test_who_has_loops_that_stand_still_names_them_and_is_not_alive() -> None:
    async def unasked() -> bool:
        raise AssertionError

    app = FastAPI()
    app.include_router(operations_router(ready=unasked, stuck=lambda: ["relay", "writer"], lag=unasked))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/livez")

    assert (answer.status_code, answer.text) == (503, "no progress: relay, writer")


async def test_lag_is_for_operators(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/lag", headers=token("records:read"))).status_code == 403
    of_one = (await client.get("/v1/lag", headers=token("admin"))).json()
    assert of_one["blocked_learners"] == 1
    assert (await client.get("/v1/lag", headers=token("admin service"))).json() == {
        "stages": [
            {
                "name": "x",
                "behind_events": 7,
                "behind_seconds": 1.5,
                "shards": [{"shard": 3, "behind_events": 7, "behind_seconds": 1.5}],
            }
        ],
        "blocked_learners": 2,
    }


async def test_scrape_shows_how_far_the_stages_are(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/metrics")).text

    assert 'attain_stage_behind_events{stage="x"} 7.0' in shown
    assert 'attain_stage_behind_seconds{stage="x"} 1.5' in shown
    assert 'attain_shard_behind_seconds{shard="3",stage="x"} 1.5' in shown
    assert "attain_lag_unknown 0.0" in shown
    assert "attain_blocked_learners 2.0" in shown
    assert re.search(r"^attain_event_loop_delay_seconds \d", shown, re.MULTILINE)


@pytest.mark.parametrize("unknown", [Unavailable("the producer is away"), None])
async def test_scrape_answers_where_lag_cannot_be_seen(unknown: Exception | None) -> None:
    async def lag() -> list[Stage]:
        if unknown is not None:
            raise unknown
        return [Stage("intake", None, None)]

    async def ready() -> Readiness:
        return Readiness()

    app = FastAPI()
    app.include_router(operations_router(ready=ready, stuck=list, lag=lag))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert "attain_lag_unknown 1.0" in answer.text


async def test_requests_are_counted_by_route_and_never_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/raise/Ada")
    await client.get("/nowhere/Ada")
    await client.get("/number?n=1")
    shown = (await client.get("/metrics")).text

    assert 'attain_http_requests_total{method="GET",route="/number",status="200"}' in shown
    assert 'attain_http_requests_total{method="GET",route="/raise/{name}",status="500"}' in shown
    assert 'attain_http_requests_total{method="GET",route="unmatched",status="404"}' in shown
    assert 'attain_http_request_seconds_count{route="/number"}' in shown
    assert "Ada" not in shown
    assert 'route="/metrics"' not in shown


async def test_how_long_answers_take_is_not_told_by_those_who_ask_to_wait(client: httpx.AsyncClient) -> None:
    def answered() -> float | None:
        return REGISTRY.get_sample_value("attain_http_request_seconds_count", {"route": "/number"})

    await client.get("/number?n=1")
    before = answered()
    await client.get("/number?n=1&wait=evidence.1.0.7")

    assert before
    assert answered() == before


async def test_every_answer_has_safe_headers(client: httpx.AsyncClient) -> None:
    for path, status in (("/livez", 200), ("/v1/lag", 401), ("/nowhere", 404), ("/raise/bug", 500)):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), path
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert (await client.get("/v1/lag")).headers["Cache-Control"] == "no-store"
    assert "script-src 'self' 'unsafe-inline'" in (await client.get("/docs")).headers["Content-Security-Policy"]


async def test_who_asks_too_fast_is_told_when_to_come_again(small: Settings) -> None:
    app = make_app("test", "", Authenticator(small.model_copy(update={"requests_per_s": 1})), None)

    @app.get("/whoami")
    async def whoami(caller: Caller) -> str:
        return caller.subject

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answers = [await client.get("/whoami", headers=token("admin")) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json()["title"] == "Too many requests"


async def test_who_scrapes_at_once_shares_a_measurement() -> None:
    """Anybody may scrape: a flood of it is no flood of questions to the database and to Kafka."""
    asked = 0

    async def lag() -> list[Stage]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)
        return [Stage.of_shards("x", [ShardLag(3, asked, 1.5)])]

    async def ready() -> Readiness:
        return Readiness()

    app = FastAPI()
    app.include_router(operations_router(ready=ready, stuck=list, lag=lag))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(50)))
        later = await client.get("/metrics")

    assert {answer.status_code for answer in answers} == {200}
    assert asked == 2
    assert 'attain_stage_behind_events{stage="x"} 2.0' in later.text
