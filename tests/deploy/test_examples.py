"""The example consumer against a feed whose cursors end, as behind a restore or a re-shard, and in which a learner is erased."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "consumer.py"


class Feed(ThreadingHTTPServer):
    """Answers as `GET /v1/advancements` does: two events a page, behind a cursor of the generation in which it is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.generation = 1
        self.events: list[dict[str, Any]] = []


class Answer(BaseHTTPRequestHandler):
    server: Feed

    def do_GET(self) -> None:
        after = parse_qs(urlsplit(self.path).query).get("after", [f"{self.server.generation}-0"])[0]
        generation, _, read = after.partition("-")
        found = self.server.events[int(read) : int(read) + 2]
        body = json.dumps({"items": found, "next": f"{generation}-{int(read) + len(found)}"}).encode()
        self.send_response(200 if int(generation) == self.server.generation else 410)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def feed() -> Iterator[Feed]:
    with Feed() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def standings(feed: Feed, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    file = tmp_path / "consumer.db"
    settings = {
        "ATTAIN_PROGRESSION_URL": f"http://127.0.0.1:{feed.server_port}",
        "ATTAIN_TOKEN": "t",
        "CONSUMER_DB": str(file),
    }
    running = subprocess.Popen([sys.executable, str(EXAMPLE)], env=os.environ | settings)
    try:
        yield sqlite3.connect(file)
    finally:
        running.kill()
        running.wait()


def _told(learner: str, scope: str, seq: int, type: str = "attain.competency.mastered.v1") -> dict[str, Any]:
    return {"type": type, "data": {"learner": {"id": learner}, "scope": {"id": scope}, "seq": seq}}


def _until(standings: sqlite3.Connection, expected: list[tuple[str, str, int]]) -> None:
    deadline, found = time.monotonic() + 10, None
    while found != expected and time.monotonic() < deadline:
        time.sleep(0.05)
        try:
            found = standings.execute("select learner, scope, seq from standing order by 1, 2").fetchall()
        except sqlite3.OperationalError:  # it has not made its tables yet
            found = None
    assert found == expected


def test_what_was_told_in_a_time_that_was_lost_is_void_and_all_is_read_again(
    feed: Feed, standings: sqlite3.Connection
) -> None:
    feed.events = [_told("ada", "m:a", 64), _told("ada", "m:b", 128), _told("bob", "m:a", 192)]
    _until(standings, [("ada", "m:a", 64), ("ada", "m:b", 128), ("bob", "m:a", 192)])
    # Restored to before the last two; what came instead has numbers that were given before, or lower ones.
    feed.events, feed.generation = [_told("ada", "m:a", 64), _told("ada", "m:b", 127)], 2

    _until(standings, [("ada", "m:a", 64), ("ada", "m:b", 127)])


def test_who_is_erased_is_forgotten(feed: Feed, standings: sqlite3.Connection) -> None:
    feed.events = [_told("ada", "m:a", 64), _told("bob", "m:a", 128)]
    _until(standings, [("ada", "m:a", 64), ("bob", "m:a", 128)])
    feed.events = [*feed.events, {"type": "attain.learner.erased.v1", "data": {"learner": {"id": "ada"}}}]

    _until(standings, [("bob", "m:a", 128)])
