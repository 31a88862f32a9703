"""The native format refuses what it does not understand, and names the member."""

import datetime
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.domain.evidence import evidence_id
from services.evidence.domain.telling import recorded
from services.evidence.formats import native
from shared.contracts.native import moved
from shared.errors import InvalidEvent
from shared.events import utc
from shared.shards import stable_id
from tests.evidence.builders import LATEST, item

BAD: list[tuple[str, bytes | dict[str, Any], str, str]] = [
    ("cut off", b'{"id": "a1",', "malformed_json", ""),
    ("not UTF-8", b'{"id": "\xff"}', "not_utf8", ""),
    ("nested too deep", item(extensions={"x": json.loads("[" * 39 + "]" * 39)}), "too_deep", ""),
    ("nested far too deep", b'{"extensions":{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "too_deep", ""),
    ("UTF-16", json.dumps(item()).encode("utf-16"), "malformed_json", ""),
    ("a member twice", b'{"id": "a1", ' + json.dumps(item()).encode()[1:], "duplicate_member", "/id"),
    ("NaN", json.dumps(item(score={"raw": float("nan"), "max": 4})).encode(), "malformed_json", ""),
    ("infinity", b'{"score": {"raw": 1e999}}', "invalid", "/score/raw"),
    ("an array", b"[]", "invalid", ""),
    ("no id", item(id=None), "missing_member", "/id"),
    ("empty id", item(""), "invalid", "/id"),
    ("long id", item("x" * 513), "invalid", "/id"),
    ("control character", item("a\n1"), "invalid", "/id"),
    ("NUL", item(learner="a\x00"), "invalid", "/learner"),
    ("NUL in a level", item(score={"level": "a\x00", "scale": "letters"}), "invalid", "/score/level"),
    ("NUL in a scale", item(score={"level": "a", "scale": "\x00"}), "invalid", "/score/scale"),
    ("NUL in an accommodation", item(accommodations=["more time", "\x00"]), "invalid", "/accommodations/1"),
    ("number for id", item(id=7), "invalid", "/id"),
    ("unknown member", item(colour="red"), "unknown_member", "/colour"),
    ("unknown member inside", item(activity={"id": "q", "a/b~c": 1}), "unknown_member", "/activity/a~1b~0c"),
    ("no learner", item(learner=None), "missing_member", "/learner"),
    ("no score", item(score=None), "missing_member", "/score"),
    ("neither competency nor activity", item(competencies=None), "missing_member", "/competencies"),
    ("competency without framework", item(competencies=["math:1", "2"]), "invalid", "/competencies/1"),
    ("competency of a wrong type", item(competencies=["math:1", 2]), "invalid", "/competencies/1"),
    ("raw below min", item(score={"raw": 1, "min": 2, "max": 4}), "invalid", "/score/raw"),
    ("negative raw", item(score={"raw": -1, "max": 4}), "invalid", "/score/raw"),
    ("max not above min", item(score={"raw": 4, "min": 4, "max": 4}), "invalid", "/score/max"),
    ("min and max too far apart", item(score={"raw": 1e308, "min": -1e308, "max": 1e308}), "invalid", "/score/max"),
    ("raw without max", item(score={"raw": 4}), "missing_member", "/score/max"),
    ("max without raw", item(score={"max": 4}), "missing_member", "/score/raw"),
    ("scaled out of range", item(score={"scaled": 1.01}), "invalid", "/score/scaled"),
    ("level on no scale", item(score={"level": "B"}), "missing_member", "/score/scale"),
    ("empty score", item(score={}), "missing_member", "/score/raw"),
    ("text for a number", item(score={"raw": "3", "max": 4}), "invalid", "/score/raw"),
    ("time without zone", item(occurred_at="2026-03-04T10:15:00"), "invalid", "/occurred_at"),
    ("time in the future", item(occurred_at="2126-03-04T10:15:00Z"), "future_time", "/occurred_at"),
    ("time before time", item(occurred_at="0001-01-01T00:00:00+02:00"), "invalid", "/occurred_at"),
    ("very old", item(occurred_at="1899-12-31T23:59:59Z"), "invalid", "/occurred_at"),
    ("no time", item(occurred_at="yesterday"), "invalid", "/occurred_at"),
    ("unknown kind", item(kind="exam"), "invalid", "/kind"),
    ("attempt 0", item(attempt=0), "invalid", "/attempt"),
    ("dok 5", item(dok=5), "invalid", "/dok"),
    ("two targets", item(supersedes="x", retracts="y"), "invalid", "/supersedes"),
    ("supersedes itself", item(supersedes="a1"), "self_target", "/supersedes"),
    ("retracts itself", item(retracts="a1", score=None), "self_target", "/retracts"),
]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"occurred_at": "2026-03-04"}, "expected an instant with its offset, such as 2026-03-04T10:15:00Z"),
        ({"occurred_at": "2026-03-04T10:15:00"}, "expected an instant with its offset, such as 2026-03-04T10:15:00Z"),
        ({"occurred_at": 1772619300}, "expected an instant with its offset, such as 2026-03-04T10:15:00Z"),
        ({"kind": "quiz"}, "expected one of summative, formative, performance, observation, practice, self"),
        ({"assessor": {"type": "teacher"}}, "expected one of human, auto, peer, self"),
        ({"score": {"scaled": 75}}, "expected a number from -1 to 1, and no percentage"),
        ({"score": 75}, 'expected an object, such as {"raw": 7, "max": 10}'),
        ({"competencies": "math:add"}, 'expected a list of at most 100, such as ["math:add"]'),
    ],
)
def test_who_makes_a_likely_mistake_is_told_what_is_expected(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidEvent) as read:
        native.read(json.dumps(item(**wrong)).encode(), "t", LATEST)
    with pytest.raises(InvalidEvent) as built:
        native.build("t", item(**wrong), LATEST)

    assert (read.value.detail, read.value.members["reason"]) == (said, "invalid")
    assert built.value.detail == said


