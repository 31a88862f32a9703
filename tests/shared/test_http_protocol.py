"""
What has no end, in size or in time: heads, bodies, and answers that nobody reads.

And what one request leaves to the next on its connection.
"""

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from shared.http_protocol import HEAD_BYTES_MAX
from tests.support.producer import free_port

LARGE = 32 << 20
PROGRAM = """
import sys
from pathlib import Path
from fastapi import Request, Response
from prometheus_client import generate_latest
from shared import http_protocol, service
from shared.settings import Settings
from shared.tenancy import bind, current_tenant

http_protocol.HEAD_S, http_protocol.READ_S, http_protocol.READ_BYTES_PER_S = 1, 1, 1 << 30
LARGE = int(sys.argv[2])
async def compose(app, config, stack):
    @app.get("/livez")
    async def livez():
        return "ok"
    @app.post("/size")
    async def size(request: Request):
        return len(await request.body())
    @app.get("/metrics")
    async def metrics():
        return Response(generate_latest())
    @app.get("/large")
    async def large():
        return Response(bytes(LARGE))
    @app.get("/bound")
    async def bound(tenant: str = ""):
        before = current_tenant()
        if tenant:
            bind(tenant)
        return f"was {before}"
config = Settings(port=int(sys.argv[1]), token_key_file=Path("none"), body_s=1, body_bytes_per_s=10_000)
service.serve(service.make_service("test", "", config, compose), config)
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port), str(LARGE)])
    deadline = time.monotonic() + 20
    try:
        while b"ok" not in _sent(port, _get("/livez")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *headers, "Connection: close", "", "")).encode()


def _sent(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send parts on one connection and return all that is answered until it ends, in ten seconds at most."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(OSError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
        while more := connection.recv(1 << 16):
            answer += more
    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * HEAD_BYTES_MAX,
        b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(70)),
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES_MAX,
    ],
    ids=["address", "headers", "one header"],
)
def test_a_head_without_an_end_is_refused(port: int, head: bytes) -> None:
    answer = _sent(port, head)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in answer


def test_a_head_just_within_the_limit_is_read(port: int) -> None:
    filled = _get("/livez", "X: " + "a" * (HEAD_BYTES_MAX - 100))

    assert _sent(port, filled).startswith(b"HTTP/1.1 200 ")


def test_what_frames_a_body_in_small_parts_is_no_head(port: int) -> None:
    part = b"1\r\na\r\n"
    body = b"".join(part for _ in range(HEAD_BYTES_MAX // 2))
    head = b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert len(body) > 2 * HEAD_BYTES_MAX
    assert _sent(port, head, body, b"0\r\n\r\n").endswith(str(HEAD_BYTES_MAX // 2).encode())


def test_trailers_without_an_end_end_the_connection(port: int) -> None:
    head = b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    trailers = (b"X-%d: " % number + b"a" * 10_000 + b"\r\n" for number in range(1000))

    began = time.monotonic()
    assert b"200 OK" not in _sent(port, head, *trailers)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("parts", [(), (b"G",) * 30], ids=["says nothing", "a byte now and then"])
def test_a_head_that_takes_too_long_ends_the_connection(port: int, parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    _sent(port, *parts, pause_s=0.2)

    assert time.monotonic() - began < 8


def test_what_follows_an_answer_is_waited_for_as_long_as_a_connection_is_kept(port: int) -> None:
    first = _get("/livez").replace(b"Connection: close\r\n", b"")

    assert _sent(port, first, _get("/livez"), pause_s=1.5).count(b"HTTP/1.1 200 ") == 2


def test_a_request_is_not_bound_to_the_tenant_of_the_one_before_it_on_its_connection(port: int) -> None:
    bound = _get("/bound?tenant=a").replace(b"Connection: close\r\n", b"")

    assert re.findall(rb'"was (\w+)"', _sent(port, bound + bound + _get("/bound"))) == [b"None"] * 3


SLOWLY = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("parts", [(), (b"a",) * 40], ids=["nothing", "a byte now and then"])
def test_a_body_that_takes_too_long_is_refused_and_its_connection_ends(port: int, parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    answer = _sent(port, SLOWLY, *parts, pause_s=0.2)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert time.monotonic() - began < 9


def test_a_large_body_may_take_longer_than_a_small_one(port: int) -> None:
    head = b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 80000\r\n\r\n"

    assert _sent(port, head, *(b"a" * 8000,) * 10, pause_s=0.2).endswith(b"\r\n\r\n80000")


def test_what_goes_on_behind_its_answer_ends_with_the_connection(port: int) -> None:
    head = b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"

    began = time.monotonic()
    assert _sent(port, head, *(b"a",) * 40, pause_s=0.2).startswith(b"HTTP/1.1 405 ")
    assert time.monotonic() - began < 9


@pytest.mark.parametrize(("pause_s", "is_whole"), [(3.0, False), (0.1, True)], ids=["for long", "slowly"])
def test_an_answer_that_is_not_read_ends_with_the_connection(port: int, pause_s: float, is_whole: bool) -> None:
    read = 0
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(_get("/large"))
        time.sleep(pause_s)
        while more := connection.recv(1 << 20):
            read += len(more)
            time.sleep(min(pause_s, 0.01))
    assert (read > LARGE) is is_whole


OFFERS = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
"""What clients in Java send by themselves."""


@pytest.mark.parametrize("pause_s", [0.0, 0.3], ids=["at once", "behind its head"])
def test_a_body_is_none_the_less_where_another_protocol_is_offered(port: int, pause_s: float) -> None:
    inner = b"GET /bound HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /size HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (OFFERS, len(inner))
    chunked = head.replace(b"Content-Length: %d" % len(inner), b"Transfer-Encoding: chunked")

    assert re.findall(rb"\r\n\r\n(\S+?)(?=HTTP|$)", _sent(port, head, inner, _get("/livez"), pause_s=pause_s)) == [
        b"%d" % len(inner), b'"ok"',
    ]  # fmt: skip
    assert _sent(port, chunked, b"1\r\na\r\n0\r\n\r\n", _get("/livez"), pause_s=pause_s).count(b" 200 OK") == 2


def test_nothing_is_connected_to(port: int) -> None:
    assert _sent(port, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_body_that_breaks_off_is_no_failure_of_the_service(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(SLOWLY + b"aaa")
    time.sleep(0.3)

    counted = _sent(port, _get("/metrics")).decode()
    assert 'attain_http_requests_total{method="POST",route="/size",status="400"}' in counted
    assert 'status="500"' not in counted
