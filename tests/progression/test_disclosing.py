"""Who was told what of a learner follows from the positions that readers were given and from where the events lie."""

import datetime
from typing import Any

import msgspec

from services.progression.domain.disclosing import Given, Public, Reader, Stood, Via, disclosures, public_of

DAY = datetime.date(2026, 3, 2)
START = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
EVENTS = [
    Public(pos, f"attain.{kind}.v1", START + datetime.timedelta(minutes=pos), framework, f"{framework}:{pos}")
    for pos, kind, framework in (
        (3, "competency.provisional", "math"), (7, "competency.mastered", "math"), (9, "level.ready", "art"),
    )
]  # fmt: skip


def given(via: Via, first: int, last: int, *, day: int = 0, learner: str = "", sent: bool = True, **more: Any) -> Given:
    at = START + datetime.timedelta(days=day, hours=1)
    reader, source = more.get("reader", "r"), more.get("source", "")
    return Given(via, reader, source, learner, DAY + datetime.timedelta(days=day), first, last, sent, at, at)


def reader(via: Via, **more: Any) -> Reader:
    return Reader("id", "school", via, more.pop("reader", "r"), "SIS", "seats in courses", **more)


def told(rows: list[Given], readers: list[Reader] | None = None, waiting: dict[str, int] | None = None) -> list[Any]:
    found = disclosures(EVENTS, rows, [], readers or [], waiting or {})
    return [(each.via, each.day and each.day.day, each.kinds) for each in found]


def test_a_reader_is_told_what_lies_in_its_positions_once_a_day_and_by_what_it_is_for():
    rows = [given("feed", 1, 4), given("feed", 3, 8), given("feed", 9, 9, day=1), given("stream", 10, 20)]
    found = disclosures(EVENTS, rows, [], [reader("feed")], {})

    assert [(each.day, each.events, each.name, each.purpose) for each in found] == [
        (DAY + datetime.timedelta(days=1), 1, "SIS", "seats in courses"), (DAY, 2, "SIS", "seats in courses"),
    ]  # fmt: skip
    assert found[1].scopes == ("math:3", "math:7")
    assert disclosures(EVENTS, rows, [], [], {})[0].purpose == "", "nobody has declared any"


def test_a_webhook_is_told_what_is_in_its_scope():
    of_level, of_maths = reader("webhook", types=("level.*",)), reader("webhook", frameworks=("math",))

    assert told([given("webhook", 1, 20)], [of_level]) == [("webhook", 2, {"level.ready": 1})]
    assert told([given("webhook", 1, 20)], [of_maths]) == [
        ("webhook", 2, {"competency.mastered": 1, "competency.provisional": 1})
    ]


def test_what_waits_is_not_told_and_what_is_sent_again_is_of_that_day():
    rows = [given("webhook", 1, 20)]
    assert told(rows, waiting={"r": 7}) == [("webhook", 2, {"competency.provisional": 1})]

    later = given("webhook", 7, 9, day=3, learner="ada")
    assert told([*rows, later]) == [
        ("webhook", 5, {"competency.mastered": 1, "level.ready": 1}), ("webhook", 2, {"competency.provisional": 1}),
    ]  # fmt: skip
    never = given("webhook", 7, 9, day=3, learner="ada", sent=False)
    assert told([*rows, never]) == [("webhook", 2, {"competency.provisional": 1})]


def test_of_kafka_it_is_said_who_could_read_from_when_and_no_day():
    until = START + datetime.timedelta(minutes=8)
    found = disclosures(EVENTS, [], [], [reader("kafka", since=START, until=until, types=("competency.*",))], {})

    [only] = found
    assert (only.via, only.day, only.since, only.until, only.events) == ("kafka", None, START, until, 2)
    assert told([], [reader("kafka", until=START)]) == []


def test_standings_tell_of_what_had_been_told_by_then():
    until = START + datetime.timedelta(minutes=8)
    [only] = disclosures(EVENTS, [], [Stood("r", DAY, START, until)], [reader("feed")], {})

    assert (only.via, only.name, only.purpose, only.day) == ("standings", "SIS", "seats in courses", DAY)
    assert (only.events, only.kinds, only.scopes) == (0, {"standing": 1}, ("math:3", "math:7"))


def test_what_was_erased_says_nothing():
    body = {"type": "attain.advancement.redacted.v1", "time": "2026-03-02T08:00:00.000000Z", "data": {}}

    assert public_of([(1, msgspec.json.encode(body))]) == []