@pytest.mark.parametrize(("raw", "reason", "pointer"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_items_are_refused_by_name(raw: bytes | dict[str, Any], reason: str, pointer: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        native.read(raw if isinstance(raw, bytes) else json.dumps(raw).encode(), "demo", LATEST)

    assert (refusal.value.members["reason"], refusal.value.pointer) == (reason, pointer)


@pytest.mark.parametrize(
    "good",
    [
        item(score={"raw": 5, "max": 4}),
        item(score={"raw": 0, "max": 4}),
        item(score={"scaled": -1}),
        item(score={"level": "B", "scale": "letters"}),
        item(competencies=None, activity={"id": "quiz-7"}),
        item(score=None, competencies=None, learner=None, retracts="a0"),
        item(supersedes=None) | {"supersedes": None, "retracts": None, "kind": None},
        item("ünïcødé ☂", extensions={"https://x.example/y": [1, {"z": "\u0000"}]}),
    ],
)
def test_good_items_are_read(good: dict[str, Any]) -> None:
    assert native.read(json.dumps(good).encode(), "demo", LATEST).content.id == good["id"]


def test_order_space_zone_and_defaults_do_not_make_other_content() -> None:
    written = item(extensions={"b": 1, "a": 2})
    other = dict(reversed(list(written.items()))) | {
        "occurred_at": "2026-03-04T12:15:00.000+02:00", "attempt": 1, "extensions": {"a": 2, "b": 1},
        "score": {"raw": 3.0, "max": 4.0, "min": 0},
    }  # fmt: skip

    one = native.read(json.dumps(written).encode(), "demo", LATEST)
    two = native.read(json.dumps(other, indent=2).encode(), "demo", LATEST)

    assert one.digest == two.digest


@given(st.datetimes(datetime.datetime(1900, 1, 2), datetime.datetime(2026, 5, 30)), st.integers(-840, 840))
def test_instants_are_written_in_the_one_form(moment: datetime.datetime, east_min: int) -> None:
    moment = moment.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=east_min)))

    read = native.read(json.dumps(item(occurred_at=moment.isoformat())).encode(), "demo", LATEST)

    assert read.content.occurred_at == utc(moment)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_evidence_ids_are_the_stable_ids(source: str, id: str) -> None:
    assert evidence_id("demo", source, id) == stable_id("demo", source, id)


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"score": {"raw": 2, "max": 4, "min": 1}}, {"score": {"scaled": 0.5}}, {"score": {"level": "B", "scale": "letters"}},
        {"score": {"level": 3, "scale": "rubric"}, "kind": "performance", "attempt": 2, "assisted": True, "dok": 3},
        {"activity": {"id": "q", "name": "Quiz", "kind": "quiz", "items": 9}, "assessor": {"id": "tea", "type": "human"},
         "accommodations": ["extra_time"], "extensions": {"a": {"b": 1}}},
        {"assessor": {"type": "auto"}, "competencies": ["math:1", "math:2"]},
        {"competencies": None, "activity": {"id": "q"}}, {"competencies": None, "standard": "outcome:1", "dok": 3},
    ],
)  # fmt: skip
def test_a_piece_is_recorded_for_another_learner_with_all_that_it_had(changes: dict[str, Any]) -> None:
    """From what evidence answers of it, which is what its event tells and what is kept beside."""
    taken = native.read(json.dumps(item(**changes)).encode(), "demo", LATEST)
    told = json.loads(recorded(taken, "l1", 0, "2026-03-05T00:00:00.000000Z").body)["data"]
    private = json.loads(taken.private or b"{}")
    asked = {"asked": {"by": taken.content.align_by, "dok": private.get("dok")}} if taken.content.align_by else {}
    piece = {"source": taken.content.source, "id": taken.content.id, "content": told | private | asked}
    again, twice = (moved(piece, "l2", "bo", "the row below", "tea") for _ in range(2))
    content = native.read(json.dumps(again).encode(), "demo", LATEST).content

    assert again == twice
    assert (content.learner, content.supersedes, content.source) == ("bo", "a1", taken.content.source)
    assert content.extensions == {**(taken.content.extensions or {}), "reason": "the row below", "moved_by": "tea"}
    same = {"id": "a1", "learner": "ada", "supersedes": None, "extensions": taken.content.extensions}
    assert msgspec.structs.replace(content, **same) == taken.content
