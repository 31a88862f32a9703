"""What waits for somebody: opened and closed by what happened, and told apart from what is no longer so."""

import datetime
import zoneinfo
from typing import Any

import msgspec
import pytest

from services.reporting.domain.needs import OpenRow, is_overdue, waits_of
from services.reporting.domain.told import Told, kind_of
from services.reporting.domain.waiting import Entry, Queue, still_waits, waits
from shared.contracts.internal_events import Status
from tests.reporting.builders import SHOWN_AT, happened

LEVEL, COMPETENCY = "m#Maths/2", "m:a"


def said(kind: str, scope: str, **members: Any) -> dict[Queue, Entry | None]:
    type_, _, data = happened("ada", kind, scope, **members)
    told = msgspec.json.decode(msgspec.json.encode(data), type=Told)
    assert kind_of(type_) == kind
    return {queue: entry for of, queue, entry in waits(kind, told) if of == scope}


def test_a_request_for_a_signature_waits_for_the_role_that_may_give_it() -> None:
    found = said("level.sign_off_requested", LEVEL, approver_roles=["counsellor", "teacher"])

    assert found["sign_off"] == Entry(SHOWN_AT, None, "counsellor", ())


@pytest.mark.parametrize(
    ("kind", "members", "queue", "entry"),
    [
        ("competency.provisional", {"confirms_by": ["a sign-off"]}, "confirm", (None, "teacher", ("a sign-off",))),
        ("competency.ready", {"because": ["m:b"]}, "ready", (None, "teacher", ("m:b",))),
        ("competency.reverify_due", {"why": "age", "smallest_check": "one piece", "due_by": "2026-05"},
         "reverify", ("2026-05", "teacher", ("age", "one piece"))),
        ("competency.override_contested", {"override": {"by": {"role": "registrar", "ref": "r-1"}}},
         "contested", (None, "registrar", ())),
        ("level.ready", {"waiting_since": SHOWN_AT}, "ready", (None, "teacher", ())),
        ("level.review_required", {"missing": ["m:a"], "owner": "leader", "decide_by": "2026-04"},
         "review", ("2026-04", "leader", ("m:a",))),
        ("level.review_required", {"missing": ["m:a", "m:b"], "asks_for": ["1 more of m:a, m:b"], "owner": "leader"},
         "review", (None, "leader", ("1 more of m:a, m:b",))),
        ("level.withheld", {"missing": ["m:a"], "decided_by": {"role": "leader"}, "review_at": "2026-04"},
         "withheld", ("2026-04", "leader", ("m:a",))),
        ("competency.withdrawn", {"basis": {"by": {"role": "counsellor", "ref": "c-1"}}, "review_at": "2026-04"},
         "withheld", ("2026-04", "counsellor", ())),
        ("competency.withdrawn", {"after": "provisional"}, "confirm", (None, "teacher", ())),
        ("level.placed_with_gaps", {"not_yet": ["m:a"], "unknown": ["m:b"]}, "gaps", (None, "teacher", ("m:a", "m:b"))),
    ],
)  # fmt: skip
def test_what_opens_an_entry(
    kind: str, members: dict[str, Any], queue: Queue, entry: tuple[str | None, str, tuple[str, ...]]
) -> None:
    scope = LEVEL if kind.startswith("level.") else COMPETENCY

    assert said(kind, scope, **members)[queue] == Entry(SHOWN_AT, *entry)


@pytest.mark.parametrize(
    ("kind", "closed"),
    [
        ("competency.mastered", {"confirm", "ready", "reverify", "contested", "withheld"}),
        ("competency.credited", {"confirm", "ready", "reverify", "contested", "withheld"}),
        ("competency.reinstated", {"confirm", "ready", "withheld"}),
        ("competency.reverified", {"reverify", "contested"}),
        ("competency.withdrawn", {"confirm", "reverify", "contested", "withheld"}),
        ("level.advanced", {"sign_off", "ready", "review", "withheld"}),
        ("level.sign_off_lapsed", {"sign_off"}),
        ("level.withdrawn", {"review"}),
        ("level.reinstated", {"review", "withheld"}),
        ("level.gaps_cleared", {"gaps", "ready"}),
        ("goal.chosen", {"ready"}),
    ],
)
def test_what_closes_entries(kind: str, closed: set[str]) -> None:
    found = said(kind, LEVEL if not kind.startswith("competency.") else COMPETENCY)

    assert found == dict.fromkeys(closed)


