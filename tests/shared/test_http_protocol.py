"""Requests whose heads have no end, in size or in time, and what one request leaves to the next on its connection."""

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

PROGRAM = """
import sys
from pathlib import Path
from fastapi import Request
from shared import http_protocol, service
from shared.settings import Settings
from shared.tenancy import bind, current_tenant

http_protocol.HEAD_S = 1
async def compose(app, config, stack):
    @app.get("/livez")
    async def livez():
        return "ok"
    @app.post("/size")
    async def size(request: Request):
        return len(await request.body())
    @app.get("/bound")
    async def bound(tenant: str = ""):
        before = current_tenant()
        if tenant:
            bind(tenant)
        return f"was {before}"
config = Settings(port=int(sys.argv[1]), token_key_file=Path("none"))
service.serve(service.make_service("test", "", config, compose), config)
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)])
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
