"""A service stops in time, whatever hangs in it, and until then keeps the connections of those who may come again."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import httpx
import pytest

from tests.support.producer import free_port

CLIENTS_KEEP_S = 5
"""As httpx does by default."""
PROGRAM = """
import asyncio, contextlib, sys
from pathlib import Path
from shared import service
from shared.settings import Settings

service.STOP_S_MAX = 2
async def compose(app, config, stack):
    async def stop():
        if sys.argv[2] == "hangs":
            await asyncio.Event().wait()
    stack.push_async_callback(stop)
    @app.get("/livez")
    async def livez():
        return "ok"
config = Settings(port=int(sys.argv[1]), token_key_file=Path("none"))
service.serve(service.make_service("test", "", config, compose), config)
"""


@pytest.mark.parametrize(("how", "code"), [("hangs", 1), ("stops", 0)])
def test_a_service_ends_in_time_whatever_hangs(how: str, code: int) -> None:
    with _serving(how) as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=15)

    assert time.monotonic() - began < 6
    assert process.returncode in (code, -signal.SIGTERM if how == "stops" else code)
    assert ("did not stop within 2 s" in said) == (how == "hangs")


def test_a_connection_outlives_the_pause_after_which_a_client_gives_it_up() -> None:
    with _serving("stops") as (_, port), contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/livez")
        connection.getresponse().read()
        asked_from = connection.sock.getsockname()
        time.sleep(CLIENTS_KEEP_S + 1)
        connection.request("GET", "/livez")
        answer = connection.getresponse()

        assert (answer.status, connection.sock.getsockname()) == (200, asked_from)


@contextlib.contextmanager
def _serving(how: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port), how], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    try:
        while not _answers(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
