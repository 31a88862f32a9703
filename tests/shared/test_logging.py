"""Structured log entries say whose and where, by tenant, shard and position, and nothing that names a person."""

import ast
import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from shared.auth import Authenticator, issue_token
from shared.observability import PLACES, JsonLines, configure_logging
from shared.settings import Settings
from shared.tenancy import bind, bound_to
from shared.web import Caller, make_app
from tests.support.logs import logging_as_it_was

TREE = Path(__file__).parents[2]
KEY = bytes(32)
log = logging.getLogger("attain.test")


class Lines(logging.Handler):
    """Keeps what a collector of logs is given."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines("test"))
        self.entries: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@pytest_asyncio.fixture
async def client(local: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app("test", "", Authenticator(local), None)

    @app.get("/asked")
    async def asked(caller: Caller) -> None:
        log.warning("asked")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with logging_as_it_was():
        yield


def test_entry_is_one_json_object_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json", "progression")
    place = {"tenant": "demo", "shard": 3, "position": 17, "log": "evidence", "consumer": "progression"}

    logging.getLogger("shared.consumer").warning("shard %s\nwaits", 3, extra=place)
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)

    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "WARNING", "service": "progression", "logger": "shared.consumer", "message": "shard 3\nwaits", **place
    }  # fmt: skip
    assert set(place) == set(PLACES)


def test_only_known_places_are_written() -> None:
    record = logging.makeLogRecord({"msg": "x", "learner_name": "Ada", "shard": 1})

    assert "Ada" not in JsonLines("evidence").format(record)


def test_traceback_is_part_of_the_object() -> None:
    try:
        raise ValueError("of the fold")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, error, error.__traceback__)})
    entry = json.loads(JsonLines("evidence").format(record))

    assert "ValueError: of the fold" in entry["traceback"]


def test_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logging.getLogger("shared.relay").warning("relay starts over", extra={"shard": 1})

    assert capsys.readouterr().err.endswith(" WARNING shared.relay relay starts over\n")


@pytest.mark.parametrize(("level", "written"), [("DEBUG", ["a", "b", "d"]), ("INFO", ["b", "d"]), ("ERROR", [])])
def test_the_level_is_of_our_own_entries_and_libraries_warn_at_least(
    capsys: pytest.CaptureFixture[str], level: str, written: list[str]
) -> None:
    configure_logging(level)
    logging.getLogger("shared.relay").debug("a")
    logging.getLogger("services.reporting.handlers").info("b")
    logging.getLogger("fontTools.subset").info("c")
    logging.getLogger("fontTools.subset").warning("d")

    assert [line.rpartition(" ")[2] for line in capsys.readouterr().err.splitlines()] == written


@pytest.mark.parametrize("scope", ["records:read", "service"])
async def test_what_is_logged_for_a_request_bears_its_tenant_and_what_follows_does_not(
    client: httpx.AsyncClient, lines: Lines, scope: str
) -> None:
    """A service that asks for a tenant may reach all rows, and is logged under the tenant it asks for."""
    token = issue_token(KEY, subject="me", tenant="north", scope=scope, expires_s=60)
    asked = await asyncio.create_task(client.get("/asked", headers={"Authorization": f"Bearer {token}"}))
    log.warning("afterwards")

    assert asked.status_code == 200
    assert [(entry["message"], entry.get("tenant")) for entry in lines.entries] == [
        ("asked", "north"), ("afterwards", None),
    ]  # fmt: skip


async def test_what_a_tenant_begins_for_all_tenants_is_logged_under_none(lines: Lines) -> None:
    async def begin() -> None:
        bind("north")
        with bound_to(None):
            rebuild = asyncio.create_task(asyncio.to_thread(log.warning, "rebuilt"))
        await rebuild
        log.warning("begun")
        log.warning("of another", extra={"tenant": "south"})

    await asyncio.create_task(begin())

    assert [entry.get("tenant") for entry in lines.entries] == [None, "north", "south"]


def test_entries_are_given_places_only() -> None:
    """What else is given would not be shown, and might be a name."""
    given: dict[str, set[str]] = {}
    for file in [*(TREE / "services").rglob("*.py"), *(TREE / "shared").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                given.setdefault(file.name, set()).update(ast.literal_eval(key) for key in node.value.keys if key)

    assert {"relay.py", "outcome.py", "base.py"} <= given.keys()
    assert set().union(*given.values()) <= set(PLACES)
