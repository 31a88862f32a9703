"""A service stops in time, whatever hangs in it."""

import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.support.producer import free_port

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
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port), how], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not _answers(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=15)

    assert time.monotonic() - began < 6
    assert process.returncode in (code, -signal.SIGTERM if how == "stops" else code)
    assert ("did not stop within 2 s" in said) == (how == "hangs")


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
