import json
import logging

import pytest

from shared.observability import PLACES, JsonLines, configure_logging


@pytest.fixture(autouse=True)
def root_as_it_was() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


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