def test_a_withdrawal_closes_what_was_to_be_signed_of_the_levels_that_lack_it() -> None:
    _, _, data = happened("ada", "competency.withdrawn", COMPETENCY, levels_affected=[LEVEL])
    told = msgspec.json.decode(msgspec.json.encode(data), type=Told)

    assert (LEVEL, "sign_off", None) in list(waits("competency.withdrawn", told))


def test_a_learner_who_was_placed_is_ready_and_waiting_no_more() -> None:
    assert said("level.placed_with_gaps", LEVEL, not_yet=["m:a"])["ready"] is None


def test_events_on_no_learner_and_restricted_ones_are_no_part_of_it() -> None:
    assert [kind_of(f"attain.{kind}.v1") for kind in ("learner.erased", "snapshot.closed", "support.suggested")] == [
        None, None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("queue", "status", "begun", "missing", "waiting"),
    [
        ("confirm", "provisional", True, 0, True),
        ("confirm", "not_yet", True, 0, False),
        ("ready", None, False, 0, True),
        ("ready", "insufficient_evidence", True, 0, False),
        ("ready", "credited", False, 0, False),
        ("review", None, False, 1, True),
        ("review", None, False, 0, False),
        ("reverify", "reverify_due", True, 0, True),
        ("reverify", "mastered", True, 0, False),
        ("contested", "overridden", True, 0, True),
        ("contested", "mastered", True, 0, False),
        ("sign_off", None, True, 0, True),
        ("withheld", "overridden", True, 0, True),
        ("withheld", "mastered", True, 0, False),
        ("withheld", None, True, 0, True),
    ],
)
def test_what_is_lost_without_an_event_no_longer_waits(
    queue: Queue, status: Status | None, begun: bool, missing: int, waiting: bool
) -> None:
    assert still_waits(queue, status, SHOWN_AT, begun=begun, missing=missing) is waiting


@pytest.mark.parametrize(
    ("scope", "status", "due_by", "told"),
    [
        ("m:a", "overridden", "2026-03-09T10:00:00.000000Z", ("2026-03-09T10:00:00.000000Z", False)),
        ("m:a", "overridden", "2026-03-03T10:00:00.000000Z", (None, False)),
        ("m#Maths/1", None, "2026-03-03", ("2026-03-03", True)),
    ],
    ids=["a hold", "a hold that was renewed", "a refusal"],
)
def test_a_hold_that_stands_behind_its_end_was_renewed_and_is_not_overdue(
    scope: str, status: Status | None, due_by: str, told: tuple[str | None, bool]
) -> None:
    row = OpenRow("ada", scope, "withheld", SHOWN_AT, due_by, "teacher", "", status, None, True, 0)
    found = waits_of(row, {}, datetime.datetime(2026, 3, 6, tzinfo=datetime.UTC))

    assert found is not None
    assert (found.due_by, found.overdue) == told


@pytest.mark.parametrize(
    ("due_by", "now", "overdue"),
    [
        ("2026-03-05", "2026-03-06T03:00+00:00", False),
        ("2026-03-05", "2026-03-06T08:00+00:00", True),
        ("2026-03-06T03:00:00.000000Z", "2026-03-06T07:59+00:00", False),
        ("2026-03-06T03:00:00.000000Z", "2026-03-06T08:00+00:00", True),
    ],
    ids=["an evening", "the next day", "an instant of that day", "an instant of the day before"],
)
def test_a_day_is_over_at_midnight_where_the_district_is(due_by: str, now: str, overdue: bool) -> None:
    here = datetime.datetime.fromisoformat(now).astimezone(zoneinfo.ZoneInfo("America/Los_Angeles"))

    assert is_overdue(due_by, here) is overdue
