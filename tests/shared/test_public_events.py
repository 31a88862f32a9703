"""The contract of public events: described, and readable by older and newer readers."""

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from faststream.kafka import KafkaBroker

from services.evidence.entrypoints.kafka import tenant_of
from services.evidence.formats.native import Native
from shared.asyncapi import DATA, document
from shared.contracts.competency_events import Mastered
from shared.contracts.public_events import ADVANCEMENT_EVENTS, SNAPSHOT_AMENDED, SNAPSHOT_CLOSED
from shared.contracts.public_members import PublicEvent
from shared.contracts.support_events import SUPPORT_EVENTS
from shared.event_log import EventLog
from shared.events import envelope, now, placed, resharded, tombstone
from tests.shared.wire.samples import samples
from tests.support.cloudevents import check_cloudevent
from tests.support.described import closed

COMMON: dict[str, object] = {
    "learner": {"id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "refs": []},
    "scope": {"kind": "competency", "id": "math:c1", "framework": "math"},
    "seq": 64, "effective_at": "2026-03-02T10:00:00.000000Z", "decided_at": "2026-03-02T10:00:01.000000Z",
    "cause": {"kind": "evidence", "id": "e1"}, "reason": {"code": "mastered", "text": "The rule of the policy is met."},
}  # fmt: skip
TRANSITION: dict[str, object] = {"before": "not_yet", "after": "mastered", "basis": {"kind": "evidence"}}
BY = {"role": "teacher", "ref": "t-12"}
AMENDED: dict[str, object] = {
    "session": "2025-26 spring", "digest": "2c3d", "before": "mastered", "after": "not_yet"
}  # fmt: skip
PARTICULAR: dict[str, dict[str, object]] = {
    "attain.competency.reverify_due.v1": {"why": "age"},
    "attain.competency.override_contested.v1": {"computed": "not_yet"},
    "attain.level.withheld.v1": {"decided_by": BY},
    "attain.level.review_required.v1": {"owner": "teacher", "decide_by": "2026-04-01T00:00:00.000000Z"},
    "attain.level.withdrawn.v1": {"by": BY},
    "attain.level.reinstated.v1": {"by": BY},
    "attain.goal.chosen.v1": {"by": BY},
    SNAPSHOT_AMENDED: AMENDED,
    "attain.support.suggested.v1": {
        "side": "learning", "need": "work_below_the_cut", "owner": "teacher", "respond_by": "2026-03-09"
    },
    "attain.support.closed.v1": {"outcome": "progress", "days": 3},
}  # fmt: skip


RECALCULATION: dict[str, object] = {
    "batch": "b1", "framework": "math", "to": {"id": "bar", "version": "0a", "hash": "0a1b"}, "mode": "retroactive",
    "approved_by": "p-2", "part": {"shard": 0, "of": 8}, "decided_at": "2026-03-02T10:00:01.000000Z",
    "cause": {"kind": "policy", "id": "d1"}, "reason": {"code": "started", "text": "A policy is applied."},
}  # fmt: skip


CLOSING: dict[str, object] = {
    "learner": COMMON["learner"], "session": "2025-26 spring", "digest": "0a1b", "standings": 2, "closed_by": "office",
    "seq": 64, "effective_at": "2026-03-02T10:00:01.000000Z", "decided_at": "2026-03-02T10:00:01.000000Z",
    "cause": {"kind": "decision", "id": "d1"}, "reason": {"code": "closed", "text": "The term is closed."},
}  # fmt: skip


IDENTITY: dict[str, object] = {
    "learner": COMMON["learner"], "decided_at": "2026-03-02T10:00:01.000000Z", "cause": {"kind": "identity", "id": "i1"},
    "reason": {"code": "merged", "text": "They are the same person."},
}  # fmt: skip


def smallest(type: str) -> dict[str, object]:
    """Return the least that an event of a type ever had."""
    if type.startswith("attain.recalculation."):
        return RECALCULATION
    if type == SNAPSHOT_CLOSED:
        return CLOSING
    if type == SNAPSHOT_AMENDED:
        return COMMON | AMENDED
    if type.startswith("attain.learner."):
        return IDENTITY | (
            {"certificate": "c1"} if type == "attain.learner.erased.v1" else {"from": "l1", "into": "l2"}
        )
    return COMMON | TRANSITION | PARTICULAR.get(type, {})


@pytest.mark.parametrize("type", ADVANCEMENT_EVENTS | SUPPORT_EVENTS)
def test_an_old_event_is_read_by_new_readers_and_a_new_one_by_old_readers(type: str):
    kind = (ADVANCEMENT_EVENTS | SUPPORT_EVENTS)[type]
    old = msgspec.json.encode(smallest(type))
    new = msgspec.json.encode(smallest(type) | {"a_member_of_2031": {"anything": [1, 2]}})

    read = msgspec.json.decode(old, type=kind)
    if isinstance(read, PublicEvent):
        assert read.mode == "live"
    assert msgspec.json.decode(new, type=kind) == read


@pytest.mark.parametrize("member", [*COMMON, *TRANSITION])
def test_what_every_event_has_is_never_missing(member: str):
    content = {name: value for name, value in smallest("attain.competency.mastered.v1").items() if name != member}

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(content, Mastered)


def described(content: dict[str, Any], type: str) -> jsonschema_rs.Draft202012Validator:
    """Return what holds events of a type against the document, strictly."""
    payload = content["components"]["messages"][type]["payload"]
    return jsonschema_rs.Draft202012Validator(closed(payload | {"components": content["components"]}))


@pytest.mark.parametrize("log", DATA)
def test_the_document_describes_what_is_sent_whole_and_nothing_else(log: str):
    content = document("", KafkaBroker(), [EventLog(log, 4)], "")
    types = content["channels"][f"attain.{log}"]["messages"]
    written = [
        envelope(id="e1", source="s", type=type, tenant="t", subject="s", time=now(), data=data, cause=cause)
        for type, kind in DATA[log].items()
        for data, cause in zip(samples(kind), ("", "e0"), strict=True)
    ]
    for body in (*written, tombstone(log, "t", "ab" * 32), resharded(log, "0.1")):
        event = check_cloudevent(placed(body, 1, 0, 1))
        described(content, event["type"]).validate(event)
        for member in event.keys() - {"causationid"}:
            less = {name: value for name, value in event.items() if name != member}
            assert not described(content, event["type"]).is_valid(less)
        assert not described(content, event["type"]).is_valid(event | {"unheard_of": 1})
    assert types.keys() == DATA[log].keys() | {f"attain.{log}.redacted.v1", f"attain.{log}.resharded.v1"}


def test_the_document_describes_every_type_down_to_the_learners_references():
    content = document("progression", KafkaBroker(), [EventLog("advancement", 4)], "")
    channel = content["channels"]["attain.advancement"]

    schemas = json.dumps(content["components"]["schemas"])
    for member in ("refs", "effective_at", "evidence_ids", "unlocks_count", "decide_by", "batch"):
        assert f'"{member}"' in schemas
    for name in channel["messages"]:
        reference = content["components"]["messages"][name]["payload"]["properties"]["data"]["$ref"]
        assert reference.rpartition("/")[2] in content["components"]["schemas"]


def test_the_document_describes_what_producers_submit():
    broker = KafkaBroker()
    broker.subscriber("attain.evidence.submitted")(print)
    content = document("evidence", broker, [], "", Native)
    [name] = content["channels"]["attain.evidence.submitted"]["messages"]
    message = content["components"]["messages"][name]

    payload = jsonschema_rs.Draft202012Validator(message["payload"] | {"components": content["components"]})
    item = {
        "id": "quiz-7-ada", "source": "https://lms.example.edu", "learner": "ada", "competencies": ["math:add"],
        "score": {"raw": 3, "max": 4}, "occurred_at": "2026-03-04T10:15:00Z",
    }  # fmt: skip
    assert payload.is_valid(item)
    assert not payload.is_valid(item | {"scroe": 1})
    for headers, is_taken in (({"tenant": "demo"}, True), ({"tenant": "De mo"}, False), ({}, False)):
        raw = [(header, value.encode()) for header, value in headers.items()]
        assert jsonschema_rs.Draft202012Validator(message["headers"]).is_valid(headers) == is_taken
        assert (tenant_of(raw) is not None) == is_taken
    assert message["contentType"] == "application/json"
