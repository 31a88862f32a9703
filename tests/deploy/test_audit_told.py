"""The audit of what is told and of standings: that it sees every kind of difference from what the journal gives."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from deploy.local.audit.findings import Findings
from deploy.local.audit.run import compare_standings
from deploy.local.audit.told import audit_told
from services.progression.domain.learner import LearnerState
from services.progression.domain.telling import Told
from shared.contracts.internal_events import IDENTITY_ERASED
from shared.events import Envelope

AT = "2026-03-02T09:00:00.000000Z"
DATA: dict[str, Any] = {
    "learner": {"id": "ada", "refs": ()}, "scope": {"kind": "level", "id": "m#Maths/1"}, "seq": 64, "gaps": ("m:a",),
    "basis": {"kind": "evidence", "pieces": 3},
}  # fmt: skip
TOLD = Told("e1", "attain.level.advanced.v1", "demo", "ada", AT, DATA)


def event(data: dict[str, Any] | None = None, **other: str) -> Envelope:
    members = {"id": "e1", "type": TOLD.type, "tenant": "demo", "subject": "ada", "time": AT} | other
    body = msgspec.Raw(msgspec.json.encode(DATA | (data or {})))
    return Envelope(**members, data=body, generation=1, shard=0, position=1)


def found(events: Iterable[Envelope], tenant: str | None = None) -> Findings:
    findings = Findings()
    audit_told(events, {TOLD.id: TOLD}, tenant, findings)
    return findings


def test_what_is_told_once_as_the_journal_gives_it_is_sound() -> None:
    assert found([event()]).ok
    assert found([event(), event(id="e2", tenant="other")], "demo").ok


@pytest.mark.parametrize(
    "told",
    [
        event({"seq": 65}), event({"gaps": []}), event({"basis": {"kind": "evidence", "pieces": 4}}), event({"more": 1}),
        event(subject="bo"), event(time="2026-03-02T09:00:01.000000Z"), event(type="attain.level.ready.v1"),
    ],
)  # fmt: skip
def test_an_event_that_says_something_else_in_any_member_is_seen(told: Envelope) -> None:
    findings = found([told])
    assert (findings.mismatched_events, findings.missing_events, findings.extra_events) == (1, 0, 0)
    assert not findings.ok


def test_a_member_that_an_earlier_event_lacks_has_its_default() -> None:
    first, later = (Told("e1", TOLD.type, "demo", "ada", AT, DATA | {"episode": number}) for number in (1, 2))
    sound, spoilt = Findings(), Findings()
    audit_told([event()], {"e1": first}, None, sound)
    audit_told([event()], {"e1": later}, None, spoilt)

    assert sound.ok
    assert spoilt.mismatched_events == 1


def test_what_was_told_of_a_level_before_it_had_these_members_lacks_them_all() -> None:
    told = Told(
        "e1", TOLD.type, "demo", "ada", AT, DATA | {"before": "in_progress", "after": "advanced", "policy": None}
    )
    lacks_all, lacks_some = Findings(), Findings()
    without = msgspec.Raw(msgspec.json.encode({name: value for name, value in DATA.items() if name != "basis"}))
    audit_told([msgspec.structs.replace(event(), data=without)], {"e1": told}, None, lacks_all)
    audit_told([event()], {"e1": told}, None, lacks_some)

    assert lacks_all.ok
    assert lacks_some.mismatched_events == 1


def test_an_event_that_is_missing_or_told_twice_or_without_a_cause_is_seen() -> None:
    assert found([]).missing_events == 1
    assert found([event(), event()]).extra_events == 1
    assert found([event(), event(id="e2")]).extra_events == 1


@pytest.mark.parametrize("type_", ["attain.recalculation.started.v1", IDENTITY_ERASED, "attain.level.redacted.v1"])
def test_what_the_fold_does_not_decide_is_left_out(type_: str) -> None:
    assert found([event(), event(id="e2", type=type_)]).ok


@pytest.mark.parametrize(
    "held",
    [
        {}, {("demo", "ada"): LearnerState(satisfied={"m:a": AT})},
        {("demo", "ada"): LearnerState(advanced={"m#Maths/1": "e2"})},
        {("demo", "ada"): LearnerState(advanced={"m#Maths/1": "e1"}), ("demo", "bo"): LearnerState(credited={"m:a"})},
    ],
)  # fmt: skip
def test_a_standing_that_is_missing_or_other_than_the_journal_gives_is_seen(
    held: dict[tuple[str, str], LearnerState],
) -> None:
    computed = {("demo", "ada"): LearnerState(advanced={"m#Maths/1": "e1"}), ("demo", "cy"): LearnerState()}
    sound, spoilt = Findings(), Findings()
    compare_standings(computed, {("demo", "ada"): LearnerState(advanced={"m#Maths/1": "e1"})}, sound)
    compare_standings(computed, held, spoilt)
    assert sound.ok
    assert spoilt.mismatched_standings == 1


def test_what_was_told_otherwise_is_counted_by_kind_with_the_time_of_the_latest() -> None:
    """An upgrade leaves thousands of a kind: twenty examples of one would hide the others."""
    findings = Findings()
    later = "2026-03-03T09:00:00.000000Z"
    expected = {f"e{number}": Told(f"e{number}", TOLD.type, "demo", "ada", AT, DATA) for number in range(30)}
    audit_told([event({"seq": 65}, id=id) for id in list(expected)[:28]], expected, None, findings)
    audit_told([event(id="more", time=later)], {}, None, findings)

    assert findings.told_otherwise == {
        "attain.level.advanced.v1 tells another seq": 28,
        "attain.level.advanced.v1 is not told": 2,
        "attain.level.advanced.v1 is told again, or without a cause": 1,
    }
    assert (findings.last_told_otherwise, len(findings.examples), findings.only_told) == (later, 3 + 2 + 1, True)
    findings.lost = 1
    assert not findings.only_told
    assert not Findings().only_told
