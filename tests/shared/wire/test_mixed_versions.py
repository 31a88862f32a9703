"""Services of two versions work together: each reads what the other writes, and folds it to the same."""

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shared.asyncapi import DATA
from shared.contracts import EVENTS, EvidenceRecorded, EvidenceRetracted
from tests.shared.wire.compatibility import GOLDEN, breaks, current
from tests.support.journal import STREAK_3, Decided, Journal, piece, retract

RECORDED = json.loads(GOLDEN.read_text())
Change = Callable[[dict[str, Any]], object]


def test_no_contract_breaks_the_version_before() -> None:
    assert list(breaks(RECORDED, current())) == []


def test_the_contracts_of_this_version_are_recorded() -> None:
    """What is added is part of the next version's past: python -m tests.shared.wire.compatibility records it."""
    assert current() == RECORDED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda now: now["components"]["EvidenceRecorded"]["properties"].pop("source"), "EvidenceRecorded.source is gone"),
        (lambda now: now["components"]["EvidenceRecorded"]["properties"].update(new={}), None),
        (lambda now: now["components"]["EvidenceRecorded"]["required"].append("kind"), "kind had a default and has none"),
        (lambda now: now["components"]["EvidenceRecorded"]["required"].remove("learner"), "learner may be left out"),
        (lambda now: now["components"]["Score"]["properties"].update(max={"type": "string"}), "Score.max was"),
        (lambda now: now["components"].pop("Touched"), "Touched is gone"),
        (lambda now: now["events"].pop("attain.evidence.recorded.v1"), "attain.evidence.recorded.v1 was"),
    ],
)  # fmt: skip
def test_a_change_that_breaks_is_named(change: Change, expected: str | None) -> None:
    now = copy.deepcopy(RECORDED)
    change(now)
    found = list(breaks(RECORDED, now))

    assert [text for text in found if expected is not None and expected in text] == found
    assert bool(found) == (expected is not None)


def test_a_new_member_without_a_default_breaks() -> None:
    now = copy.deepcopy(RECORDED)
    now["components"]["EvidenceRecorded"]["properties"]["room"] = {"type": "string"}
    now["components"]["EvidenceRecorded"]["required"].append("room")

    assert any("room is new and has no default" in text for text in breaks(RECORDED, now))


@pytest.mark.parametrize("type_", sorted({t for log in DATA.values() for t in log.values()}, key=str))
def test_a_reader_passes_over_members_that_a_newer_version_writes(type_: type[msgspec.Struct]) -> None:
    config = type_.__struct_config__

    assert not config.forbid_unknown_fields
    assert not config.array_like


def _journal(events: list[EvidenceRecorded | EvidenceRetracted]) -> dict[Any, Any]:
    return Journal().fold([Decided(policy=STREAK_3), *events]).settle().values()


def test_events_of_the_version_before_and_after_fold_the_same() -> None:
    """The version before left out what it did not know; the one after adds what we do not know."""
    pieces = [piece(n, correct=float(n != 2)) for n in range(7)]
    events: list[EvidenceRecorded | EvidenceRetracted] = [*pieces, retract(pieces[6]), piece(9, day=2)]
    required = {
        name: set(RECORDED["components"][name]["required"]) for name in ("EvidenceRecorded", "EvidenceRetracted")
    }
    before, after = [], []
    for event in events:
        data = msgspec.to_builtins(event)
        needed = required[type(event).__name__]
        oldest = {name: value for name, value in data.items() if name in needed or value not in ((), [], None)}
        before.append(msgspec.json.decode(msgspec.json.encode(oldest), type=type(event)))
        after.append(msgspec.json.decode(msgspec.json.encode(data | {"of_tomorrow": [1, {"a": 2}]}), type=type(event)))

    assert _journal(before) == _journal(events) == _journal(after)
    assert any("mastered" in value for value in map(str, _journal(events).values()))


def test_every_event_that_crosses_a_service_has_a_contract() -> None:
    assert {name for log in EVENTS.values() for name in log} <= RECORDED["events"].keys()
