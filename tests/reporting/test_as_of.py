"""The record as of an instant of the past."""

import json
from typing import Any

import pytest

from services.reporting.domain.as_of import Event, states_at
from shared.contracts.internal_events import PolicyRef
from tests.reporting.builders import competency, enrolment, framework, happened, mastery
from tests.reporting.running import Running

POLICY = {"id": "classroom", "version": "v1", "hash": "h"}


def at(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000000Z"


def told(kind: str, after: str | None, day: int, **members: Any) -> Event:
    data = {"after": after, "policy": POLICY, "basis": {"pieces": 3}, "reason": {"text": "Because."}} | members
    return Event("m:a", f"competency.{kind}", "m", day, at(day), json.dumps(data).encode())


@pytest.mark.parametrize(
    ("events", "status", "mastered_at"),
    [
        ([told("provisional", "provisional", 1)], "provisional", None),
        ([told("provisional", "provisional", 1), told("mastered", "mastered", 2)], "mastered", at(2)),
        ([told("mastered", "mastered", 1), told("ready", None, 2)], "mastered", at(1)),
        ([told("mastered", "mastered", 1), told("withdrawn", "not_yet", 2)], "not_yet", None),
        ([told("mastered", "mastered", 1), told("override_contested", "overridden", 2)], "overridden", at(1)),
        ([told("override_contested", "overridden", 2)], "overridden", None),
        ([told("credited", "credited", 1)], "credited", None),
        ([told("mastered", "mastered", 1), told("withdrawn", "overridden", 2)], "overridden", None),
    ],
)
def test_a_state_is_what_the_last_event_left(events: list[Event], status: str, mastered_at: str | None) -> None:
    [state] = states_at("ada", events)

    assert (state.status, state.mastered_at, state.policy, state.why) == (
        status, mastered_at, PolicyRef("classroom", "v1"), "Because.",
    )  # fmt: skip


def test_what_no_event_tells_of_is_no_state() -> None:
    assert states_at("ada", [told("ready", None, 1)]) == []


async def test_the_record_as_of_then_is_that_of_the_events_by_then(reporting: Running) -> None:
    codes = [competency("a", 1, "1"), competency("b", 2, "1")]
    await reporting.told("curriculum", *framework("m", codes, [("a", "b")]))
    await reporting.told("roster", enrolment("k", "ada"))
    await reporting.told("progression", mastery("ada", "m:a"), mastery("ada", "m:b", "not_yet"))
    await reporting.told(
        "advancement",
        happened("ada", "competency.provisional", "m:a", after="provisional", decided_at=at(1), effective_at=at(1)),
        happened("ada", "competency.mastered", "m:a", after="mastered", decided_at=at(5), effective_at=at(3)),
        happened("ada", "level.ready", "m#Mathematics/1", decided_at=at(1)),
    )

    async def then(instant: str, **rest: Any) -> Any:
        return await reporting.get("/v1/learners/ada/record", parameters={"as_of": instant}, **rest)

    first, second, third = [(await then(f"2026-0{when}T12:00:00Z")).json() for when in ("2-28", "3-01", "3-05")]

    assert (first["items"], [step["competency"] for step in first["next"]]) == ([], ["m:a"])
    assert [(item["status"], item["mastered_at"]) for item in second["items"]] == [("provisional", None)]
    assert [(item["status"], item["mastered_at"]) for item in third["items"]] == [("mastered", at(3))]
    assert [step["competency"] for step in third["next"]] == ["m:b"]
    assert third["position"].startswith("advancement.")
    assert (await then("0001-01-01T00:00:00+14:00")).status_code == 422
    for wrong in ("2999-01-01T00:00:00Z", "2026-03-01T12:00:00", "yesterday"):
        refused = await then(wrong)
        assert (refused.status_code, refused.headers["Content-Type"]) == (422, "application/problem+json"), wrong
        assert refused.json()["pointer"] == "/as_of"
    assert (await then("2026-03-01T12:00:00Z", tenant="other")).status_code == 404


async def test_the_record_as_of_then_is_stale_where_one_of_its_events_waits_to_be_read(reporting: Running) -> None:
    await reporting.told("progression", mastery("bo", "m:a"))
    before = (await reporting.get("/v1/learners/bo/record", parameters={"as_of": at(1)})).json()
    await reporting.told("advancement", ("attain.competency.mastered.v1", "bo", {"learner": "unread"}))
    after = (await reporting.get("/v1/learners/bo/record", parameters={"as_of": at(1)})).json()
    now = (await reporting.get("/v1/learners/bo/record")).json()

    assert [each["stale"] for each in (before, after, now)] == [False, True, False]
