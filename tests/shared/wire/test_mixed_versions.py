"""
Services of two versions work together: each reads what the other writes, and folds it to the same.

The earlier version is not described here but frozen (`earlier/`): its contracts, and bytes that its code wrote. The facts
themselves told to this version's services are in `tests/system/test_earlier_version.py`.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.progression.domain.inputs import decode
from services.progression.domain.policy import policy_from
from shared.asyncapi import DATA
from shared.contracts.internal_events import EVENTS
from tests.shared.wire.compatibility import GOLDEN, breaks, current
from tests.shared.wire.facts import STREAK_3, TWO_TIERS
from tests.shared.wire.frozen import FROZEN, Frozen, alike, shown, told
from tests.shared.wire.samples import samples
from tests.support.journal import Decided, Journal
from tests.support.public_events import members

RECORDED = json.loads(GOLDEN.read_text())
Change = Callable[[dict[str, Any]], object]
TYPES = {name: type for log in DATA.values() for name, type in log.items()}
BY_PEOPLE = {"eve", "fay", "gil"}
"""Learners on whom people decided, which the evidence log does not tell."""
HARMLESS = {
    "e1e2f57": {
        "SupportSuggested.need": "no code of that version reads the restricted log: there was no queue of support yet",
    },
}
"""Breaks that no reader of an earlier version meets, each with the reason."""
earlier = pytest.mark.parametrize("frozen", FROZEN, ids=lambda each: each.name)
each_event = pytest.mark.parametrize(
    ("frozen", "type"), [(frozen, type) for frozen in FROZEN for type in sorted(TYPES) if frozen.knows(type)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)  # fmt: skip
"""Each event that an earlier version knew; it passes over the others."""


@earlier
def test_no_contract_breaks_an_earlier_version(frozen: Frozen) -> None:
    harmless = HARMLESS.get(frozen.name, {})
    found = [text for text in breaks(frozen.contracts, current()) if text.partition(" ")[0] not in harmless]

    assert found == []


@earlier
def test_what_an_earlier_version_wrote_is_read_whole(frozen: Frozen) -> None:
    """No member of it is refused, and none is dropped in silence."""
    events = [event for lines in frozen.logs.values() for event in told(lines, frozen.contracts)]

    for type, data in events:
        read = msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(data), type=TYPES[type]))
        assert members(data) <= members(read), type
    assert len({type for type, _ in events}) > 20


@earlier
def test_evidence_of_an_earlier_version_folds_to_what_it_told(frozen: Frozen) -> None:
    """The states are those that the earlier code found, read from its own log: not what this code makes of both."""
    records = [
        event
        for type, data in told(frozen.logs["evidence"], frozen.contracts)
        if (event := decode(type, msgspec.json.encode(data))) is not None
    ]
    journal = (
        Journal().fold([Decided(policy_from(STREAK_3)), Decided(policy_from(TWO_TIERS), of="lv"), *records]).settle()
    )
    names = {id: name for name, id in frozen.learners.items()}
    found = {
        (names[learner], competency): alike(msgspec.to_builtins(journal.state(competency, learner)))
        for _, learner, competency in journal.states
        if names[learner] not in BY_PEOPLE
    }
    expected = {key: state for key, state in shown(frozen.logs["progression"], frozen.learners).items()
                if key[0] not in BY_PEOPLE}  # fmt: skip

    assert found == expected
    assert {state[0] for state in expected.values()} >= {"mastered", "not_yet", "insufficient_evidence"}


@each_event
def test_the_reader_of_an_earlier_version_takes_what_this_one_writes(frozen: Frozen, type: str) -> None:
    for written in samples(TYPES[type]):
        assert not (faults := frozen.faults(type, json.loads(written))), faults


@each_event
def test_a_member_that_this_version_left_out_or_renamed_would_be_missed(frozen: Frozen, type: str) -> None:
    component = frozen.contracts["components"][frozen.contracts["events"][type]]
    for member in component.get("required", ()):
        data = json.loads(next(samples(TYPES[type])))
        data[f"{member}_renamed"] = data.pop(member)
        assert frozen.faults(type, data), member


def test_the_contracts_of_this_version_are_recorded() -> None:
    """A change of a contract is to be seen as one: python -m tests.shared.wire.compatibility records it."""
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


def test_every_event_that_crosses_a_service_has_a_contract() -> None:
    assert {name for log in EVENTS.values() for name in log} <= RECORDED["events"].keys()
