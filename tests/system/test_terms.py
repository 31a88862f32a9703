"""A term is closed on the running stack: its record stays, later work is of the next term, a correction is an amendment."""

from typing import Any

from deploy.local.stack import Stack
from tests.system.conftest import Attain
from tests.system.district import SOURCE, ZERO, District, Item

TERM = "2025-26 spring"
CLASS = {
    "source": SOURCE, "classes": [{"class": "room/3", "title": "Room 3"}],
    "learners": [{"source_id": name, "name": name} for name in ("ada", "bo")],
    "enrolments": [{"class": "room/3", "learner": name} for name in ("ada", "bo")],
}  # fmt: skip


def right(learner: str, competency: str, number: int, **more: Any) -> Item:
    return {
        "id": f"{learner}-{competency}-{number}", "source": SOURCE, "learner": learner,
        "competencies": [f"math:{competency}"], "score": {"raw": 1, "max": 1},
        "occurred_at": f"2026-03-02T10:0{number}:00Z",
    } | more  # fmt: skip


async def ended_with(district: District, learner: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the statuses and scores of a learner's term, and its amendments."""
    found = await district.get("reporting", f"/v1/terms/{TERM}/learners/{learner}")
    items = {item["competency"]: (item["status"], item["score"], item["evidence_count"]) for item in found["items"]}
    return items, [(event["kind"], event["scope"]) for event in found["amendments"]]


async def test_a_closed_term_stays_and_is_amended_by_a_retraction_and_by_late_evidence(stack: Stack, attain: Attain):
    district = await District(stack, "terms").open()
    await district.post("evidence", "/v1/roster", CLASS)
    first = [right(learner, "c0", n) for learner in ("ada", "bo") for n in range(3)]
    await district.send([*first, *(right("bo", "c1", n) for n in range(2))])
    await district.drained()
    ada, bo = [await district.learner(name) for name in ("ada", "bo")]
    closed = attain("term", "close", TERM, tenant=district.tenant)
    again = attain("term", "close", TERM, tenant=district.tenant)
    await district.drained()
    before = {learner: await ended_with(district, learner) for learner in (ada, bo)}
    later = "2026-03-03T10:00:00Z"
    await district.send([right("bo", "c1", 2), right("ada", "c2", 0), *(right("ada", "c1", n) for n in range(2))])
    await district.send(
        [{"id": "gone", "source": SOURCE, "learner": "ada", "retracts": "ada-c0-2", "occurred_at": later}]
    )
    await district.drained()
    after = {learner: await ended_with(district, learner) for learner in (ada, bo)}
    listed = attain("term", "list", tenant=district.tenant)
    grid = await district.get("reporting", f"/v1/terms/{TERM}/classes/room/3")
    table = await district.http.get(f"{stack.urls['reporting']}/v1/terms/{TERM}/learners/{ada}?format=csv")
    missing = await district.http.get(f"{stack.urls['reporting']}/v1/terms/another/learners/{ada}")
    told = [event for event in await district.advancements() if event["type"] == "attain.snapshot.closed.v1"]
    rebuilt = attain("rebuild", "mastery", tenant=district.tenant)
    verified = await district.verify()

    assert closed == again
    assert (before[ada], before[bo]) == (
        ({"math:c0": ("mastered", 1.0, 3)}, []),
        ({"math:c0": ("mastered", 1.0, 3), "math:c1": before[bo][0]["math:c1"]}, []),
    )
    assert before[bo][0]["math:c1"][2] == 2
    assert (after[ada][0], after[bo][0]) == (before[ada][0], before[bo][0])
    assert after[ada][1] == [("competency.withdrawn", "math:c0")]
    assert after[bo][1] == [("competency.mastered", "math:c1")]
    assert [(each["term"], each["complete"]) for each in listed["items"]] == [(TERM, True)]
    assert grid["mastery"]["counts"]["math:c0"] == {"mastered": 2}
    assert "math:c2" not in grid["mastery"]["competencies"]
    assert sorted(event["learner"] for event in grid["amendments"]) == sorted((ada, bo))
    assert [line.split(",")[0] for line in table.text.splitlines()] == ["competency", "math:c0"]
    assert missing.status_code == 404
    assert sorted(event["data"]["part"]["shard"] for event in told) == list(range(told[0]["data"]["part"]["of"]))
    assert rebuilt["exit"] == 0
    assert [verified[name] for name in ZERO] == [0] * len(ZERO), verified["examples"]
    await district.close()
